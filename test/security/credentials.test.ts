/** Credentials files in both forms; every fault has a place, and no message a secret. */
import { expect, test } from "bun:test";
import { parseCredential, parseCredentials } from "../../src/security/credentials.ts";

const ops = { principal: "ops", secret: "s3cret" };
const dev = { principal: "dev", secret: "other:with:colons" };

test("JSON and lines say the same [semantics 9.1]", () => {
  const json = parseCredentials(JSON.stringify({ credentials: [ops, dev] }));
  const lines = parseCredentials("ops s3cret\r\n\n  dev\tother:with:colons  \n");
  expect(json).toEqual({ ok: true, value: [ops, dev] });
  expect(lines).toEqual({ ok: true, value: [ops, dev] });
});

test("one credential is one JSON object or one line [semantics 9.1]", () => {
  expect(parseCredential(JSON.stringify(ops))).toEqual({
    ok: true,
    value: ops,
  });
  expect(parseCredential("ops s3cret\n")).toEqual({ ok: true, value: ops });
});

const list = (...items: unknown[]): string => JSON.stringify({ credentials: items });

const FAULTS: readonly (readonly [string, string])[] = [
  ['{"credentials": [s3cret', "not valid JSON"],
  ["{}", "'credentials'"],
  [list("s3cret"), "'credentials[0]'"],
  [list(ops, { principal: "dev" }), "'credentials[1].secret'"],
  [list({ principal: "dev", secret: "" }), "'credentials[0].secret'"],
  [list({ principal: 7, secret: "s3cret" }), "'credentials[0].principal'"],
  [list({ principal: "a:b", secret: "s3cret" }), "'credentials[0].principal'"],
  [list(ops, ops), "'ops'"],
  ["ops", "line 1"],
  ["ops s3cret\ndev s3cret more", "line 2"],
  ["a:b s3cret", "'line 1'"],
];

test("a fault is told with its place and without a secret [semantics 9.1]", () => {
  for (const [text, place] of FAULTS) {
    const parsed = parseCredentials(text);
    const message = parsed.ok ? "" : parsed.error.message;
    expect(message, text).toContain(place);
    expect(message).not.toContain("s3cret");
  }
});

test("a file of one credential holds exactly one [semantics 9.1]", () => {
  for (const text of ["", "a s3cret\nb s3cret", "{s3cret", '{"principal": "a"}']) {
    const parsed = parseCredential(text);
    const message = parsed.ok ? "" : parsed.error.message;
    expect(message, text).not.toBe("");
    expect(message).not.toContain("s3cret");
  }
});
