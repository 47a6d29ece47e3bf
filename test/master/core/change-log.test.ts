/** A bounded log of changes. */
import { expect, test } from "bun:test";
import { ChangeLog } from "../../../src/master/core/change-log.ts";

test("changes since a number come in order", () => {
  const log = new ChangeLog<string>(10);
  log.add("a");
  const number = log.nextNumber;
  log.add("b");
  log.add("c");
  expect(log.since(number)).toEqual(["b", "c"]);
  expect(log.since(log.nextNumber)).toEqual([]);
});

test("what fell out of the log is not reached, nor is what has not happened", () => {
  const log = new ChangeLog<number>(3);
  for (let number = 0; number < 7; number += 1) log.add(number);
  expect([3, 4, 7, 8].map((number) => log.reaches(number))).toEqual([false, true, true, false]);
  expect(log.since(4)).toEqual([4, 5, 6]);
});
