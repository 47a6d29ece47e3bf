/** HTTP/1.1 as clients of Mesos' own library speak it: calls are sent without waiting for answers. */
import { connect } from "node:net";

/**
 * Posts all bodies one after the other over one connection, without waiting; the statuses, in order.
 * Errors: it was cut before the last one.
 */
export function postPipelined(
  url: string,
  bodies: readonly object[],
  headers: Readonly<Record<string, string>> = {},
): Promise<number[]> {
  const { hostname, port, pathname, host } = new URL(url);
  const head = Object.entries({ Host: host, "Content-Type": "application/json", ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  const requests = bodies.map((body) => {
    const text = JSON.stringify(body);
    const length = Buffer.byteLength(text);
    return `POST ${pathname} HTTP/1.1\r\n${head}Content-Length: ${length}\r\n\r\n${text}`;
  });
  return new Promise((resolve, reject) => {
    let answers = "";
    const statuses = (): number[] =>
      [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
    const socket = connect(Number(port), hostname, () => {
      socket.setNoDelay(true);
      for (const request of requests) socket.write(request);
    });
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      answers += chunk;
      if (statuses().length < bodies.length) return;
      socket.destroy();
      resolve(statuses());
    });
    socket.once("error", reject);
    socket.once("close", () => {
      reject(new Error(`cut after ${statuses().length} of ${bodies.length} answers`));
    });
  });
}
