/**
 * Reads from a master in a process of its own, so that the reader's work does not slow what it
 * measures: `reads-client.ts read URL [ACCEPT BODY]` prints how one answer came,
 * `reads-client.ts ping URL` asks until its input ends and prints how long each answer took.
 */
import process from "node:process";

/** Between two questions: often enough to meet every stall. */
const PING_EVERY_MS = 2;

/** How one answer came. */
export interface ReadTimes {
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly byteCount: number;
}

async function read(url: string, accept?: string, body?: string): Promise<ReadTimes> {
  const startMs = performance.now();
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { Accept: accept ?? "*/*", "Content-Type": "application/json" },
    ...(body !== undefined && { body }),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  let firstByteMs: number | undefined;
  let byteCount = 0;
  for await (const chunk of response.body ?? []) {
    firstByteMs ??= performance.now() - startMs;
    byteCount += chunk.byteLength;
  }
  return { firstByteMs: firstByteMs ?? 0, totalMs: performance.now() - startMs, byteCount };
}

async function ping(url: string): Promise<number[]> {
  let isOver = false;
  process.stdin.on("end", () => {
    isOver = true;
  });
  process.stdin.resume();
  const latencies: number[] = [];
  while (!isOver) {
    const startMs = performance.now();
    await (await fetch(url)).arrayBuffer();
    latencies.push(performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS));
  }
  return latencies;
}

if (import.meta.main) {
  const [what, url = "", accept, body] = process.argv.slice(2);
  console.log(JSON.stringify(what === "ping" ? await ping(url) : await read(url, accept, body)));
}
