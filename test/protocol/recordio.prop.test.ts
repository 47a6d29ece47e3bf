/** RecordIO under random splits. Method: what is framed comes back, however the stream is cut. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { frameRecord, RecordDecoder } from "../../src/protocol/recordio.ts";

const LIMIT_BYTES = 300;

describe("RecordDecoder", () => {
  test("random records survive random splits [http-api 3.1]", () => {
    const records = fc.array(fc.uint8Array({ maxLength: LIMIT_BYTES }), { maxLength: 8 });
    fc.assert(
      fc.property(records, fc.array(fc.nat(40), { minLength: 1, maxLength: 50 }), (sent, sizes) => {
        const stream = new Uint8Array(Buffer.concat(sent.map(frameRecord)));
        const decoder = new RecordDecoder(LIMIT_BYTES);
        const received: Uint8Array[] = [];
        for (let position = 0, turn = 0; position < stream.length; turn++) {
          const size = turn >= 200 ? stream.length : (sizes[turn % sizes.length] ?? 1);
          const result = decoder.push(stream.subarray(position, position + size));
          if (!result.ok) throw new Error(result.error.message);
          received.push(...result.value);
          position += size;
        }
        expect(received).toEqual(sent.map((record) => new Uint8Array(record)));
        expect(decoder.isIdle).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("random bytes never throw and never pass the limit [issue 2]", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (chunks) => {
        const decoder = new RecordDecoder(20);
        for (const chunk of chunks) {
          const result = decoder.push(chunk);
          if (result.ok) expect(result.value.every((record) => record.length <= 20)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
