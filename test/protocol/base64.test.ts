/** Base64 and UUIDs. Method: known values, and the platform's own coder on random bytes. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  base64Bytes,
  base64ToUuid,
  canonicalBase64,
  decodeBase64,
  encodeBase64,
  uuidToBase64,
} from "../../src/protocol/base64.ts";

describe("base64", () => {
  test("random bytes survive, padded or not [http-api 3.2]", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = encodeBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64"));
        expect(base64Bytes(text)).toBe(bytes.length);
        expect(decodeBase64(text)).toEqual(new Uint8Array(bytes));
        expect(canonicalBase64(text.replaceAll("=", ""))).toBe(text);
      }),
    );
  });

  test("unused bits are cleared, so that equal bytes are equal texts", () => {
    expect(canonicalBase64("YX==")).toBe("YQ==");
    expect(canonicalBase64("YWJ=")).toBe("YWI=");
    expect(canonicalBase64("YWJ")).toBe("YWI=");
  });

  test("what is not base64 is refused [http-api 3.2]", () => {
    for (const text of [
      "Y",
      "YQ=",
      "Y===",
      "YQ==YQ==",
      "YQ-_",
      "Y Q=",
      "YQ==\n",
      "=",
      "====",
      "é",
    ]) {
      expect(canonicalBase64(text), text).toBeUndefined();
      expect(decodeBase64(text), text).toBeUndefined();
    }
    expect(decodeBase64("")).toEqual(new Uint8Array());
  });

  test("ten megabytes are checked without trouble [issue 2]", () => {
    const text = "QUJD".repeat(2_500_000);
    expect(canonicalBase64(text)).toBe(text);
    expect(canonicalBase64(`${text}!`)).toBeUndefined();
  });
});

describe("uuid", () => {
  const uuid = "5e2b6a1c-9d0e-4f57-8c1d-aa0011223344";

  test("text form and 16 raw bytes stand for each other [http-api 3.2]", () => {
    const base64 = uuidToBase64(uuid);
    expect(base64).toBe("XitqHJ0OT1eMHaoAESIzRA==");
    expect(base64ToUuid(base64 ?? "")).toBe(uuid);
    expect(uuidToBase64(uuid.toUpperCase())).toBe(base64);
  });

  test("other lengths and forms are no UUID [http-api 2.4]", () => {
    for (const text of [
      "",
      uuid.replaceAll("-", ""),
      `{${uuid}}`,
      `${uuid}0`,
      uuid.replace("5", "g"),
    ]) {
      expect(uuidToBase64(text), text).toBeUndefined();
    }
    for (const base64 of ["", "AAAA", encodeBase64(new Uint8Array(17)), "!"]) {
      expect(base64ToUuid(base64), base64).toBeUndefined();
    }
  });
});
