/** Record streams and bodies: the shared cases on Bun and Deno, then the bound byte by byte. */
import { describe, expect, test } from "bun:test";
import { RecordStream } from "../../src/http/record-stream.ts";
import { describePortable } from "../platform/describe-portable.ts";
import { STREAM_CASES } from "./record-stream-cases.ts";

const MODULE = new URL("./record-stream-cases.ts", import.meta.url).href;
describePortable("streams and bodies", STREAM_CASES, MODULE, "STREAM_CASES");

describe("the bound of a stream nobody reads", () => {
  const make = () => new RecordStream({ bufferBytes: 100, onClosed: () => undefined });

  test("records fit up to the bound, frame heads included, and the next one cuts", () => {
    const stream = make();
    // Each takes 2 bytes of digits and a line feed more.
    expect([47, 47].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, true]);
    expect([0, 0].map((size) => stream.send(new Uint8Array(size)))).toEqual([false, false]);
  });

  test("behind a record above the bound there is room for one buffer more", () => {
    const stream = make();
    const sizes = [500, 47, 47, 0];
    expect(sizes.map((size) => stream.send(new Uint8Array(size)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  test("a record above the bound does not fit behind another", () => {
    const stream = make();
    expect([1, 500].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, false]);
  });

  test("a large record in pieces does not count while the reader is at it", async () => {
    const stream = make();
    stream.sendFramed(new Uint8Array(300), new Uint8Array(200));
    await stream.body.getReader().read();
    expect([97, 0].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, false]);
  });

  test("once the large record is taken the bound is as before", async () => {
    const stream = make();
    stream.send(new Uint8Array(500));
    await stream.body.getReader().read();
    expect([97, 0].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, false]);
  });

  test("a sender that can wait is held back until the reader has taken enough, or is gone", async () => {
    const stream = new RecordStream({
      bufferBytes: 1000,
      heldBytes: 100,
      onClosed: () => undefined,
    });
    stream.send(new Uint8Array(50));
    expect(stream.room()).toBeUndefined();
    stream.send(new Uint8Array(50));
    const reader = stream.body.getReader();
    const first = stream.room();
    expect(await Promise.race([first, Bun.sleep(1).then(() => "waits")])).toBe("waits");
    await reader.read();
    await first;
    expect(stream.room()).toBeUndefined();
    stream.send(new Uint8Array(100));
    const second = stream.room();
    expect(second).toBeInstanceOf(Promise);
    stream.abort();
    await second;
    expect(stream.room()).toBeUndefined();
  });

  test("with somebody who says when, small records of one time are passed on together", async () => {
    let flush: () => void = () => undefined;
    const writes = { request: (writer: { flush(): void }) => (flush = () => writer.flush()) };
    const stream = new RecordStream({ bufferBytes: 100, onClosed: () => undefined, writes });
    expect([1, 2].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, true]);
    flush();
    const { value } = await stream.body.getReader().read();
    expect(value?.byteLength).toBe("1\n".length + 1 + "2\n".length + 2);
    expect([60, 60].map((size) => stream.send(new Uint8Array(size)))).toEqual([true, false]);
  });
});
