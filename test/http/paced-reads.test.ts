/**
 * Long reads: slices, shared productions, readers that do not keep up. Writing moves a fake clock,
 * so that time passes only by what is written.
 */
import { describe, expect, test } from "bun:test";
import {
  READ_CHUNK_BYTES,
  READ_IDLE_MS,
  READ_SHARE_WAIT_MS,
  READ_SLICE_MS,
  READERS_MAX,
} from "../../src/http/limits.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { Document } from "../../src/master/core/views/document.ts";
import { FakeClock } from "../base/fake-clock.ts";

interface Setup {
  readonly clock: FakeClock;
  readonly reads: PacedReads;
  /** Things written in each turn of the event loop. */
  readonly turns: number[];
  /** How often a document was made. */
  readonly made: string[];
  read(things: number, options?: ReadOptions): Promise<Response>;
}

interface ReadOptions {
  readonly key?: string;
  readonly msPerThing?: number;
  readonly bytesPerThing?: number;
  readonly signal?: AbortSignal;
}

function setup(): Setup {
  const clock = new FakeClock();
  const turns: number[] = [];
  const made: string[] = [];
  const reads = new PacedReads({
    clock,
    defer: (next) => {
      setImmediate(() => {
        turns.push(0);
        next();
      });
    },
  });
  return {
    clock,
    reads,
    turns,
    made,
    read: (things, options = {}) => {
      const { key = "key", msPerThing = 1, bytesPerThing = 4, signal } = options;
      const make = (): Document => {
        made.push(key);
        const write = (from: number): string => {
          clock.advance(msPerThing);
          turns.push((turns.pop() ?? 0) + 1);
          return `${from};`.padEnd(bytesPerThing, ".");
        };
        return [{ count: () => things, batch: 1, write }];
      };
      return reads.respond(
        { key, contentType: "text/plain", make },
        signal ?? new AbortController().signal,
      );
    },
  };
}

/** What a document of so many things says, without the filling. */
function expected(things: number): string {
  return Array.from({ length: things }, (_, index) => `${index};`).join("");
}

async function textOf(response: Response): Promise<string> {
  return (await response.text()).replaceAll(".", "");
}

/** Lets everything that is ready happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("one reader", () => {
  test("a short answer comes in one piece", async () => {
    const { read } = setup();
    const response = await read(3);
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(await textOf(response)).toBe(expected(3));
  });

  test("an empty answer has no bytes", async () => {
    const { read } = setup();
    expect(await textOf(await read(0))).toBe("");
  });

  test("a long one is written in slices, each in a turn of its own [DESIGN 8]", async () => {
    const { read, turns } = setup();
    expect(await textOf(await read(100))).toBe(expected(100));
    expect(Math.max(...turns)).toBe(READ_SLICE_MS);
    expect(turns.filter((count) => count > 0)).toHaveLength(Math.ceil(100 / READ_SLICE_MS));
  });

  test("nothing is written that is not asked for", async () => {
    const { read, turns } = setup();
    const reader = (await read(100)).body?.getReader();
    await settle();
    expect(turns).toEqual([READ_SLICE_MS]);
    await reader?.read();
    await settle();
    expect(turns).toEqual([READ_SLICE_MS, READ_SLICE_MS]);
  });

  test("one that takes nothing for a minute is cut", async () => {
    const { read, clock } = setup();
    const body = (await read(100)).body;
    clock.advance(READ_IDLE_MS + 1);
    await expect(body?.getReader().read() ?? Promise.resolve()).rejects.toThrow("took nothing");
  });

  test("there is a limit to how many long answers are under way", async () => {
    const { read } = setup();
    const keys = Array.from({ length: READERS_MAX }, (_, number) => `${number}`);
    const under = await Promise.all(keys.map((key) => read(100, { key })));
    const refused = await read(100, { key: "one more" });
    expect(refused.status).toBe(503);
    expect((await read(3, { key: "short" })).status).toBe(200);
    await under[0]?.body?.cancel();
    expect((await read(100, { key: "another" })).status).toBe(200);
  });

  test("a failure is the reader's and nobody else's", async () => {
    const { reads, read } = setup();
    const make = (): Document => {
      throw new Error("broken");
    };
    const failing = { key: "key", contentType: "text/plain", make };
    const { signal } = new AbortController();
    await expect(reads.respond(failing, signal)).rejects.toThrow("broken");
    expect(await textOf(await read(3))).toBe(expected(3));
  });
});

describe("several readers", () => {
  test("equal requests of one moment share what is written [http-api 9]", async () => {
    const { read, reads, made } = setup();
    const responses = await Promise.all([read(50), read(50), read(50), read(50, { key: "other" })]);
    expect(await Promise.all(responses.map(textOf))).toEqual(Array(4).fill(expected(50)));
    expect(made).toEqual(["key", "other"]);
    expect(reads.sharedCount).toBe(2);
  });

  test("requests that come later share the next answer, begun after the running one", async () => {
    const { read, made } = setup();
    const first = await read(50);
    const later = [read(50), read(50)];
    await settle();
    expect(made).toHaveLength(1);
    expect(await textOf(first)).toBe(expected(50));
    const texts = await Promise.all(later.map(async (response) => await textOf(await response)));
    expect(texts).toEqual([expected(50), expected(50)]);
    expect(made).toHaveLength(2);
  });

  test("a running answer that is not taken keeps nobody waiting for long", async () => {
    const { read, clock } = setup();
    const stuck = await read(50);
    const next = read(50);
    await settle();
    clock.advance(READ_SHARE_WAIT_MS + 1);
    expect(await textOf(await next)).toBe(expected(50));
    expect(await textOf(stuck)).toBe(expected(50));
  });

  test("a reader that hangs up makes way for the next", async () => {
    const { read } = setup();
    const hangUp = new AbortController();
    await read(50, { signal: hangUp.signal });
    const next = read(50);
    hangUp.abort();
    expect(await textOf(await next)).toBe(expected(50));
  });

  test("one that hung up before its answer began holds nothing", async () => {
    const { read } = setup();
    const hangUp = new AbortController();
    const answer = read(50, { signal: hangUp.signal });
    hangUp.abort();
    await answer;
    expect(await textOf(await read(50))).toBe(expected(50));
  });

  test("one that lags goes on alone and misses nothing", async () => {
    const { read, made } = setup();
    const options = { msPerThing: READ_SLICE_MS, bytesPerThing: READ_CHUNK_BYTES };
    const [fast, slow] = await Promise.all([read(20, options), read(20, options)]);
    expect(await textOf(fast)).toBe(expected(20));
    expect(await textOf(slow)).toBe(expected(20));
    expect(made).toHaveLength(1);
  });

  test("short answers share a turn", async () => {
    const { read, turns } = setup();
    const keys = ["a", "b", "c", "d"];
    await Promise.all(keys.map((key) => read(1, { key })));
    expect(turns).toEqual([4]);
  });

  test("all of them together have one slice in each turn", async () => {
    const { read, turns } = setup();
    const keys = ["a", "b", "c", "d"];
    const responses = await Promise.all(keys.map((key) => read(40, { key })));
    await Promise.all(responses.map(textOf));
    expect(Math.max(...turns)).toBe(READ_SLICE_MS);
  });
});
