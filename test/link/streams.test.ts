/** Streams over a real link, and their ends by themselves where a peer has to misbehave. */
import { afterEach, describe, expect, test } from "bun:test";
import type { StreamFrame } from "../../src/link/channel.ts";
import { StreamReader, StreamServer, type StreamSource } from "../../src/link/streams.ts";
import type { StreamRequest } from "../../src/protocol/link-frames.ts";
import {
  MAX_STREAMS,
  STREAM_PIECE_BYTES,
  STREAM_WINDOW_BYTES,
} from "../../src/protocol/link-limits.ts";
import { until } from "../platform/portable-case.ts";
import { TestAgent, TestMaster } from "./link-pair.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const tail = (path: string): StreamRequest => ({ kind: "tailFile", path, offset: 0, follow: true });

async function start(streams: StreamSource) {
  const master = await TestMaster.start();
  cleanups.push(() => master.stop());
  const agent = new TestAgent(master.port, { streams });
  cleanups.push(() => agent.client.stop());
  agent.client.start();
  await until(() => agent.events.length === 1, "the link");
  return { master, agent };
}

/** Not `rejects` of bun:test: it turns the event loop inside the callback that it was called from. */
function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it did not fail",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** Bytes that tell their own position, so that loss and disorder show. */
function pattern(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => ((start + index) * 31) & 0xff);
}

async function* produce(total: number, chunk: number, onChunk: (sent: number) => void) {
  for (let start = 0; start < total; start += chunk) {
    onChunk(start + chunk);
    yield pattern(start, Math.min(chunk, total - start));
  }
}

/** Ends only when it is told to. */
async function* waitFor(signal: AbortSignal, onAbort: () => void) {
  yield new Uint8Array(1);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  onAbort();
}

describe("streams over a link", () => {
  test("several run side by side and each keeps its bytes in order", async () => {
    const { master } = await start((request) =>
      produce(request.kind === "tailFile" ? Number(request.path) : 0, 10_007, () => undefined),
    );
    const sizes = [0, 1, 10_007, 1_000_000, 3_000_000];
    const bodies = await Promise.all(
      sizes.map((size) => new Response(master.link().openStream(tail(String(size)))).bytes()),
    );
    for (const [index, size] of sizes.entries()) {
      expect(Buffer.compare(bodies[index] ?? new Uint8Array(9), pattern(0, size))).toBe(0);
    }
  });

  test("a reader that stops holds its source at one window and nobody else", async () => {
    const sent = new Map<string, number>();
    const { master } = await start((request) => {
      const path = request.kind === "tailFile" ? request.path : "";
      return produce(5_000_000, 10_000, (bytes) => sent.set(path, bytes));
    });
    const stalled = master.link().openStream(tail("stalled"));
    const body = await new Response(master.link().openStream(tail("other"))).bytes();
    expect(body.length).toBe(5_000_000);
    await until(() => (sent.get("stalled") ?? 0) >= STREAM_WINDOW_BYTES, "one window");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent.get("stalled")).toBeLessThanOrEqual(STREAM_WINDOW_BYTES + 2 * 10_000);
    expect((await new Response(stalled).bytes()).length).toBe(5_000_000);
  });

  test("one chunk far above the window is sent in pieces as the reader takes them", async () => {
    const { master } = await start(() => produce(10_000_000, 10_000_000, () => undefined));
    const reader = master.link().openStream(tail("big")).getReader();
    const sizes: number[] = [];
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      sizes.push(read.value.length);
    }
    expect(Math.max(...sizes)).toBe(STREAM_PIECE_BYTES);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(10_000_000);
  });

  test("a cancelled stream ends its source at the agent", async () => {
    const ends: string[] = [];
    const { master } = await start((_request, signal) => waitFor(signal, () => ends.push("end")));
    const reader = master.link().openStream(tail("a")).getReader();
    await reader.read();
    await reader.cancel();
    await until(() => ends.length === 1, "the source to end");
  });

  test("a source that waits for credit ends when its stream is cancelled", async () => {
    let isEnded = false;
    const { master } = await start(async function* () {
      try {
        for (;;) yield new Uint8Array(100_000);
      } finally {
        isEnded = true;
      }
    });
    const reader = master.link().openStream(tail("a")).getReader();
    await reader.read();
    await reader.cancel();
    await until(() => isEnded, "the source to end");
  });

  test("what a source throws reaches the reader as it stands", async () => {
    const { master } = await start(async function* () {
      yield new Uint8Array(3);
      throw new Error("/var/x: permission denied");
    });
    const reader = master.link().openStream(tail("a")).getReader();
    expect((await reader.read()).value).toEqual(new Uint8Array(3));
    expect(await failureOf(reader.read())).toContain("/var/x: permission denied");
  });

  test("a lost link fails the readers at the master and stops the sources at the agent", async () => {
    const ends: string[] = [];
    const { master, agent } = await start((_request, signal) =>
      waitFor(signal, () => ends.push("end")),
    );
    const link = master.link();
    const reader = link.openStream(tail("a")).getReader();
    await reader.read();
    const failure = reader.read();
    agent.client.reconnect("test");
    expect(await failureOf(failure)).toContain("the connection to the agent was lost");
    await until(() => ends.length === 1, "the source to end");
    const late = link.openStream(tail("b")).getReader();
    expect(await failureOf(late.read())).toContain("the connection to the agent was lost");
  });

  test("streams above the limit fail with a message that says so, and places become free", async () => {
    const { master } = await start((_request, signal) => waitFor(signal, () => undefined));
    const link = master.link();
    const readers = Array.from({ length: MAX_STREAMS }, () =>
      link.openStream(tail("a")).getReader(),
    );
    await Promise.all(readers.map((reader) => reader.read()));
    const tooMany = link.openStream(tail("b")).getReader();
    expect(await failureOf(tooMany.read())).toContain("256 streams are open");
    await readers[0]?.cancel();
    await link.openStream(tail("c")).getReader().read();
  });

  test("a request the agent cannot read fails its stream alone", async () => {
    const { master, agent } = await start(() => produce(5, 5, () => undefined));
    const wrong = { kind: "tailFile", path: 7 } as unknown as StreamRequest;
    const reader = master.link().openStream(wrong).getReader();
    expect(await failureOf(reader.read())).toContain("request.path: Expecting text");
    expect((await new Response(master.link().openStream(tail("a"))).bytes()).length).toBe(5);
    expect(agent.events).toEqual(["up epoch-1"]);
  });
});

