/** The judge of registers, on histories that are plainly right or wrong. */
import { expect, test } from "bun:test";
import { isLinearizable, type RegisterOperation } from "./linearizability.ts";

/** `w1` or `r1`, called and answered at these times; no second time: never answered. */
function operation(what: string, calledAt: number, answeredAt?: number): RegisterOperation {
  return {
    kind: what.startsWith("w") ? "write" : "read",
    value: what.slice(1),
    calledAt,
    answeredAt: answeredAt ?? Number.POSITIVE_INFINITY,
  };
}

const cases: readonly (readonly [string, boolean, readonly RegisterOperation[]])[] = [
  ["nothing", true, []],
  ["a read of what was there", true, [operation("r0", 0, 1)]],
  ["a read of what nobody wrote", false, [operation("r1", 0, 1)]],
  ["a write that is read", true, [operation("w1", 0, 1), operation("r1", 2, 3)]],
  ["a write that is lost", false, [operation("w1", 0, 1), operation("r0", 2, 3)]],
  [
    "a write under way",
    true,
    [operation("w1", 0, 9), operation("r0", 1, 2), operation("r1", 3, 4)],
  ],
  [
    "a write under way that is taken back",
    false,
    [operation("w1", 0, 9), operation("r1", 1, 2), operation("r0", 3, 4)],
  ],
  ["no answer, and it was not done", true, [operation("w1", 0), operation("r0", 5, 6)]],
  [
    "no answer, and it was done late",
    true,
    [operation("w1", 0), operation("r0", 5, 6), operation("r1", 7, 8)],
  ],
  [
    "no answer, done between two others",
    true,
    [operation("w1", 0), operation("w2", 1, 2), operation("r2", 3, 4), operation("r1", 5, 6)],
  ],
  [
    "done twice",
    false,
    [
      operation("w1", 0),
      operation("r1", 1, 2),
      operation("w2", 3, 4),
      operation("r2", 5, 6),
      operation("r1", 7, 8),
    ],
  ],
];

for (const [name, expected, history] of cases) {
  test(`${name} is ${expected ? "" : "not "}linearizable [DESIGN 10]`, () => {
    expect(isLinearizable(history, "0")).toBe(expected);
  });
}

test("many writes at once without an answer are judged in time", () => {
  const writes = Array.from({ length: 7 }, (_, index) => operation(`w${index}`, index));
  const reads = Array.from({ length: 7 }, (_, index) =>
    operation(`r${index}`, 100 + 2 * index, 101 + 2 * index),
  );
  expect(isLinearizable([...writes, ...reads], "x")).toBe(true);
  expect(isLinearizable([...writes, ...reads, operation("r3", 200, 201)], "x")).toBe(false);
});
