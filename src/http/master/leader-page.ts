/** `/allot/v1/leader` for a browser: who leads, who else stands, and why nothing moves. */
import type { LeaderReport } from "../../protocol/leader-report.ts";
import { escapeHtml } from "../help.ts";

/** A whole document that refreshes itself. */
export function leaderPage({ self, leader, masters, zookeeper, why }: LeaderReport): Response {
  const epoch = leader?.epoch == null ? "" : `, epoch ${leader.epoch}`;
  const since = leader?.since == null ? "" : `, since ${leader.since}`;
  const isLed = leader !== null && why.length === 0;
  const lines = [
    isLed ? `${leader.address} leads${epoch}${since}.` : "No master leads.",
    ...why,
    `This master, ${self.address}, is ${self.standing}.`,
    ...(zookeeper === null
      ? []
      : [`ZooKeeper (${zookeeper.servers.join(", ")}): ${contactText(zookeeper)}.`]),
  ];
  const items = masters.map(
    ({ address, hostname }) =>
      `<li><a href="http://${escapeHtml(address)}/allot/v1/leader">${escapeHtml(address)}</a> ${escapeHtml(hostname)}</li>`,
  );
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Masters</title></head>
<body>
<h1>Masters</h1>
${lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("\n")}
<p>In the order in which they would lead:</p>
<ol>
${items.join("\n")}
</ol>
</body>
</html>
`;
  return new Response(body, { headers: { "Content-Type": "text/html; charset=utf-8" } });
}

function contactText({ is_connected, since }: NonNullable<LeaderReport["zookeeper"]>): string {
  return `${is_connected ? "connected" : "not reachable"} since ${since}`;
}
