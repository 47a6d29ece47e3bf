/** Equal values become one. */
import { expect, test } from "bun:test";
import { SharedValues } from "../../src/base/shared-values.ts";

test("equal values become the same object, others do not", () => {
  const shared = new SharedValues();
  const first = shared.share([{ name: "cpus", scalar: { value: 1 } }]);
  expect(shared.share([{ name: "cpus", scalar: { value: 1 } }])).toBe(first);
  expect(shared.share([{ name: "cpus", scalar: { value: 2 } }])).not.toBe(first);
});

test("infinite numbers are not taken for each other", () => {
  const shared = new SharedValues();
  shared.share({ value: Number.POSITIVE_INFINITY });
  expect(shared.share({ value: Number.NEGATIVE_INFINITY }).value).toBe(Number.NEGATIVE_INFINITY);
});

test("a value that is asked for now and then outlives any number of others", () => {
  const shared = new SharedValues();
  const kept = shared.share({ kept: true });
  for (let index = 0; index < 20_000; index++) {
    shared.share({ index });
    if (index % 1000 === 0) expect(shared.share({ kept: true })).toBe(kept);
  }
});

test("what is made for a key is made once", () => {
  const shared = new SharedValues();
  let count = 0;
  const make = (): object => ({ count: ++count });
  expect(shared.memo("key", make)).toBe(shared.memo("key", make));
  expect(count).toBe(1);
});

test("the same object is known by itself, for each purpose apart, until others took its place", () => {
  const shared = new SharedValues();
  const value = [{ name: "cpus", scalar: { value: 1 } }];
  const made: string[] = [];
  const of = (purpose: string, asked: object): object =>
    shared.memoOf(purpose, asked, () => {
      made.push(purpose);
      return { purpose };
    });
  const [first, second] = [of("a", value), of("b", value)];
  expect(second).not.toBe(first);
  for (let index = 0; index < 10; index++) of("c", { index });
  expect(of("a", structuredClone(value))).toBe(first);
  expect(of("b", value)).toBe(second);
  expect(made.filter((purpose) => purpose !== "c")).toEqual(["a", "b"]);
});

test("records under one key become the same object when they are the same, and the newest counts", () => {
  const shared = new SharedValues();
  const of = (count: number, key = "web"): { readonly count: number } =>
    shared.shareRecord(key, { count }, (left, right) => left.count === right.count);
  const first = of(1);
  expect(of(1)).toBe(first);
  expect(of(1, "db")).not.toBe(first);
  const second = of(2);
  expect(second.count).toBe(2);
  expect(of(2)).toBe(second);
});
