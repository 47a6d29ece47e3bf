/**
 * Values in the syntax of the Mesos flags: `[a-b,c-d]` ranges, `{a,b}` set, a number, else text.
 * Source: reference/semantics.md 2.11 (`src/common/values.cpp`).
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { ValueRanges, ValueSet } from "../protocol/v1/types.ts";
import { PIECE_COUNT } from "./limits.ts";

export type ParsedValue =
  | { readonly type: "SCALAR"; readonly scalar: { readonly value: number } }
  | { readonly type: "RANGES"; readonly ranges: ValueRanges }
  | { readonly type: "SET"; readonly set: ValueSet }
  | { readonly type: "TEXT"; readonly text: { readonly value: string } };

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const RANGE = /^\s*(\d{1,16})\s*-\s*(\d{1,16})\s*$/;

/** Parses one value. Errors: `invalid`, naming the piece that is wrong and what to write. */
export function parseValue(text: string): Result<ParsedValue> {
  const trimmed = text.trim();
  if (trimmed === "") return refuse("invalid", "the value is empty; write one after the colon");
  if (trimmed.startsWith("[")) return parseRanges(trimmed);
  if (trimmed.startsWith("{")) return parseSet(trimmed);
  const bracket = /[[{]/.exec(trimmed)?.[0];
  if (bracket !== undefined) {
    return refuse(
      "invalid",
      `${excerpt(trimmed)} has a ${bracket} inside; begin the value with it`,
    );
  }
  return NUMBER.test(trimmed)
    ? parseScalar(trimmed)
    : ok({ type: "TEXT", text: { value: trimmed } });
}

function parseScalar(text: string): Result<ParsedValue> {
  const value = Number(text);
  if (!Number.isFinite(value)) {
    return refuse("invalid", `${excerpt(text)} is too large a number; write a smaller one`);
  }
  return ok({ type: "SCALAR", scalar: { value } });
}

function parseRanges(text: string): Result<ParsedValue> {
  const pieces = piecesOf(text, "]");
  if (!pieces.ok) return pieces;
  const range: { begin: number; end: number }[] = [];
  for (const piece of pieces.value) {
    const match = RANGE.exec(piece);
    const begin = Number(match?.[1]);
    const end = Number(match?.[2]);
    if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end)) {
      const shown = excerpt(piece.trim());
      return refuse("invalid", `'${shown}' is not a range; write begin-end, as 31000-32000`);
    }
    if (begin > end) {
      return refuse("invalid", `range ${begin}-${end} begins after its end; write ${end}-${begin}`);
    }
    range.push({ begin, end });
  }
  return ok({ type: "RANGES", ranges: { range } });
}

function parseSet(text: string): Result<ParsedValue> {
  const pieces = piecesOf(text, "}");
  if (!pieces.ok) return pieces;
  const item = pieces.value.map((piece) => piece.trim());
  if (item.includes("")) {
    return refuse("invalid", `${excerpt(text)} has an empty item; take out the extra comma`);
  }
  if (new Set(item).size !== item.length) {
    return refuse("invalid", `${excerpt(text)} names an item twice; name each once`);
  }
  return ok({ type: "SET", set: { item } });
}

/** What is between the brackets, cut at the commas. */
function piecesOf(text: string, closing: string): Result<readonly string[]> {
  if (text.indexOf(closing) !== text.length - 1) {
    return refuse("invalid", `${excerpt(text)} must end with its only ${closing}`);
  }
  const inner = text.slice(1, -1).trim();
  const pieces = inner === "" ? [] : inner.split(",");
  if (pieces.length > PIECE_COUNT) {
    return refuse("invalid", `${excerpt(text)} has more than ${PIECE_COUNT} parts; write fewer`);
  }
  return ok(pieces);
}
