/**
 * Mutated bodies. Method: valid bodies of both encodings are cut, spliced and changed at random;
 * each must be refused or give a message that can be written and read again unchanged. The seed
 * is printed with a failure and taken from FUZZ_SEED.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createCodec } from "../../src/protocol/codec.ts";
import type { MediaType } from "../../src/protocol/media-types.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { messageArbitrary, schema } from "./message-arbitrary.ts";
import { type Random, seededRandom } from "./seeded-random.ts";

const BODY_COUNT = 20_000;
const TIME_LIMIT_MS = 60_000;

/** Bytes that mean something in one of the encodings. */
const TELLING_BYTES = [
  0x00, 0x0a, 0x12, 0x22, 0x2c, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0x80, 0xff,
];

const { FUZZ_SEED } = process.env;
const seed = Number(FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const codec = createCodec();

function corpus(random: Random, mediaType: MediaType): [keyof V1Messages, Uint8Array][] {
  const names = schema.messageNames() as (keyof V1Messages)[];
  const weighted: (keyof V1Messages)[] = [
    ...names,
    ...new Array<keyof V1Messages>(200).fill("mesos.v1.scheduler.Call"),
    ...new Array<keyof V1Messages>(60).fill("mesos.v1.executor.Call"),
  ];
  return weighted.map((name) => {
    const [message] = fc.sample(messageArbitrary(name), {
      numRuns: 1,
      seed: random.integer(2 ** 31),
    });
    return [name, codec.encode(name, mediaType, message as never)];
  });
}

function mutate(random: Random, body: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = [...body];
  const rounds = 1 + random.integer(4);
  for (let round = 0; round < rounds; round++) {
    const at = random.integer(bytes.length + 1);
    switch (random.integer(7)) {
      case 0:
        bytes = bytes.slice(0, at);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
        break;
      case 2:
        if (at < bytes.length) bytes[at] = random.integer(256);
        break;
      case 3:
        bytes.splice(at, 0, TELLING_BYTES[random.integer(TELLING_BYTES.length)] ?? 0);
        break;
      case 4:
        bytes.splice(at, random.integer(8));
        break;
      case 5:
        bytes.splice(at, 0, ...other.slice(0, random.integer(40)));
        break;
      default: {
        const from = random.integer(bytes.length + 1);
        bytes.splice(at, 0, ...bytes.slice(from, from + random.integer(40)));
      }
    }
  }
  return Uint8Array.from(bytes);
}

function check(name: keyof V1Messages, mediaType: MediaType, body: Uint8Array): boolean {
  const decoded = codec.decode(name, mediaType, body);
  if (!decoded.ok) {
    expect(decoded.error.code).toBe("invalid");
    expect(decoded.error.message.startsWith("Failed to ")).toBe(true);
    return false;
  }
  for (const other of ["application/json", "application/x-protobuf"] as const) {
    const again = codec.decode(name, other, codec.encode(name, other, decoded.value));
    expect(again).toEqual(decoded);
  }
  return true;
}

function fuzz(mediaType: MediaType): void {
  const random = seededRandom(seed);
  const bodies = corpus(random, mediaType);
  const deadline = performance.now() + TIME_LIMIT_MS;
  let acceptedCount = 0;
  for (let round = 0; round < BODY_COUNT; round++) {
    const [name, body] = bodies[random.integer(bodies.length)] ?? [
      "mesos.v1.TaskID",
      new Uint8Array(),
    ];
    const [, other] = bodies[random.integer(bodies.length)] ?? [name, body];
    const mutated = mutate(random, body, other);
    try {
      if (check(name, mediaType, mutated)) acceptedCount++;
    } catch (error) {
      const hex = mutated.toHex();
      throw new Error(`FUZZ_SEED=${seed} round ${round} ${name} ${mediaType} ${hex}`, {
        cause: error,
      });
    }
    if (performance.now() > deadline)
      throw new Error(`only ${round} bodies in ${TIME_LIMIT_MS} ms`);
  }
  // Both outcomes have to occur, or the mutations are not worth their name.
  expect(acceptedCount).toBeGreaterThan(BODY_COUNT / 100);
  expect(acceptedCount).toBeLessThan(BODY_COUNT - BODY_COUNT / 100);
}

describe("codec under fuzzing", () => {
  for (const mediaType of ["application/json", "application/x-protobuf"] as const) {
    test(
      `${BODY_COUNT} mutated ${mediaType} bodies are refused or read soundly [issue 2]`,
      () => {
        fuzz(mediaType);
      },
      TIME_LIMIT_MS + 5000,
    );
  }

  test("random bytes are refused or read soundly [issue 2]", () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 5000; round++) {
      const body = Uint8Array.from({ length: random.integer(64) }, () => random.integer(256));
      check("mesos.v1.scheduler.Call", "application/x-protobuf", body);
      check("mesos.v1.scheduler.Call", "application/json", body);
    }
  });
});
