/** Writers that are flushed at once when alone, and together when busy. */
import { expect, test } from "bun:test";
import { Coalescer } from "../../src/base/coalescer.ts";
import { FakeClock } from "./fake-clock.ts";

function makeCoalescer() {
  const clock = new FakeClock();
  const flushes: string[] = [];
  const coalescer = new Coalescer({ clock, pauseMs: 10, soon: queueMicrotask });
  const writer = (name: string) => ({
    flush: () => flushes.push(`${name} ${clock.monotonicMs()}`),
  });
  return { clock, flushes, coalescer, writer };
}

test("a lone write goes in the same turn", async () => {
  const { coalescer, flushes, writer } = makeCoalescer();
  coalescer.request(writer("a"));
  expect(flushes).toEqual([]);
  await Promise.resolve();
  expect(flushes).toEqual(["a 1000"]);
});

test("what follows within the pause goes once at its end, and so on", async () => {
  const { clock, coalescer, flushes, writer } = makeCoalescer();
  const [a, b] = [writer("a"), writer("b")];
  coalescer.request(a);
  await Promise.resolve();
  coalescer.request(a);
  coalescer.request(a);
  clock.advance(4);
  coalescer.request(b);
  await Promise.resolve();
  clock.advance(6);
  coalescer.request(a);
  clock.advance(10);
  expect(flushes).toEqual(["a 1000", "b 1004", "a 1010", "a 1020"]);
});

test("after a pause in which nothing was written, no timer is left and writes go at once", async () => {
  const { clock, coalescer, flushes, writer } = makeCoalescer();
  const a = writer("a");
  coalescer.request(a);
  await Promise.resolve();
  clock.advance(10);
  expect(clock.pending).toBe(0);
  coalescer.request(a);
  await Promise.resolve();
  expect(flushes).toEqual(["a 1000", "a 1010"]);
});
