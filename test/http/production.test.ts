/** Productions: whatever pieces a document is made of, its chunks in a row are its bytes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeUtf8, joinedBytes } from "../../src/base/text.ts";
import { READ_CHUNK_BYTES } from "../../src/http/limits.ts";
import { Production } from "../../src/http/production.ts";
import type { Document } from "../../src/master/core/views/document.ts";

type Piece = string | Uint8Array<ArrayBuffer>;

function documentOf(pieces: readonly Piece[], batch: number): Document {
  const write = (from: number, to: number): Piece => {
    const [first = "", ...others] = pieces.slice(from, to);
    if (typeof first !== "string") return joinedBytes([first, ...(others as Uint8Array[])]);
    return [first, ...others].join("");
  };
  return [{ count: () => pieces.length, batch, write }];
}

function chunksOf(document: Document, isLate: () => boolean): Uint8Array[] {
  const production = new Production<object>(
    () => document,
    () => undefined,
  );
  const chunks: Uint8Array[] = [];
  while (!production.isOver) {
    const chunk = production.advance(isLate);
    // Not copied: what a later chunk writes must not reach an earlier one.
    if (chunk !== undefined) chunks.push(chunk);
  }
  return chunks;
}

/** Of one to three bytes a character and of two characters; up to several times a piece. */
const TEXT = fc
  .tuple(fc.constantFrom("a", "é", "€", "😀", "\ud800"), fc.nat(100_000))
  .map(([character, count]) => character.repeat(count));

test("texts of any length and any characters", () => {
  fc.assert(
    fc.property(
      fc.array(TEXT, { maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      (texts, batch) => {
        let looks = 0;
        const isLate = (): boolean => {
          looks += 1;
          return looks % 3 === 0;
        };
        const document = documentOf(texts, batch);
        const hurried = joinedBytes(chunksOf(document, isLate));
        const expected = encodeUtf8(texts.join(""));
        expect(hurried.length).toBe(expected.length);
        expect(Buffer.compare(hurried, expected)).toBe(0);
      },
    ),
    { numRuns: 50 },
  );
});

test("a long answer comes in chunks of their size, a short one in one", () => {
  const texts = Array.from({ length: 5000 }, (_, index) => `${index}${"x".repeat(1000)}`);
  const chunks = chunksOf(documentOf(texts, 1), () => false);
  expect(Buffer.compare(joinedBytes(chunks), encodeUtf8(texts.join("")))).toBe(0);
  for (const chunk of chunks.slice(0, -1)) {
    expect(chunk.length).toBeGreaterThanOrEqual(READ_CHUNK_BYTES);
    expect(chunk.length).toBeLessThan(READ_CHUNK_BYTES + 2000);
  }
  expect(chunksOf(documentOf(["{", "}"], 1), () => false)).toEqual([encodeUtf8("{}")]);
  expect(chunksOf(documentOf([], 1), () => false)).toEqual([]);
});

test("bytes", () => {
  const pieces = Array.from({ length: 100 }, (_, index) => new Uint8Array(50_000).fill(index));
  const chunks = chunksOf(documentOf(pieces, 1), () => false);
  expect(Buffer.compare(joinedBytes(chunks), joinedBytes(pieces))).toBe(0);
  expect(chunks.length).toBeGreaterThan(3);
});
