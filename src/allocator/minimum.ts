/** What is too little to be worth an offer. Source: semantics 4.4 (`allocatable`). */
import type { ResourceKinds } from "../resources/kinds.ts";
import type { ScalarSummary } from "../resources/summary.ts";

/** Amounts that have to be there together. */
export interface MinimumEntry {
  readonly names: readonly string[];
  /** Numbers of the names, -1 where nothing has that name, and thousandths of each. */
  readonly indexes: readonly number[];
  readonly milli: readonly number[];
}

/** Any one entry is enough; an empty list asks for nothing. */
export type Minimum = readonly MinimumEntry[];

/**
 * `list` in thousandths by scalar name. Names that nothing has are not made known by it, since
 * frameworks may make them up; `renumbered` has to follow when new names come.
 */
export function minimumOf(
  kinds: ResourceKinds,
  list: readonly Readonly<Record<string, number>>[],
): Minimum {
  return list.map((entry) => {
    const names = Object.keys(entry);
    const indexes = names.map((name) => kinds.findScalarIndex(name));
    return { names, indexes, milli: Object.values(entry) };
  });
}

/** The same minimum with the numbers that its names have now. */
export function renumbered(kinds: ResourceKinds, minimum: Minimum): Minimum {
  return minimum.map(({ names, milli }) => {
    const indexes = names.map((name) => kinds.findScalarIndex(name));
    return { names, indexes, milli };
  });
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
  const plain = (minimum: Minimum | undefined): unknown =>
    minimum?.map(({ names, milli }) => [names, milli]);
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
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
