/** The queue before a core, driven by hand: what was deferred runs when the test says so. */
import { expect, test } from "bun:test";
import { InputQueue } from "../../src/base/input-queue.ts";

function makeQueue(batchSize: number, onBatch: (batch: readonly number[]) => void) {
  const deferred: { next: () => void; isFollowing: boolean }[] = [];
  const queue = new InputQueue<number>({
    batchSize,
    work: onBatch,
    defer: (next, isFollowing) => deferred.push({ next, isFollowing }),
  });
  const runOne = (): boolean => {
    const first = deferred.shift();
    first?.next();
    return first !== undefined;
  };
  return { queue, deferred, runOne };
}

test("inputs of one turn are worked off together and in order", () => {
  const batches: (readonly number[])[] = [];
  const { queue, deferred, runOne } = makeQueue(10, (batch) => batches.push(batch));
  for (const input of [1, 2, 3]) queue.push(input);
  expect([batches, deferred.length, queue.length]).toEqual([[], 1, 3]);
  runOne();
  expect([batches, deferred.length, queue.length]).toEqual([[[1, 2, 3]], 0, 0]);
});

test("a long queue is worked off in bounded batches that let others in between", () => {
  const batches: (readonly number[])[] = [];
  const { queue, deferred, runOne } = makeQueue(4, (batch) => batches.push(batch));
  for (let input = 0; input < 10; input++) queue.push(input);
  const following = [];
  do following.push(deferred[0]?.isFollowing);
  while (runOne());
  expect(batches).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]);
  expect(following).toEqual([false, true, true, undefined]);
});

test("inputs pushed while a batch is worked off wait for the next one", () => {
  const batches: (readonly number[])[] = [];
  const { queue, runOne } = makeQueue(2, (batch) => {
    batches.push([...batch]);
    if (batches.length === 1) for (const input of [7, 8, 9]) queue.push(input);
  });
  for (const input of [1, 2, 3]) queue.push(input);
  while (runOne());
  expect(batches).toEqual([
    [1, 2],
    [3, 7],
    [8, 9],
  ]);
});

test("any mix of pushing and working off keeps every input once and in order", () => {
  const seen: number[] = [];
  const { queue, runOne } = makeQueue(7, (batch) => seen.push(...batch));
  let pushed = 0;
  for (let round = 0; round < 2000; round++) {
    for (let count = (round * 31) % 13; count > 0; count--) queue.push(pushed++);
    runOne();
    expect(queue.length).toBe(pushed - seen.length);
  }
  while (runOne());
  expect(seen).toEqual(Array.from({ length: pushed }, (_, index) => index));
});

test("working off 300,000 waiting inputs costs no more per input than a few", () => {
  let count = 0;
  const { queue, runOne } = makeQueue(16, (batch) => {
    count += batch.length;
  });
  for (let input = 0; input < 300_000; input++) queue.push(input);
  const startMs = performance.now();
  while (runOne());
  expect(count).toBe(300_000);
  // Copying the rest for each batch would move 2.8 thousand million elements.
  expect(performance.now() - startMs).toBeLessThan(500);
});
