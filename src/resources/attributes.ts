/**
 * Agent attributes: `name:value;…` with text, scalar and ranges values; one name may come twice.
 * Source: reference/semantics.md 2.11, reference/http-api.md 9.1.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Attribute } from "../protocol/v1/types.ts";
import { formatItems, formatRanges } from "./format.ts";
import { RESOURCE_COUNT, RESOURCES_TEXT_LENGTH } from "./limits.ts";
import { parseValue } from "./parse-value.ts";

/** Parses the flag. Sets are refused, as in Mesos. Errors: `invalid`, naming the piece. */
export function parseAttributes(text: string): Result<Attribute[]> {
  if (text.length > RESOURCES_TEXT_LENGTH) {
    return refuse("invalid", `attributes text is longer than ${RESOURCES_TEXT_LENGTH} characters`);
  }
  const pieces = text.split(/[;\n]/).filter((piece) => piece.trim() !== "");
  if (pieces.length > RESOURCE_COUNT) {
    return refuse("invalid", `attributes text names more than ${RESOURCE_COUNT} attributes`);
  }
  const attributes: Attribute[] = [];
  for (const piece of pieces) {
    const attribute = parsePiece(piece.trim());
    if (!attribute.ok) return attribute;
    attributes.push(attribute.value);
  }
  return ok(attributes);
}

/** The ATTRIBUTES object; of attributes with one name the last is shown. */
export function toEndpointAttributes(
  attributes: readonly Attribute[],
): Record<string, number | string> {
  // Through entries, since names come from outside and one may be `__proto__`.
  return Object.fromEntries(
    attributes.map((attribute) => [attribute.name, endpointValue(attribute)]),
  );
}

/** The name ends at the first colon, so that a value may hold more of them. */
function parsePiece(piece: string): Result<Attribute> {
  const colon = piece.indexOf(":");
  const name = piece.slice(0, Math.max(colon, 0)).trim();
  if (name === "") {
    return refuse("invalid", `'${excerpt(piece)}' is not an attribute; write name:value`);
  }
  const value = parseValue(piece.slice(colon + 1));
  const shown = `attribute ${excerpt(name)}`;
  if (!value.ok) return refuse("invalid", `${shown}: ${value.error.message}`, name);
  if (value.value.type === "SET") {
    return refuse("invalid", `${shown} is a set; write text, a number or [ranges]`, name);
  }
  return ok({ name, ...value.value });
}

function endpointValue({ scalar, ranges, set, text }: Attribute): number | string {
  if (scalar !== undefined) return scalar.value;
  if (ranges !== undefined) return formatRanges(ranges, ", ");
  if (set !== undefined) return formatItems(set.item ?? [], ", ");
  return text?.value ?? "";
}
