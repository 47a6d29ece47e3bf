/**
 * Round trips of random messages of every type. Method: messages drawn from the schema in the form
 * in which a codec returns them go out and come back in both encodings.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createCodec } from "../../src/protocol/codec.ts";
import { MEDIA_TYPES } from "../../src/protocol/media-types.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { messageArbitrary, nameArbitrary, schema } from "./message-arbitrary.ts";

const codec = createCodec();

function roundTrip(name: keyof V1Messages, message: object): void {
  for (const mediaType of MEDIA_TYPES) {
    const body = codec.encode(name, mediaType, message as never);
    const decoded = codec.decode(name, mediaType, body);
    expect(decoded, `${name} as ${mediaType}`).toEqual({ ok: true, value: message } as never);
    // Equal messages print equally, whatever they came in as.
    if (decoded.ok) expect(JSON.stringify(decoded.value)).toBe(JSON.stringify(message));
  }
}

describe("codec", () => {
  test("every message type survives JSON and protobuf [http-api 3.2]", () => {
    const names = schema.messageNames();
    expect(names.length).toBeGreaterThan(300);
    for (const name of names as (keyof V1Messages)[]) {
      fc.assert(
        fc.property(messageArbitrary(name), (message) => roundTrip(name, message)),
        { numRuns: 4 },
      );
    }
  }, 60_000);

  test("calls and events survive JSON and protobuf [http-api 3.2]", () => {
    const names = [
      "mesos.v1.scheduler.Call",
      "mesos.v1.scheduler.Event",
      "mesos.v1.executor.Call",
      "mesos.v1.executor.Event",
      "mesos.v1.TaskInfo",
    ] as const;
    for (const name of names) {
      fc.assert(
        fc.property(messageArbitrary(name), (message) => roundTrip(name, message)),
        { numRuns: 60 },
      );
    }
  }, 60_000);

  test("what fromJson accepts equals what decode accepts [http-api 3.2]", () => {
    const named = nameArbitrary().chain((name) =>
      fc.tuple(fc.constant(name), messageArbitrary(name)),
    );
    fc.assert(
      fc.property(named, ([name, message]) => {
        const key = name as keyof V1Messages;
        const value: unknown = JSON.parse(codec.toJsonText(key, message as never));
        expect(codec.fromJson(key, value)).toEqual({ ok: true, value: message } as never);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});
