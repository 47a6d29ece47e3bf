/** Agent attributes: `name:value;…` with text, scalar and ranges values. Source: semantics 2.11. */
import { type Result, ok, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Attribute } from "../protocol/v1/types.ts";
import { formatRanges } from "./format.ts";
import { RESOURCE_COUNT } from "./limits.ts";
import { parseValue } from "./parse-value.ts";

/** Parses the flag. Sets are refused, as in Mesos. Errors: `invalid`, naming the piece. */
export function parseAttributes(text: string): Result<Attribute[]> {
  const pieces = text.split(/[;\n]/).filter((piece) => piece.trim() !== "");
  if (pieces.length > RESOURCE_COUNT) {
    return refuse("invalid", `attributes text names more than ${RESOURCE_COUNT} attributes`);
  }
  const attributes: Attribute[] = [];
  for (const piece of pieces) {
    const colon = piece.indexOf(":");
    const name = piece.slice(0, colon).trim();
    if (colon < 0 || name === "") {
      return refuse("invalid", `${excerpt(piece)} is not an attribute; write name:value`);
    }
    const value = parseValue(piece.slice(colon + 1));
    if (!value.ok) return refuse("invalid", `attribute ${name}: ${value.error.message}`, name);
    if (value.value.type === "SET") {
      return refuse("invalid", `attribute ${name}: sets are not possible; use text, a number or [ranges]`, name);
    }
    attributes.push({ name, ...value.value });
  }
  return ok(attributes);
}

/** The ATTRIBUTES object of http-api 9.1; of attributes with one name the last is shown. */
export function toEndpointAttributes(
  attributes: readonly Attribute[],
): Record<string, number | string> {
  const result: Record<string, number | string> = {};
  for (const { name, scalar, ranges, set, text } of attributes) {
    if (scalar !== undefined) result[name] = scalar.value;
    else if (ranges !== undefined) result[name] = formatRanges(ranges, ", ");
    else if (set !== undefined) result[name] = `{${(set.item ?? []).join(", ")}}`;
    else result[name] = text?.value ?? "";
  }
  return result;
}
