/** What is told of servers that serve, do not, say nothing, or are not there. */
import { afterAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { askServers } from "../../../src/election/zookeeper/servers.ts";
import { systemClock } from "../../../src/platform/system.ts";
import { freePort } from "../../harness/free-port.ts";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** Answers `srvr` with that text, or keeps silent. */
async function fake(answer: string | undefined): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => answer !== undefined && socket.end(answer));
  });
  servers.push(server);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return `127.0.0.1:${port}`;
}

test("each server is told as what it says of itself, in order", async () => {
  const addresses = [
    await fake("Zookeeper version: 3.8.0\nMode: follower\n"),
    await fake("This ZooKeeper instance is not currently serving requests\n"),
    await fake("srvr is not executed because it is not in the whitelist.\n"),
    await fake(undefined),
    `127.0.0.1:${await freePort()}`,
  ];
  const reports = await askServers(addresses, systemClock);
  expect(reports.map(({ address }) => address)).toEqual(addresses);
  expect(reports.map(({ state }) => state)).toEqual([
    "serving",
    "noQuorum",
    "unknown",
    "silent",
    "away",
  ]);
});
