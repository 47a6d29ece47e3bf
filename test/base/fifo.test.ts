/** The queue below all work that waits. */
import { expect, test } from "bun:test";
import { Fifo } from "../../src/base/fifo.ts";

test("any mix of adding and taking keeps every item once and in order", () => {
  const fifo = new Fifo<number>();
  const seen: number[] = [];
  let pushed = 0;
  for (let round = 0; round < 2000; round++) {
    for (let count = (round * 31) % 13; count > 0; count--) fifo.push(pushed++);
    for (let count = (round * 17) % 11; count > 0; count--) {
      const item = fifo.take();
      if (item !== undefined) seen.push(item);
    }
    expect(fifo.length).toBe(pushed - seen.length);
  }
  for (let item = fifo.take(); item !== undefined; item = fifo.take()) seen.push(item);
  expect(seen).toEqual(Array.from({ length: pushed }, (_, index) => index));
});

test("taking one of 300,000 waiting items costs no more than one of a few", () => {
  const fifo = new Fifo<number>();
  for (let item = 0; item < 300_000; item++) fifo.push(item);
  const startMs = performance.now();
  let count = 0;
  while (fifo.take() !== undefined) count += 1;
  expect(count).toBe(300_000);
  // Copying the rest for each item would move 45 thousand million elements.
  expect(performance.now() - startMs).toBeLessThan(500);
});
