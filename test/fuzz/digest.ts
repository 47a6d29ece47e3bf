/**
 * A core's whole state as text, to compare before and after. Metrics are left out: they count
 * refusals too.
 */
import { FewMap, FewSet } from "../../src/base/few.ts";
import { Bundle } from "../../src/resources/bundle.ts";

const LISTS = [Map, Set, FewMap, FewSet];
/** Counters, and the moment of the next allocation run, which nothing depends on. */
const LEFT_OUT = new Set(["counters", "allocation"]);

export function digestOf(state: object): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (LEFT_OUT.has(key)) return undefined;
    if (value instanceof Bundle) return value.describe();
    if (LISTS.some((list) => value instanceof list)) return [...(value as Iterable<unknown>)];
    return value;
  });
}

/** Where two digests part, with what surrounds it. */
export function firstDifference(before: string, after: string): string {
  let at = 0;
  while (before[at] === after[at] && at < before.length) at++;
  const from = Math.max(0, at - 120);
  return `before …${before.slice(from, at + 160)}…\n    after …${after.slice(from, at + 160)}…`;
}
