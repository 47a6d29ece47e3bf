/** Against the engine's own map, and with the numbers that links have. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { NumberMap } from "../../src/base/number-map.ts";
import { threadTimeMs } from "../bench/thread-clock.ts";

const KEY = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }));
const STEP = fc.record({ isDeletion: fc.boolean(), key: KEY });

interface Item {
  readonly step: number;
}

test("it does what the engine's own map does", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 200 }), (steps) => {
      const map = new NumberMap<number, Item>();
      const model = new Map<number, Item>();
      for (const [step, { isDeletion, key }] of steps.entries()) {
        if (isDeletion) expect(map.delete(key)).toBe(model.delete(key));
        else {
          map.set(key, { step });
          model.set(key, { step });
        }
        expect(map.size).toBe(model.size);
        for (const known of [key, key + 1, ...model.keys()]) {
          expect(map.get(known)).toEqual(model.get(known));
        }
      }
      const keys = [...map.keys()];
      expect(keys.toSorted((a, b) => a - b)).toEqual([...model.keys()].toSorted((a, b) => a - b));
      expect([...map.values()]).toEqual(keys.map((key) => model.get(key) as Item));
      map.clear();
      expect([map.size, [...map.keys()], map.get(keys[0] ?? 0)]).toEqual([0, [], undefined]);
    }),
  );
});

test("numbers that rise for ever beside ten thousand that stay cost no more than any", () => {
  const map = new NumberMap<number, object>();
  for (let key = 0; key < 10_000; key += 1) map.set(key, map);
  const startMs = threadTimeMs();
  for (let key = 10_000; key < 400_000; key += 1) {
    map.set(key, map);
    if (key >= 15_000) map.delete(key - 5000);
  }
  expect(map.size).toBe(15_000);
  // A number must not stand behind ten thousand others because it is 32,768 above one of them.
  expect(threadTimeMs() - startMs).toBeLessThan(2000);
});
