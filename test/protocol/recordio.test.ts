/** RecordIO framing. Method: streams written by hand, whole and byte by byte. */
import { describe, expect, test } from "bun:test";
import { frameRecord, RecordDecoder } from "../../src/protocol/recordio.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (record: Uint8Array) => new TextDecoder().decode(record);

function push(decoder: RecordDecoder, chunk: string): string[] {
  const result = decoder.push(bytes(chunk));
  if (!result.ok) throw new Error(result.error.message);
  return result.value.map(text);
}

describe("frameRecord", () => {
  test("a record is its length in bytes, a line feed, its bytes [http-api 3.1]", () => {
    expect(text(frameRecord(bytes("héllo")))).toBe("6\nhéllo");
    expect(text(frameRecord(new Uint8Array()))).toBe("0\n");
  });
});

describe("RecordDecoder", () => {
  test("records of zero length come at once [http-api 3.1]", () => {
    expect(push(new RecordDecoder(10), "0\n0\n1\na0\n")).toEqual(["", "", "a", ""]);
  });

  test("borders of chunks do not matter [http-api 3.1]", () => {
    const decoder = new RecordDecoder(20);
    const records = [..."3\nabc12\nabcdefghijkl0\n"].flatMap((character) =>
      push(decoder, character),
    );
    expect(records).toEqual(["abc", "abcdefghijkl", ""]);
    expect(decoder.isIdle).toBe(true);
  });

  test("a cut stream is seen to be cut [http-api 3.1]", () => {
    for (const cut of ["1", "3\n", "3\nab"]) {
      const decoder = new RecordDecoder(10);
      push(decoder, cut);
      expect(decoder.isIdle, cut).toBe(false);
    }
  });

  test("a header that is no decimal number fails for good [http-api 3.1]", () => {
    for (const bad of [
      "x\n",
      "-1\n",
      "+1\na",
      " 1\na",
      "1 \na",
      "\n",
      "1.0\n",
      "0x1\n",
      "1\r\na",
    ]) {
      const decoder = new RecordDecoder(10);
      expect(decoder.push(bytes(bad)).ok, bad).toBe(false);
      expect(decoder.push(bytes("1\na")).ok, bad).toBe(false);
    }
  });

  test("a record above the limit fails before its bytes arrive [issue 2]", () => {
    const decoder = new RecordDecoder(10);
    const result = decoder.push(bytes("11\n"));
    expect(result.ok ? undefined : result.error.code).toBe("tooLarge");
    expect(new RecordDecoder(10).push(bytes("10\n")).ok).toBe(true);
  });

  test("a header without end is not collected [issue 2]", () => {
    const decoder = new RecordDecoder(10);
    expect(decoder.push(bytes("0".repeat(10))).ok).toBe(true);
    expect(decoder.push(bytes("0")).ok).toBe(false);
  });

  test("records do not share memory with the chunk [style 4]", () => {
    const chunk = bytes("2\nab");
    const result = new RecordDecoder(10).push(chunk);
    chunk.fill(0);
    expect(result.ok ? result.value.map(text) : []).toEqual(["ab"]);
  });
});
