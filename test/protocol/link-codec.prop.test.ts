/** Whatever a message may hold comes through CBOR unchanged; the writer is cbor-x, the reader ours. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createCodec } from "../../src/protocol/codec.ts";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { messageArbitrary } from "./message-arbitrary.ts";

const codec = createCodec();
const linkCodec = createLinkCodec();

function acrossTheWire(message: unknown): unknown {
  const packet = linkCodec.joinMessages("e", [linkCodec.encodeMessage(message)]);
  const decoded = linkCodec.decode(packet);
  if (!decoded.ok) throw new Error(decoded.error.message);
  const [frame] = decoded.value.frames;
  return frame?.kind === "messages" ? frame.messages[0] : "no messages";
}

const text = fc.string({ unit: "grapheme", maxLength: 80 });
const number = fc.oneof(
  fc.double({ noNaN: true }).map((value) => value + 0),
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), 2 ** 53),
);

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(
      fc.string({ maxLength: 50 }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 30, noNullPrototype: true },
    ),
  ),
}));

test("texts, bytes, numbers up to 2^53, undefined, lists and records keep their value", () => {
  fc.assert(
    fc.property(value, (message) => {
      expect(acrossTheWire({ message })).toStrictEqual({ message });
    }),
    { numRuns: 1000 },
  );
});

test("byte strings are copies: the packet may be reused", () => {
  const packet = linkCodec.joinMessages("e", [linkCodec.encodeMessage(new Uint8Array([1, 2, 3]))]);
  const decoded = linkCodec.decode(packet);
  packet.fill(0);
  expect(decoded.ok && decoded.value.frames[0]).toEqual({
    kind: "messages",
    messages: [new Uint8Array([1, 2, 3])],
  });
});

test("every v1 message comes through as the codec reads it", () => {
  const names = ["TaskInfo", "Task", "TaskStatus", "AgentInfo", "FrameworkInfo", "ExecutorInfo"];
  for (const name of names.map((short) => `mesos.v1.${short}` as keyof V1Messages)) {
    fc.assert(
      fc.property(messageArbitrary(name), (message) => {
        const read = codec.fromJson(name, acrossTheWire(message));
        expect(read).toEqual(codec.fromJson(name, message));
      }),
      { numRuns: 100 },
    );
  }
});
