/** UTF-8 both ways. Method: the platform's lenient decoder as the reference. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeShortUtf8,
  decodeUtf8,
  encodeUtf8,
  encodeUtf8Into,
  excerpt,
  utf8BytesMax,
} from "../../src/base/text.ts";

describe("text", () => {
  test("every well-formed text survives [style 7]", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(decodeUtf8(encodeUtf8(text))).toBe(text);
        const room = new Uint8Array(utf8BytesMax(text));
        const length = encodeUtf8Into(text, room);
        expect(room.slice(0, length)).toEqual(encodeUtf8(text));
      }),
    );
  });

  test("bytes that are not UTF-8 give nothing, at any length [style 7]", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const lenient = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        const isValid = Buffer.compare(Buffer.from(lenient), bytes) === 0;
        expect(decodeUtf8(bytes)).toBe(isValid ? lenient : undefined);
      }),
    );
  });

  test("short texts are read as all others are, wherever in the bytes they are", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary-ascii", maxLength: 70 }).map(encodeUtf8),
      fc.string({ unit: "binary", maxLength: 20 }).map(encodeUtf8),
      fc.uint8Array({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(piece, piece, piece, (before, bytes, after) => {
        const all = new Uint8Array(Buffer.concat([before, bytes, after]));
        const end = before.length + bytes.length;
        expect(decodeShortUtf8(all, before.length, end)).toBe(decodeUtf8(bytes));
        expect(decodeShortUtf8(all, all.length, all.length)).toBe("");
      }),
      { numRuns: 1000 },
    );
  });

  test("a part of the bytes can be read, and a BOM is kept", () => {
    const bytes = encodeUtf8("abc\ufeffdef");
    expect(decodeUtf8(bytes, 1, 6)).toBe("bc\ufeff");
    expect(decodeUtf8(encodeUtf8("\ufeffx"))).toBe("\ufeffx");
  });

  test("excerpts are short and harmless on a terminal", () => {
    expect(excerpt("task-1")).toBe("task-1");
    expect(excerpt("a\n\x1b[31m\x9b")).toBe("a??[31m?");
    expect(excerpt("x".repeat(1000))).toHaveLength(65);
  });
});
