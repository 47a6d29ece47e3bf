/** Tokens of executors: made by one key, read by the same, nothing else passes. */
import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { ExecutorTokens } from "../../../src/agent/runtime/executor-tokens.ts";

const KEY = new TextEncoder().encode("key");
const CLAIMS = { fid: "f", eid: "e", cid: "c" };

const part = (fields: object): string => Buffer.from(JSON.stringify(fields)).toString("base64url");

function signed(header: object, payload: object): string {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${createHmac("sha256", KEY).update(text).digest("base64url")}`;
}

test("a token of the same key is read, and is what others make of the claims [http-api 5]", () => {
  const tokens = new ExecutorTokens(KEY);
  const token = tokens.make(CLAIMS);
  expect(token).toBe(signed({ alg: "HS256", typ: "JWT" }, CLAIMS));
  expect(tokens.read(token)).toEqual(CLAIMS);
});

test("a token of another key, algorithm or shape is nobody's", () => {
  const tokens = new ExecutorTokens(KEY);
  const [header, , signature] = tokens.make(CLAIMS).split(".");
  const faults = [
    new ExecutorTokens(new TextEncoder().encode("other")).make(CLAIMS),
    `${header}.${part({ ...CLAIMS, eid: "other" })}.${signature}`,
    `${part({ alg: "none" })}.${part(CLAIMS)}.`,
    signed({ alg: "none", typ: "JWT" }, CLAIMS),
    signed({ alg: "HS256" }, { fid: "f", eid: "e" }),
    `${tokens.make(CLAIMS)}.more`,
    "x".repeat(10_000),
    "",
  ];
  for (const fault of faults) expect(tokens.read(fault)).toBeUndefined();
});
