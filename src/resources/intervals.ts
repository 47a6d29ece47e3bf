/**
 * Arithmetic on sets of integers kept as sorted, disjoint, non-touching closed intervals in one
 * flat array: `[begin, end, begin, end, …]`. Results are new arrays; inputs are never changed.
 * Cost is linear in the intervals of both, and independent of how many integers they hold.
 */

export type Intervals = readonly number[];

/** Sorts and merges intervals given in any order, also overlapping; `pairs` is flat as the result. */
export function normalizeIntervals(pairs: Intervals): Intervals {
  const sorted: [number, number][] = [];
  for (let index = 0; index < pairs.length; index += 2) {
    sorted.push([beginAt(pairs, index), endAt(pairs, index)]);
  }
  sorted.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [begin, end] of sorted) append(merged, begin, end);
  return merged;
}

/** Integers in either. */
export function unionIntervals(a: Intervals, b: Intervals): Intervals {
  const merged: number[] = [];
  let inA = 0;
  let inB = 0;
  while (inA < a.length || inB < b.length) {
    if (beginAt(a, inA) <= beginAt(b, inB)) {
      append(merged, beginAt(a, inA), endAt(a, inA));
      inA += 2;
    } else {
      append(merged, beginAt(b, inB), endAt(b, inB));
      inB += 2;
    }
  }
  return merged;
}

/** Integers in `a` that are not in `b`. */
export function subtractIntervals(a: Intervals, b: Intervals): Intervals {
  const left: number[] = [];
  let position = 0;
  for (let index = 0; index < a.length; index += 2) {
    let begin = beginAt(a, index);
    const end = endAt(a, index);
    while (endAt(b, position) < begin) position += 2;
    // A cut may reach into the next interval of `a`, so `position` stays on it.
    for (let cut = position; beginAt(b, cut) <= end; cut += 2) {
      if (beginAt(b, cut) > begin) left.push(begin, beginAt(b, cut) - 1);
      begin = Math.max(begin, endAt(b, cut) + 1);
      if (begin <= end) position = cut + 2;
    }
    if (begin <= end) left.push(begin, end);
  }
  return left;
}

/** True when every integer of `b` is in `a`. */
export function containsIntervals(a: Intervals, b: Intervals): boolean {
  let position = 0;
  for (let index = 0; index < b.length; index += 2) {
    while (endAt(a, position) < beginAt(b, index)) position += 2;
    if (beginAt(a, position) > beginAt(b, index) || endAt(a, position) < endAt(b, index)) {
      return false;
    }
  }
  return true;
}

/** True when some integer is in both. */
export function intersectsIntervals(a: Intervals, b: Intervals): boolean {
  let position = 0;
  for (let index = 0; index < b.length; index += 2) {
    while (endAt(a, position) < beginAt(b, index)) position += 2;
    if (beginAt(a, position) <= endAt(b, index)) return true;
  }
  return false;
}

/** Past the last interval lies one at infinity, which spares the loops a case of their own. */
function beginAt(intervals: Intervals, index: number): number {
  return intervals[index] ?? Infinity;
}

function endAt(intervals: Intervals, index: number): number {
  return intervals[index + 1] ?? Infinity;
}

/** Adds an interval that begins no earlier than the last one did. */
function append(merged: number[], begin: number, end: number): void {
  const lastEnd = merged.at(-1);
  if (lastEnd !== undefined && begin <= lastEnd + 1) {
    merged[merged.length - 1] = Math.max(lastEnd, end);
  } else {
    merged.push(begin, end);
  }
}
