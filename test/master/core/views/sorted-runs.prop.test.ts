/** A page of merged runs is the page of a sorted copy. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SortedRuns } from "../../../../src/master/core/views/sorted-runs.ts";

test("a page is what a stable sort of everything would put there [http-api 9.2]", () => {
  const page = fc.nat({ max: 9000 });
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 50 }), { maxLength: 5000, minLength: 2000 }),
      page,
      page,
      (keys, offset, limit) => {
        const items = keys.map((key, index) => ({ key, index }));
        const runs = new SortedRuns<(typeof items)[number]>(({ key }) => key);
        for (const item of items) runs.add(item);
        for (const step of runs.steps(offset + limit)) runs.merge(step);
        const sorted = items.toSorted((a, b) => a.key - b.key);
        expect(runs.slice(offset, limit)).toEqual(sorted.slice(offset, offset + limit));
      },
    ),
    { numRuns: 10 },
  );
});
