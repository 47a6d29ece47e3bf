/** Against the engine's own map, small and large. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { partNumber, SplitMap } from "../../src/base/split-map.ts";

const STEP = fc.record({ isDeletion: fc.boolean(), key: fc.nat(60) });

function same(map: SplitMap<string, number>, model: ReadonlyMap<string, number>): void {
  expect(map.size).toBe(model.size);
  expect(new Map(map)).toEqual(new Map(model));
  expect([...map.keys()].toSorted()).toEqual([...model.keys()].toSorted());
  expect([...map.values()].toSorted()).toEqual([...model.values()].toSorted());
  const visited: [string, number][] = [];
  map.forEach((value, key) => {
    visited.push([key, value]);
  });
  expect(visited).toEqual([...map]);
}

test.each([0, 4090, 10_000])(
  "it does what the engine's own map does, beside %d entries",
  (others) => {
    void fc.assert(
      fc.property(fc.array(STEP, { maxLength: 100 }), (steps) => {
        const map = new SplitMap<string, number>();
        const model = new Map<string, number>();
        for (let index = 0; index < others; index += 1) {
          map.set(`other-${index}`, index);
          model.set(`other-${index}`, index);
        }
        for (const [step, { isDeletion, key: number }] of steps.entries()) {
          const key = `task-${number}`;
          if (isDeletion) expect(map.delete(key)).toBe(model.delete(key));
          else {
            map.set(key, step);
            model.set(key, step);
          }
          expect([map.has(key), map.get(key)]).toEqual([model.has(key), model.get(key)]);
        }
        same(map, model);
        map.clear();
        same(map, new Map());
      }),
      { numRuns: others > 0 ? 10 : 100 },
    );
  },
);

test("while it is small it is in the order of insertion", () => {
  const map = new SplitMap<string, number>();
  for (let index = 0; index < 100; index += 1) map.set(`${(index * 37) % 100}`, index);
  expect([...map.values()]).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

test("what is deleted while it is walked through does not come any more", () => {
  const map = new SplitMap<string, number>();
  for (let index = 0; index < 6000; index += 1) map.set(`task-${index}`, index);
  let count = 0;
  for (const [key] of map) {
    count += 1;
    map.delete(key);
    map.delete(`task-${count - 1}`);
  }
  expect(map.size).toBe(0);
  expect(count).toBeLessThan(6000);
});

test.each([
  ["numbers in a row", (index: number) => `web.${index}`],
  ["numbers before a name", (index: number) => `ct:1700000000000:${index}:job:`],
  ["random ids", () => crypto.randomUUID()],
])("%s stand evenly in its parts: none grows by more than a little at once", (_name, idOf) => {
  const counts: number[] = new Array(64).fill(0);
  for (let index = 0; index < 100_000; index += 1) {
    const part = partNumber(idOf(index));
    counts[part] = (counts[part] ?? 0) + 1;
  }
  expect(Math.max(...counts)).toBeLessThan(100_000 / 16);
});
