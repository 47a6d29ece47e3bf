/**
 * Values in the syntax of the Mesos flags: `[a-b,c-d]` ranges, `{a,b}` set, a number, else text.
 * Source: semantics 2.11 (`src/common/values.cpp`).
 */
import { type Result, ok, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { ValueRanges, ValueSet } from "../protocol/v1/types.ts";

export type ParsedValue =
  | { readonly type: "SCALAR"; readonly scalar: { readonly value: number } }
  | { readonly type: "RANGES"; readonly ranges: ValueRanges }
  | { readonly type: "SET"; readonly set: ValueSet }
  | { readonly type: "TEXT"; readonly text: { readonly value: string } };

/** Parses one value. Errors: `invalid`, naming the piece that is wrong. */
export function parseValue(text: string): Result<ParsedValue> {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) return parseRanges(trimmed);
  if (trimmed.startsWith("{")) return parseSet(trimmed);
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/.test(trimmed)) {
    return ok({ type: "SCALAR", scalar: { value: Number(trimmed) } });
  }
  if (trimmed === "") return refuse("invalid", "the value is empty");
  return ok({ type: "TEXT", text: { value: trimmed } });
}

function parseRanges(text: string): Result<ParsedValue> {
  if (!text.endsWith("]")) {
    return refuse("invalid", `${excerpt(text)} lacks its closing ]`);
  }
  const range: { begin: number; end: number }[] = [];
  const inner = text.slice(1, -1).trim();
  for (const piece of inner === "" ? [] : inner.split(",")) {
    const match = /^\s*(\d{1,16})\s*-\s*(\d{1,16})\s*$/.exec(piece);
    const begin = Number(match?.[1]);
    const end = Number(match?.[2]);
    if (match === null || !Number.isSafeInteger(begin) || !Number.isSafeInteger(end)) {
      return refuse("invalid", `${excerpt(piece.trim())} is not a range; write begin-end, as 31000-32000`);
    }
    if (begin > end) {
      return refuse("invalid", `range ${excerpt(piece.trim())} begins after its end`);
    }
    range.push({ begin, end });
  }
  return ok({ type: "RANGES", ranges: { range } });
}

function parseSet(text: string): Result<ParsedValue> {
  if (!text.endsWith("}")) return refuse("invalid", `${excerpt(text)} lacks its closing }`);
  const inner = text.slice(1, -1).trim();
  const item = inner === "" ? [] : inner.split(",").map((piece) => piece.trim());
  if (item.includes("")) return refuse("invalid", `${excerpt(text)} has an empty item`);
  if (new Set(item).size !== item.length) {
    return refuse("invalid", `${excerpt(text)} names an item twice`);
  }
  return ok({ type: "SET", set: { item } });
}
