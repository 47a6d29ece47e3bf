/** The value of a resource: of the type it says, and in bounds. Source: reference/semantics.md 2.11. */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { PIECE_COUNT, SCALAR_MAX } from "./limits.ts";
import { toMilli } from "./milli.ts";

/** Fields that hold a value, by the type that asks for them. */
const FIELD_OF_TYPE = { SCALAR: "scalar", RANGES: "ranges", SET: "set" } as const;

/** Checks that exactly the field of the resource's type is there, and what it holds. */
export function validateValue(resource: Resource, path: string): Result<void> {
  const { type } = resource;
  const shown = `Resource ${excerpt(resource.name)}`;
  if (type === "TEXT" || !Object.hasOwn(FIELD_OF_TYPE, type)) {
    return refuse(
      "invalid",
      `${shown} has type ${type}; use SCALAR, RANGES or SET`,
      `${path}.type`,
    );
  }
  const field = FIELD_OF_TYPE[type];
  for (const other of Object.values(FIELD_OF_TYPE)) {
    if ((resource[other] !== undefined) === (other === field)) continue;
    const message = `${shown} is of type ${type}; give ${field} and no other value`;
    return refuse("invalid", message, `${path}.${other}`);
  }
  const fault = faultOfValue(resource);
  return fault === undefined
    ? ok(undefined)
    : refuse("invalid", `${shown} ${fault}`, `${path}.${field}`);
}

function faultOfValue(resource: Resource): string | undefined {
  if (resource.scalar !== undefined) return faultOfScalar(resource.name, resource.scalar.value);
  return resource.ranges === undefined ? faultOfSet(resource) : faultOfRanges(resource);
}

function faultOfScalar(name: string, value: number): string | undefined {
  if (!(value >= 0 && value <= SCALAR_MAX)) {
    return `is ${value}; give a number from 0 to ${SCALAR_MAX}`;
  }
  if (name === "gpus" && toMilli(value) % 1000 !== 0) return `is ${value}; give whole GPUs`;
  return undefined;
}

function faultOfRanges({ ranges }: Resource): string | undefined {
  const range = ranges?.range ?? [];
  if (range.length > PIECE_COUNT) return `has more than ${PIECE_COUNT} ranges; give fewer`;
  for (const { begin, end } of range) {
    if (!isCount(begin) || !isCount(end)) {
      return `has the range ${begin}-${end}; give whole numbers from 0 to 2^53-1`;
    }
    if (begin > end) return `has the range ${begin}-${end}; give the smaller number first`;
  }
  return undefined;
}

function faultOfSet({ set }: Resource): string | undefined {
  const items = set?.item ?? [];
  if (items.length > PIECE_COUNT) return `has more than ${PIECE_COUNT} items; give fewer`;
  if (new Set(items).size !== items.length) return "names an item twice; name each once";
  return undefined;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
