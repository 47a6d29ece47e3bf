/** Content negotiation, header by header. */
import { describe, expect, test } from "bun:test";
import {
  acceptsMediaType,
  requestMediaType,
  responseMediaType,
} from "../../src/protocol/media-types.ts";

describe("requestMediaType", () => {
  test("the two types are taken as exact strings [http-api 2.1]", () => {
    expect(requestMediaType("application/json")).toEqual({ ok: true, value: "application/json" });
    expect(requestMediaType("application/x-protobuf")).toEqual({
      ok: true,
      value: "application/x-protobuf",
    });
  });

  test("anything else is unsupported, parameters included [http-api 2.3]", () => {
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "text/plain", ""]) {
      expect(requestMediaType(type)).toEqual({
        ok: false,
        error: {
          code: "unsupportedMediaType",
          message: "Expecting 'Content-Type' of application/json or application/x-protobuf",
        },
      });
    }
  });

  test("a missing header is a bad request [http-api 2.3]", () => {
    for (const missing of [null, undefined]) {
      expect(requestMediaType(missing)).toEqual({
        ok: false,
        error: { code: "invalid", message: "Expecting 'Content-Type' to be present" },
      });
    }
  });
});

describe("responseMediaType", () => {
  const chosen = (accept: string | null) => {
    const result = responseMediaType(accept);
    return result.ok ? result.value : result.error.code;
  };

  test("JSON is tried first, and chosen without a header [http-api 2.1]", () => {
    for (const accept of [
      null,
      "*/*",
      "application/*",
      "APPLICATION/JSON",
      "application/x-protobuf, application/json;q=0.1",
      "text/html, */*;q=0.8",
    ]) {
      expect(chosen(accept), String(accept)).toBe("application/json");
    }
  });

  test("protobuf is chosen when JSON is not allowed [http-api 2.1]", () => {
    for (const accept of [
      "application/x-protobuf",
      "application/json;q=0, application/x-protobuf",
      "application/json; q=0.0 , */*",
    ]) {
      expect(chosen(accept), accept).toBe("application/x-protobuf");
    }
  });

  test("an Accept that allows neither is refused with Mesos' words [http-api 2.3]", () => {
    for (const accept of ["text/html", "", "*/*;q=0", "application/json;q=0", "x".repeat(10_000)]) {
      expect(chosen(accept), accept.slice(0, 40)).toBe("notAcceptable");
    }
    expect(responseMediaType("text/html")).toEqual({
      ok: false,
      error: {
        code: "notAcceptable",
        message: "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
      },
    });
  });

  test("other types can be asked for [http-api 2.1]", () => {
    expect(acceptsMediaType("application/recordio", "application/recordio")).toBe(true);
    expect(acceptsMediaType("application/json", "application/recordio")).toBe(false);
  });
});