describe("an end whose peer misbehaves", () => {
  test("an agent that sends beyond its credit loses the stream, not our memory", async () => {
    const sent: StreamFrame[] = [];
    const streams = new StreamReader((frame) => sent.push(frame));
    const reader = streams.open(tail("a")).getReader();
    const data = new Uint8Array(STREAM_PIECE_BYTES);
    for (let count = 0; count < 7; count++) streams.take({ kind: "streamData", stream: 1, data });
    expect(sent.map((frame) => frame.kind)).toEqual(["streamOpen", "streamEnd"]);
    expect(await failureOf(reader.read())).toContain("more than it was asked for");
  });

  test("empty chunks and frames of unknown streams take no memory", async () => {
    const streams = new StreamReader(() => undefined);
    const reader = streams.open(tail("a")).getReader();
    const empty = new Uint8Array(0);
    for (const stream of [1, 2, 99]) streams.take({ kind: "streamData", stream, data: empty });
    streams.take({ kind: "streamEnd", stream: 77, error: undefined });
    streams.take({ kind: "streamEnd", stream: 1, error: undefined });
    streams.take({ kind: "streamEnd", stream: 1, error: "twice" });
    expect((await reader.read()).done).toBe(true);
  });

  test("opening a number twice serves it once", async () => {
    let count = 0;
    const ended: StreamFrame[] = [];
    const server = new StreamServer(
      (frame) => ended.push(frame),
      (_request, signal) => {
        count += 1;
        return waitFor(signal, () => undefined);
      },
    );
    server.take({ kind: "streamOpen", stream: 1, request: tail("a") });
    server.take({ kind: "streamOpen", stream: 1, request: tail("a") });
    await until(() => ended.length === 1, "the first byte");
    server.close();
    await until(() => ended.some((frame) => frame.kind === "streamEnd"), "the end");
    expect(count).toBe(1);
  });
});
