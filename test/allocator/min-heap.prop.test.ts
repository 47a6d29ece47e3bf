/** The heap against a sorted list, over random pushes, pops and tidying. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { MinHeap } from "../../src/allocator/min-heap.ts";

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("push" as const), key: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pop" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retain" as const), odd: fc.boolean() }) },
);

test("the first item is always one with the smallest key", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const keys: number[] = [];
      const heap = new MinHeap((item) => keys[item] ?? 0);
      let kept: number[] = [];
      for (const each of steps) {
        if (each.kind === "push") {
          kept.push(keys.push(each.key) - 1);
          heap.push(keys.length - 1);
        } else if (each.kind === "pop") {
          const item = heap.pop();
          kept = kept.filter((other) => other !== item);
        } else {
          const isKept = (item: number): boolean => (item % 2 === 1) === each.odd;
          heap.retain(isKept);
          kept = kept.filter(isKept);
        }
        expect(heap.size).toBe(kept.length);
        const smallest = Math.min(...kept.map((item) => keys[item] ?? 0));
        if (kept.length > 0) expect(keys[heap.first]).toBe(smallest);
        else expect(heap.first).toBe(-1);
      }
    }),
  );
});
