/**
 * CBOR of link packets against hostile bytes: what is not a packet is refused with a reason, at
 * once and without memory being taken for what was only declared.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";
import type { LinkFrame } from "../../src/protocol/link-frames.ts";
import {
  MAX_FRAMES_PER_PACKET,
  MAX_LINK_DEPTH,
  MAX_LINK_VALUES,
} from "../../src/protocol/link-limits.ts";
import { threadTimeMs } from "../bench/thread-clock.ts";
import { seededRandom } from "./seeded-random.ts";

const codec = createLinkCodec();

function refusal(bytes: Uint8Array): string {
  const decoded = codec.decode(bytes);
  return decoded.ok ? "accepted" : decoded.error.message;
}

/** Bytes of a hexadecimal text with blanks. */
function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

const FRAMES: readonly LinkFrame<unknown>[] = [
  { kind: "hello", protocol: 1, version: "1.0.0", agentId: undefined },
  {
    kind: "welcome",
    protocol: 1,
    version: "1.0.0",
    epoch: "e1",
    masterInfo: { id: "e1", ip: 1, port: 5050 } as never,
    heartbeatMs: 5000,
    reconnectSpreadMs: 0,
    windowBytes: 2 ** 23,
  },
  { kind: "rejected", message: "nein: ä€😀" },
  { kind: "messages", messages: [{ kind: "pong", number: 1 }, [], "x", null] },
  { kind: "heartbeat" },
  { kind: "credit", bytes: 2 ** 40 },
  { kind: "streamOpen", stream: 1, request: { kind: "http", method: "GET", path: "/", body: "" } },
  { kind: "streamData", stream: 1, data: new Uint8Array([0, 1, 255]) },
  { kind: "streamCredit", stream: 1, bytes: 65_536 },
  { kind: "streamEnd", stream: 1, error: undefined },
  { kind: "streamEnd", stream: 2, error: "gone" },
];

describe("frames", () => {
  for (const frame of FRAMES) {
    test(`a ${frame.kind} frame comes through`, () => {
      const decoded = codec.decode(codec.encode({ epoch: "e1", frames: [frame] }));
      expect(decoded).toEqual({ ok: true, value: { epoch: "e1", frames: [frame] } });
    });
  }

  test("joined messages are the packet that encoding them at once gives", () => {
    for (const count of [0, 1, 23, 24, 255, 256]) {
      const messages = Array.from({ length: count }, (_, number) => ({ kind: "pong", number }));
      for (const epoch of ["", "e1", "ä".repeat(20), "x".repeat(300)]) {
        const joined = codec.joinMessages(epoch, messages.map(codec.encodeMessage));
        const whole = codec.encode({ epoch, frames: [{ kind: "messages", messages }] });
        expect(codec.decode(joined)).toEqual(codec.decode(whole));
      }
    }
  });

  test("a frame of a wrong form is refused and named by its place", () => {
    const wrong: unknown[] = [
      5,
      null,
      "heartbeat",
      [],
      {},
      { kind: "toString" },
      { kind: ["heartbeat"] },
      { kind: "credit", bytes: -1 },
      { kind: "credit", bytes: 0.5 },
      { kind: "credit", bytes: Number.NaN },
      { kind: "messages", messages: {} },
      { kind: "streamData", stream: 1, data: "text" },
      { kind: "streamData", stream: 1, data: [1, 2] },
      { kind: "hello", protocol: "1", version: "1" },
    ];
    for (const frame of wrong) {
      const frames = [{ kind: "heartbeat" }, frame] as unknown as LinkFrame<unknown>[];
      const decoded = codec.decode(codec.encode({ epoch: "e", frames }));
      expect([frame, !decoded.ok && decoded.error.field]).toEqual([frame, "frames[1]"]);
    }
  });

  test("a packet is an array with an epoch and a bounded number of frames", () => {
    expect(refusal(hex("a0"))).toContain("not an array");
    expect(refusal(hex("80"))).toContain("no epoch");
    expect(refusal(hex("81 01"))).toContain("no epoch");
    const frames = Array.from({ length: MAX_FRAMES_PER_PACKET + 1 }, () => FRAMES[4] as never);
    expect(refusal(codec.encode({ epoch: "e", frames }))).toContain("more than 1024 frames");
  });
});

