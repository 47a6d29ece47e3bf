/** The order kept up to date against sorting everything anew. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Contenders } from "../../src/allocator/contenders.ts";
import { Ranking } from "../../src/allocator/ranking.ts";
import type { ScalarSummary } from "../../src/resources/summary.ts";

const PATHS = ["a", "b", "c", "ab", "a.", "d", "e", "f", "g", "h", "i", "j"];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("take" as const), who: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), who: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("toggle" as const), who: fc.nat(11) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("weigh" as const), who: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("totals" as const), name: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
);

/** One scalar, of one name. */
function amountOf(index: number, milli: number): ScalarSummary {
  return {
    indexes: [index],
    milli: [milli],
    quotaMilli: [0],
    sharedMilli: [0],
    hasShared: false,
    hasUnshared: true,
    hasReservations: false,
    hasRevocable: false,
    hasRefined: false,
    hasIndivisibleQuota: false,
  };
}

test("lowest share, then fewest allocations, then path [semantics 4.2]", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(PATHS, { minLength: 2 }), fc.array(step), (paths, steps) => {
      const table = new Contenders(() => false);
      table.changeTotals(amountOf(0, 10_000), [], 1);
      table.changeTotals(amountOf(1, 7000), [], 1);
      const ranking = new Ranking(table);
      const numbers = paths.map((path) => table.add(path, 1));
      for (const number of numbers) ranking.admit(number);
      const held = new Map<number, number>();
      for (const each of steps) {
        const number = "who" in each ? (numbers[each.who % numbers.length] ?? 0) : 0;
        const isRanked = table.isRanked[number] === 1;
        if (each.kind === "take") {
          table.take(number, amountOf(number % 2, 100));
          held.set(number, (held.get(number) ?? 0) + 1);
          if (isRanked) ranking.touch(number);
        } else if (each.kind === "release" && (held.get(number) ?? 0) > 0) {
          table.release(number, amountOf(number % 2, 100));
          held.set(number, (held.get(number) ?? 0) - 1);
          if (isRanked) ranking.touch(number);
        } else if (each.kind === "toggle") {
          if (isRanked) ranking.remove(number);
          else ranking.insert(number);
        } else if (each.kind === "weigh") {
          table.weight[number] = 3;
          if (isRanked) ranking.touch(number);
        } else if (each.kind === "totals") {
          table.changeTotals(amountOf(each.name, 1500), [], 1);
        } else if (each.kind === "settle") {
          ranking.settle();
          expect(placesOf(ranking)).toEqual(sorted(table, numbers));
        }
      }
    }),
    { numRuns: 300 },
  );
});

function placesOf(ranking: Ranking): number[] {
  return Array.from({ length: ranking.size }, (_, place) => ranking.at(place));
}

function sorted(table: Contenders, numbers: readonly number[]): number[] {
  const path = (number: number): string => table.path[number] ?? "";
  const count = (number: number): number => table.liveCount[number] ?? 0;
  return numbers
    .filter((number) => table.isRanked[number] === 1)
    .sort(
      (a, b) =>
        table.shareOf(a) - table.shareOf(b) || count(a) - count(b) || (path(a) < path(b) ? -1 : 1),
    );
}
