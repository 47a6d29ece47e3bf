/**
 * Record streams and bodies on real responses and requests, alike on Bun and Deno: slow readers,
 * readers that vanish, records above the buffer, bodies that lie about themselves.
 */
import { equal, ok } from "node:assert/strict";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { readBody } from "../../src/http/body.ts";
import { RecordStream } from "../../src/http/record-stream.ts";
import { loadServe } from "../../src/platform/server.ts";
import { RecordDecoder } from "../../src/protocol/recordio.ts";
import { type PortableCase, rawClient, until } from "../platform/portable-case.ts";

const BUFFER_BYTES = 4 * 1024 * 1024;
const BODY_BYTES = 1_000_000;
const GET = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";

interface Streams {
  readonly port: number;
  readonly streams: RecordStream[];
  readonly ends: string[];
}

/** A server that answers GET with a record stream, as the APIs do, and POST with the body's size. */
async function withStreams(run: (streams: Streams) => Promise<void>): Promise<void> {
  const streams: RecordStream[] = [];
  const ends: string[] = [];
  const serve = await loadServe();
  const server = await serve({
    ip: "127.0.0.1",
    port: 0,
    maxBodyBytes: 2 * BODY_BYTES,
    maxSocketMessageBytes: 1,
    fetch: async (request) => {
      if (request.method === "POST") {
        const body = await readBody(request, BODY_BYTES);
        ends.push(body.ok ? `${body.value.length}` : body.error.code);
        return new Response(body.ok ? `${body.value.length} bytes` : body.error.code);
      }
      const name = `stream ${streams.length}`;
      const onClosed = (): void => {
        ends.push(name);
      };
      const stream = new RecordStream({ bufferBytes: BUFFER_BYTES, onClosed });
      streams.push(stream);
      request.signal.addEventListener("abort", () => stream.abort());
      return new Response(stream.body);
    },
  });
  try {
    await run({ port: server.port, streams, ends });
  } finally {
    await server.stop();
  }
}

/** Subscribes as a client does and counts the records that come. */
async function subscribe(port: number): Promise<{ sizes: number[]; isEnded(): boolean }> {
  const response = await fetch(`http://127.0.0.1:${port}/`);
  const decoder = new RecordDecoder(100_000_000);
  const sizes: number[] = [];
  let isEnded = false;
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) {
      const records = decoder.push(chunk);
      if (records.ok) sizes.push(...records.value.map((record) => record.length));
    }
    isEnded = decoder.isIdle;
  };
  read().catch(() => undefined);
  return { sizes, isEnded: () => isEnded };
}

async function post(
  port: number,
  body: Uint8Array<ArrayBuffer>,
  encoding: string,
): Promise<string> {
  const headers = { "Content-Encoding": encoding };
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body, headers });
  return response.text();
}

