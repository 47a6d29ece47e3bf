/** Agent attributes: `--attributes` and the ATTRIBUTES object [semantics 2.11, http-api 9.1]. */
import { expect, test } from "bun:test";
import type { Attribute } from "../../src/protocol/v1/types.ts";
import { parseAttributes, toEndpointAttributes } from "../../src/resources/attributes.ts";

function parsed(text: string): Attribute[] {
  const result = parseAttributes(text);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

test("text, scalars and ranges are told apart by their look [semantics 2.11]", () => {
  expect(
    parsed("rack:r1;level:-2.5;ids:[1-3];url:http://x:80\nos:linux").map(({ type }) => type),
  ).toEqual(["TEXT", "SCALAR", "RANGES", "TEXT", "TEXT"]);
});

test("the name ends at the first colon [semantics 2.11]", () => {
  expect(parsed("url:http://x:80")[0]?.text?.value).toBe("http://x:80");
});

test("one name may come twice, and the endpoint shows the last [semantics 2.11]", () => {
  const attributes = parsed("rack:a;rack:b");
  expect(attributes).toHaveLength(2);
  expect(toEndpointAttributes(attributes)).toEqual({ rack: "b" });
});

test("sets and malformed pairs are refused [semantics 2.11]", () => {
  for (const text of ["zones:{a,b}", "rack", ":x", "rack:", "ids:[3-1]", "ids:[1-2", "n:1e400"]) {
    expect(parseAttributes(text).ok, text).toBe(false);
  }
});

test("the endpoint shows numbers, ranges and text [http-api 9.1]", () => {
  expect(toEndpointAttributes(parsed("a:1;b:[1-2,5-6];c:x;constructor:y"))).toEqual({
    a: 1,
    b: "[1-2, 5-6]",
    c: "x",
    constructor: "y",
  });
});
