/** Against the engine's own maps and sets, up to where lists become tables and back. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { FewMap, FewSet } from "../../src/base/few.ts";

const KEY = fc.integer({ min: 0, max: 24 });
const STEP = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), key: KEY, value: fc.nat() }),
  fc.record({ kind: fc.constant("delete" as const), key: KEY }),
  fc.record({ kind: fc.constant("clear" as const) }),
);

test("a map does what the engine's own does, in its order", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 120 }), (steps) => {
      const few = new FewMap<number, number>();
      const model = new Map<number, number>();
      for (const step of steps) {
        if (step.kind === "put") {
          few.set(step.key, step.value);
          model.set(step.key, step.value);
        } else if (step.kind === "delete") {
          expect(few.delete(step.key)).toBe(model.delete(step.key));
        } else if (model.size > 20) {
          few.clear();
          model.clear();
        }
        expect(few.size).toBe(model.size);
        expect([...few]).toEqual([...model]);
      }
      expect([...few.keys()]).toEqual([...model.keys()]);
      expect([...few.values()]).toEqual([...model.values()]);
      expect(visited(few)).toEqual([...model]);
      for (let key = 0; key <= 24; key += 1) {
        expect(few.get(key)).toBe(model.get(key));
        expect(few.has(key)).toBe(model.has(key));
      }
    }),
  );
});

test("a set does what the engine's own does, in its order", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 120 }), (steps) => {
      const few = new FewSet<number>();
      const model = new Set<number>();
      for (const step of steps) {
        if (step.kind === "put") {
          few.add(step.key);
          model.add(step.key);
        } else if (step.kind === "delete") {
          expect(few.delete(step.key)).toBe(model.delete(step.key));
        }
        expect(few.size).toBe(model.size);
        expect([...few]).toEqual([...model]);
      }
      for (let key = 0; key <= 24; key += 1) expect(few.has(key)).toBe(model.has(key));
    }),
  );
});

test.each([3, 30])("of %d items, those deleted on the way are not visited", (count) => {
  const set = new FewSet<number>();
  const map = new FewMap<number, string>();
  for (let key = 0; key < count; key += 1) {
    set.add(key);
    map.set(key, "");
  }
  const seenInSet: number[] = [];
  for (const item of set) {
    seenInSet.push(item);
    set.delete(item);
    set.delete(item + 1);
  }
  const seenInMap: number[] = [];
  for (const key of map.keys()) {
    seenInMap.push(key);
    map.delete(key);
    map.delete(key + 1);
  }
  const even = Array.from({ length: Math.ceil(count / 2) }, (_, index) => index * 2);
  expect(seenInSet).toEqual(even);
  expect(seenInMap).toEqual(even);
  expect(set.size).toBe(0);
  expect(map.size).toBe(0);
});

function visited(map: FewMap<number, number>): [number, number][] {
  const entries: [number, number][] = [];
  map.forEach((value, key) => {
    entries.push([key, value]);
  });
  return entries;
}
