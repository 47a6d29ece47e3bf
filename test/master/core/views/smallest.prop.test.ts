/** Pages of the smallest are the pages of a sorted copy. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Smallest } from "../../../../src/master/core/views/smallest.ts";

test("walking the pages meets every key once, in order", () => {
  const keys = fc.uniqueArray(fc.stringMatching(/^[a-c]{1,6}$/), { maxLength: 60 });
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: 7 }), (all, limit) => {
      const met: string[] = [];
      let after: string | undefined;
      do {
        const page = new Smallest<string>(limit, after);
        for (const key of all) page.add(key, key);
        const items = page.items();
        expect(items.length).toBeLessThanOrEqual(limit);
        met.push(...items);
        after = page.next();
      } while (after !== undefined);
      expect(met).toEqual([...all].sort());
    }),
  );
});
