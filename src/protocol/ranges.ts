/**
 * Protobuf's integer types in JavaScript numbers. No double equals the ends of the 64-bit types: the
 * nearest lie outside, and JSON output would show them so. They are read as the last double inside.
 */

/** Protobuf's integer types, as far as v1 uses them. */
export type IntegerKind = "int32" | "int64" | "uint32" | "uint64";

interface IntegerRange {
  /** The numbers that messages hold. */
  readonly min: number;
  readonly max: number;
  /** What input may say, as the double nearest to it. */
  readonly inputMin: number;
  readonly inputMax: number;
}

const INT64_LIMIT = 2 ** 63 - 1024;

const INTEGER_RANGE: Readonly<Record<IntegerKind, IntegerRange>> = {
  int32: { min: -(2 ** 31), max: 2 ** 31 - 1, inputMin: -(2 ** 31), inputMax: 2 ** 31 - 1 },
  int64: { min: -INT64_LIMIT, max: INT64_LIMIT, inputMin: -(2 ** 63), inputMax: 2 ** 63 },
  uint32: { min: 0, max: 2 ** 32 - 1, inputMin: 0, inputMax: 2 ** 32 - 1 },
  uint64: { min: 0, max: 2 ** 64 - 2048, inputMin: 0, inputMax: 2 ** 64 },
};

/** A whole number from outside as a message holds it, or undefined when it is out of range. */
export function toInteger(kind: IntegerKind, number: number): number | undefined {
  const { min, max, inputMin, inputMax } = INTEGER_RANGE[kind];
  if (!(number >= inputMin && number <= inputMax)) return undefined;
  // Adding zero makes -0, which JSON output cannot show, the plain 0.
  return Math.min(Math.max(number, min), max) + 0;
}

/** Whether a message may hold the number in a field of that type. */
export function isInteger(kind: IntegerKind, number: number): boolean {
  const { min, max } = INTEGER_RANGE[kind];
  return Number.isInteger(number) && number >= min && number <= max;
}
