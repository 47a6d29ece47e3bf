/**
 * Arithmetic on sets of integers kept as sorted, disjoint, non-touching closed intervals in one
 * flat array: `[begin, end, begin, end, …]`. Results are new arrays; inputs are never changed.
 */

export type Intervals = readonly number[];

/** Sorts and merges intervals in any order; `pairs` is flat as the result is. */
export function normalizeIntervals(pairs: Intervals): Intervals {
  const sorted: [number, number][] = [];
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    sorted.push([pairs[index] ?? 0, pairs[index + 1] ?? 0]);
  }
  sorted.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [begin, end] of sorted) {
    const lastEnd = merged.at(-1);
    if (lastEnd !== undefined && begin <= lastEnd + 1) {
      merged[merged.length - 1] = Math.max(lastEnd, end);
    } else {
      merged.push(begin, end);
    }
  }
  return merged;
}

/** Integers in either. */
export function unionIntervals(a: Intervals, b: Intervals): Intervals {
  return normalizeIntervals([...a, ...b]);
}

/** Integers in `a` that are not in `b`. */
export function subtractIntervals(a: Intervals, b: Intervals): Intervals {
  const left: number[] = [];
  let position = 0;
  for (let index = 0; index < a.length; index += 2) {
    let begin = a[index] ?? 0;
    const end = a[index + 1] ?? 0;
    while (position < b.length && (b[position + 1] ?? 0) < begin) position += 2;
    let cut = position;
    while (cut < b.length && (b[cut] ?? 0) <= end) {
      const cutBegin = b[cut] ?? 0;
      if (cutBegin > begin) left.push(begin, cutBegin - 1);
      begin = Math.max(begin, (b[cut + 1] ?? 0) + 1);
      cut += 2;
    }
    if (begin <= end) left.push(begin, end);
  }
  return left;
}

/** True when every integer of `b` is in `a`. */
export function containsIntervals(a: Intervals, b: Intervals): boolean {
  let position = 0;
  for (let index = 0; index < b.length; index += 2) {
    const begin = b[index] ?? 0;
    const end = b[index + 1] ?? 0;
    while (position < a.length && (a[position + 1] ?? 0) < begin) position += 2;
    if (position >= a.length || (a[position] ?? 0) > begin || (a[position + 1] ?? 0) < end) {
      return false;
    }
  }
  return true;
}

/** How many integers there are. */
export function countIntervals(a: Intervals): number {
  let count = 0;
  for (let index = 0; index < a.length; index += 2) {
    count += (a[index + 1] ?? 0) - (a[index] ?? 0) + 1;
  }
  return count;
}
