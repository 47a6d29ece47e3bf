/** Whatever a message may hold comes through CBOR unchanged; the writer is cbor-x, the reader ours. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createCodec } from "../../src/protocol/codec.ts";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { messageArbitrary } from "./message-arbitrary.ts";
import { seededRandom } from "./seeded-random.ts";

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

const uuid = "AAECAwQFBgcICQoLDA0ODw==";
const EMPTY_REGISTRATION = {
  kind: "register",
  agentInfo: { hostname: "h" },
  checkpointedResources: [],
  version: "1.0.0",
  capabilities: [],
  lastCommand: 0,
  frameworks: [],
  executors: [],
  tasks: [],
  operations: [],
};

/** For v1 messages of some type: a message of an agent with one in it, and where that is. */
const HOLDERS: Readonly<
  Partial<
    Record<keyof V1Messages, readonly [hold: (message: object) => object, of: readonly string[]]>
  >
> = {
  "mesos.v1.Task": [
    (task) => ({ ...EMPTY_REGISTRATION, tasks: [{ task }] }),
    ["tasks", "0", "task"],
  ],
  "mesos.v1.AgentInfo": [(agentInfo) => ({ ...EMPTY_REGISTRATION, agentInfo }), ["agentInfo"]],
  "mesos.v1.FrameworkInfo": [
    (info) => ({ ...EMPTY_REGISTRATION, frameworks: [info] }),
    ["frameworks", "0"],
  ],
  "mesos.v1.ExecutorInfo": [
    (executorInfo) => ({ ...EMPTY_REGISTRATION, executors: [{ frameworkId: "f", executorInfo }] }),
    ["executors", "0", "executorInfo"],
  ],
  "mesos.v1.TaskStatus": [
    (status) => ({ kind: "statusUpdate", frameworkId: "f", status, latestState: "TASK_LOST" }),
    ["status"],
  ],
  "mesos.v1.Offer.Operation": [
    (info) => ({
      kind: "operationStatus",
      operation: { uuid, info },
      status: { state: "OPERATION_FAILED" },
    }),
    ["operation", "info"],
  ],
};

test("every v1 message comes through as the codec reads it", () => {
  for (const [key, [hold, of]] of Object.entries(HOLDERS)) {
    const name = key as keyof V1Messages;
    fc.assert(
      fc.property(messageArbitrary(name), (message) => {
        const bytes = linkCodec.encodeMessage(hold(message));
        const packet = linkCodec.decodeFrom("agent", linkCodec.joinMessages("e", [bytes, bytes]));
        const expected = codec.fromJson(name, message);
        const frame = packet.ok ? packet.value.frames[0] : undefined;
        const messages = frame?.kind === "messages" ? frame.messages : [];
        if (!expected.ok) {
          expect(packet.ok && packet.value.fault).toBeTruthy();
          return;
        }
        expect(packet.ok && packet.value.fault).toBeUndefined();
        const read = messages.map((one) =>
          of.reduce<unknown>((part, step) => (part as Record<string, unknown>)[step], one),
        );
        expect(read).toEqual([expected.value, expected.value]);
        // Equal messages print equally.
        expect(JSON.stringify(read[0])).toBe(JSON.stringify(expected.value));
      }),
      { numRuns: 100 },
    );
  }
});

test("20,000 mutated messages are read, or refused in their place, and never thrown at", () => {
  const random = seededRandom(5);
  const samples = Object.entries(HOLDERS).flatMap(([key, [hold]]) =>
    fc
      .sample(messageArbitrary(key as keyof V1Messages), { numRuns: 3, seed: 7 })
      .map((message) => linkCodec.joinMessages("e", [linkCodec.encodeMessage(hold(message))])),
  );
  const counts = { read: 0, faulty: 0, refused: 0 };
  for (let round = 0; round < 20_000; round++) {
    const mutated = Uint8Array.from(samples[random.integer(samples.length)] ?? new Uint8Array(0));
    for (let count = random.integer(4); count >= 0; count--) {
      mutated[random.integer(mutated.length)] = random.integer(256);
    }
    const packet = linkCodec.decodeFrom("agent", mutated);
    if (!packet.ok) counts.refused += 1;
    else if (packet.value.fault === undefined) counts.read += 1;
    else {
      counts.faulty += 1;
      expect(packet.value.fault.field).toStartWith("message");
    }
  }
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(100);
  // Nothing of a message that was given up gets into the next one.
  const [sample = new Uint8Array(0)] = samples;
  expect(linkCodec.decodeFrom("agent", sample)).toEqual(
    createLinkCodec().decodeFrom("agent", sample),
  );
});