export const STREAM_CASES: readonly PortableCase[] = [
  {
    name: "a reader that stops is cut at the bound, memory stays flat, others feel nothing [DESIGN 8]",
    run: () =>
      withStreams(async ({ port, streams, ends }) => {
        const stalled = await rawClient(port, GET);
        await until(() => streams.length === 1, "the first stream");
        stalled.socket.pause();
        // Deno sends the head of a response with its first bytes only.
        const subscribing = subscribe(port);
        await until(() => streams.length === 2, "the second stream");
        const startBytes = process.memoryUsage().rss;
        let sentBytes = 0;
        let lastSentBytes = 0;
        for (let count = 0; count < 3000; count++) {
          const record = new Uint8Array(64 * 1024);
          ok(streams[1]?.send(record), `the good reader was cut at record ${count}`);
          if (streams[0]?.send(record)) lastSentBytes = sentBytes += record.length;
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        ok(lastSentBytes >= BUFFER_BYTES, `it was cut after ${lastSentBytes} bytes`);
        ok(lastSentBytes < BUFFER_BYTES + 16 * 1024 * 1024, `${lastSentBytes} bytes were taken`);
        const good = await subscribing;
        await until(() => good.sizes.length === 3000, `all records, have ${good.sizes.length}`);
        const grownBytes = process.memoryUsage().rss - startBytes;
        ok(grownBytes < 150 * 1024 * 1024, `memory grew by ${grownBytes} bytes for 190 MB sent`);
        stalled.socket.resume();
        await until(stalled.isClosed, "the connection of the slow reader to be closed");
        equal(ends.join(), "");
      }),
  },
  {
    name: "a record above the bound is delivered when the buffer is empty, and others behind it",
    run: () =>
      withStreams(async ({ port, streams }) => {
        const subscribing = subscribe(port);
        await until(() => streams.length === 1, "the stream");
        ok(streams[0]?.send(new Uint8Array(3 * BUFFER_BYTES)));
        ok(streams[0]?.send(new Uint8Array(10)));
        const reader = await subscribing;
        await until(() => reader.sizes.length === 2, "both records");
        equal(reader.sizes.join(), `${3 * BUFFER_BYTES},10`);
      }),
  },
  {
    name: "close lets the reader have all that is queued and then ends the response",
    run: () =>
      withStreams(async ({ port, streams, ends }) => {
        const subscribing = subscribe(port);
        await until(() => streams.length === 1, "the stream");
        for (let count = 0; count < 50; count++) streams[0]?.send(new Uint8Array(70_000));
        streams[0]?.close();
        streams[0]?.close();
        equal(streams[0]?.send(new Uint8Array(1)), false);
        const reader = await subscribing;
        await until(reader.isEnded, "the end");
        equal(reader.sizes.length, 50);
        equal(ends.join(), "");
      }),
  },
  {
    name: "a reader that goes away is noticed at once, and told of once",
    run: () =>
      withStreams(async ({ port, streams, ends }) => {
        const client = await rawClient(port, GET);
        await until(() => streams.length === 1, "the stream");
        streams[0]?.send(new Uint8Array(10));
        await until(() => client.heard().includes("200"), "the answer");
        client.socket.destroy();
        await until(() => ends.length > 0, "the end", 1000);
        await new Promise((resolve) => setTimeout(resolve, 20));
        equal(ends.join(), "stream 0");
        equal(streams[0]?.send(new Uint8Array(1)), false);
      }),
  },
  {
    name: "gzip bodies are inflated up to the limit, bombs are tooLarge, the rest invalid",
    run: () =>
      withStreams(async ({ port }) => {
        const gzip = (size: number) => new Uint8Array(gzipSync(new Uint8Array(size)));
        equal(await post(port, gzip(BODY_BYTES), "gzip"), `${BODY_BYTES} bytes`);
        equal(await post(port, gzip(BODY_BYTES), "GZip"), `${BODY_BYTES} bytes`);
        equal(await post(port, gzip(BODY_BYTES + 1), "gzip"), "tooLarge");
        equal(await post(port, gzip(100 * BODY_BYTES), "gzip"), "tooLarge");
        equal(await post(port, gzip(BODY_BYTES).subarray(0, 200), "gzip"), "invalid");
        equal(await post(port, new Uint8Array(20), "gzip"), "invalid");
        equal(await post(port, new Uint8Array(20), "br"), "unsupportedMediaType");
        equal(await post(port, new Uint8Array(20), "identity"), "20 bytes");
      }),
  },
  {
    name: "a chunked body is read up to the limit and refused beyond it",
    run: () =>
      withStreams(async ({ port, ends }) => {
        const head = "POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
        const part = `${(50_000).toString(16)}\r\n${"x".repeat(50_000)}\r\n`;
        const small = await rawClient(port, `${head}${part.repeat(20)}0\r\n\r\n`);
        await until(() => small.heard().includes("1000000 bytes"), "the size");
        const large = await rawClient(port, `${head}${part.repeat(21)}`);
        await until(() => ends.length === 2, "the refusal");
        equal(ends.join(), "1000000,tooLarge");
        small.socket.destroy();
        large.socket.destroy();
      }),
  },
  {
    name: "a body that is cut short is a refusal, not a crash",
    run: () =>
      withStreams(async ({ port, ends }) => {
        const head = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n";
        const client = await rawClient(port, `${head}only this`);
        await new Promise((resolve) => setTimeout(resolve, 30));
        client.socket.destroy();
        await until(() => ends.length === 1, "the refusal");
        equal(ends.join(), "invalid");
      }),
  },
];
