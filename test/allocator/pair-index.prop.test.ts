/** The hash table against a map, over random insertions and removals. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { PairIndex } from "../../src/allocator/pair-index.ts";

const step = fc.record({
  left: fc.nat(12),
  right: fc.nat(12),
  kind: fc.constantFrom(
    "insert" as const,
    "insert" as const,
    "remove" as const,
    "replace" as const,
  ),
});

test("a pair leads to its row, and to none once that is gone", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      const index = new PairIndex();
      const rows = new Map<string, number>();
      let next = 0;
      for (const { kind, left, right } of steps) {
        const key = `${left} ${right}`;
        const known = rows.get(key);
        if (kind === "insert" && known === undefined) {
          index.assign(next, left, right);
          index.insert(next);
          rows.set(key, next++);
        } else if (kind === "replace" && known !== undefined) {
          index.assign(next, left, right);
          index.replace(known, next);
          rows.set(key, next++);
        } else if (kind === "remove" && known !== undefined) {
          index.remove(known);
          rows.delete(key);
        }
      }
      for (let left = 0; left <= 12; left++) {
        for (let right = 0; right <= 12; right++) {
          expect(index.find(left, right)).toBe(rows.get(`${left} ${right}`) ?? -1);
        }
      }
    }),
  );
});