describe("hostile bytes", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "ends early"],
    ["an array that declares 4 thousand million elements", "9a ffffffff", "more than 200000"],
    ["an array that declares 100,000 elements and has none", "9a 000186a0", "ends early"],
    ["a map that declares 100,000 entries and has none", "ba 000186a0", "ends early"],
    ["a text that declares 2 GB", "7a 7fffffff 61", "ends early"],
    ["bytes that declare 2 GB", "5a 7fffffff 61", "ends early"],
    ["a length of 64 bits", "9b 0000000000000001 00", "more than 32 bits"],
    ["a BigInt of 64 bits", "82 61 65 1b ffffffffffffffff", "more than 32 bits"],
    ["a negative BigInt", "82 61 65 3b ffffffffffffffff", "more than 32 bits"],
    ["a bignum tag", "82 61 65 c2 42 0100", "Tags"],
    ["a date tag", "82 61 65 c1 00", "Tags"],
    ["a shared value and a reference to it, cyclic", "d8 1c 81 d8 1d 00", "Tags"],
    ["a record definition of cbor-x", "d9 df ff 83 19 e000 81 61 61 01", "Tags"],
    ["an array without declared length", "9f ff", "more than 32 bits"],
    ["a text without declared length", "7f ff", "more than 32 bits"],
    ["a stop without a start", "ff", "no known kind"],
    ["a simple value", "82 61 65 f8 ff", "no known kind"],
    ["a half float", "82 61 65 f9 7e00", "no known kind"],
    ["a number as key", "82 61 65 a1 01 02", "key that is not text"],
    ["an array as key", "82 61 65 a1 80 02", "key that is not text"],
    ["text that is not UTF-8", "82 61 ff 00", "not valid UTF-8"],
    ["a second value behind the packet", "81 61 65 00", "follow"],
    ["a cut float", "82 61 65 fb 0000", "ends early"],
  ];
  for (const [name, bytes, message] of cases) {
    test(`${name} is refused`, () => expect(refusal(hex(bytes))).toContain(message));
  }

  test("a million brackets are refused, not recursed into", () => {
    const deep = new Uint8Array(1_000_000).fill(0x81);
    expect(refusal(deep)).toContain(`deeper than ${MAX_LINK_DEPTH}`);
  });

  test("ten million empty maps cost no more than the four million that are read of them", () => {
    const manyMaps = (lists: number): Uint8Array => {
      const list = new Uint8Array(5 + 200_000).fill(0xa0);
      list.set(hex("9a 00030d40"));
      const head = [0x82, 0x60, 0x98, lists];
      const bytes = new Uint8Array(head.length + lists * list.length);
      bytes.set(head);
      for (let index = 0; index < lists; index++)
        bytes.set(list, head.length + index * list.length);
      return bytes;
    };
    const timeOf = (bytes: Uint8Array): number => {
      Bun.gc(true);
      const startMs = threadTimeMs();
      expect(refusal(bytes)).toContain(`More than ${MAX_LINK_VALUES} values`);
      return threadTimeMs() - startMs;
    };
    const barelyTooMany = manyMaps(MAX_LINK_VALUES / 200_000 + 1);
    expect(timeOf(manyMaps(50))).toBeLessThan(2 * timeOf(barelyTooMany));
  });

  test("a key called __proto__ is a key like any other", () => {
    const bytes = hex(
      "82 60 a2 64 6b696e64 69 686561727462656174 69 5f5f70726f746f5f5f a1 61 61 01",
    );
    const decoded = codec.decode(bytes);
    expect(decoded.ok).toBe(true);
    const frame = decoded.ok ? decoded.value.frames[0] : undefined;
    expect(Object.keys(frame ?? {})).toEqual(["kind", "__proto__"]);
    expect(Object.getPrototypeOf(frame)).toBe(Object.prototype);
  });

  test("20,000 mutated and 20,000 random packets are decoded or refused, never thrown at", () => {
    const random = seededRandom(4);
    const seeds = FRAMES.map((frame) => codec.encode({ epoch: "e1", frames: [frame, frame] }));
    const startMs = threadTimeMs();
    let acceptedCount = 0;
    for (let round = 0; round < 20_000; round++) {
      const seed = seeds[random.integer(seeds.length)] ?? new Uint8Array(0);
      const mutated = Uint8Array.from(seed);
      for (let count = random.integer(4); count >= 0; count--) {
        mutated[random.integer(mutated.length)] = random.integer(256);
      }
      const cut = mutated.subarray(
        0,
        random.integer(8) === 0 ? random.integer(seed.length) : undefined,
      );
      if (codec.decode(cut).ok) acceptedCount += 1;
      const noise = Uint8Array.from({ length: random.integer(60) }, () => random.integer(256));
      codec.decode(noise);
    }
    expect(acceptedCount).toBeGreaterThan(100);
    expect(threadTimeMs() - startMs).toBeLessThan(5000);
  });
});

test("no native addon is loaded, as it corrupts memory on Bun [stack 7]", () => {
  codec.decode(codec.encode({ epoch: "e", frames: FRAMES }));
  const opened = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of the listing itself is closed by now.
      return "";
    }
  });
  const mapped = readFileSync("/proc/self/maps", "utf8").split("\n");
  expect([...opened, ...mapped].filter((line) => /cbor-extract/.test(line))).toEqual([]);
});
