/** What is too little to be worth an offer. Source: semantics 4.4 (`allocatable`). */
import type { ResourceKinds } from "../resources/kinds.ts";
import type { ScalarSummary } from "../resources/summary.ts";

/** Amounts that have to be there together. */
export interface MinimumEntry {
  /** Numbers of scalar names, and thousandths of each. */
  readonly indexes: readonly number[];
  readonly milli: readonly number[];
}

/** Any one entry is enough; an empty list asks for nothing. */
export type Minimum = readonly MinimumEntry[];

/** `list` in thousandths by scalar name. */
export function minimumOf(
  kinds: ResourceKinds,
  list: readonly Readonly<Record<string, number>>[],
): Minimum {
  return list.map((entry) => ({
    indexes: Object.keys(entry).map((name) => kinds.scalarIndexOf(name)),
    milli: Object.values(entry),
  }));
}

/** Whether resources with these sums are enough. */
export function meets(minimum: Minimum, summary: ScalarSummary): boolean {
  return meetsWithin(minimum, summary, undefined);
}

/** The same when of what counts for quota no more than `allowed` (by name) is taken. */
export function meetsWithin(
  minimum: Minimum,
  summary: ScalarSummary,
  allowed: Float64Array | undefined,
): boolean {
  if (minimum.length === 0) return true;
  for (const { indexes, milli } of minimum) {
    let isMet = true;
    for (let place = 0; place < indexes.length && isMet; place++) {
      isMet = amountOf(summary, indexes[place] ?? 0, allowed) >= (milli[place] ?? 0);
    }
    if (isMet) return true;
  }
  return false;
}

/** Same entries in the same order. */
export function areSameMinimums(a: Minimum | undefined, b: Minimum | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Thousandths of a name, shared volumes too. */
function amountOf(
  summary: ScalarSummary,
  index: number,
  allowed: Float64Array | undefined,
): number {
  const { indexes, milli, quotaMilli, sharedMilli } = summary;
  for (let place = 0; place < indexes.length; place++) {
    if (indexes[place] !== index) continue;
    const all = (milli[place] ?? 0) + (sharedMilli[place] ?? 0);
    if (allowed === undefined) return all;
    return all - Math.max(0, (quotaMilli[place] ?? 0) - (allowed[index] ?? 0));
  }
  return 0;
}
