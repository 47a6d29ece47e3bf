/** Keyed timers and steady time on a clock that is moved by hand. */
import { expect, test } from "bun:test";
import { KeyedTimers, steadyNow } from "../../src/base/timers.ts";
import { FakeClock } from "./fake-clock.ts";

test("setting a key again replaces its timer", () => {
  const clock = new FakeClock();
  const timers = new KeyedTimers(clock);
  const ran: string[] = [];
  timers.set("a", 100, () => ran.push("first"));
  timers.set("b", 150, () => ran.push("other"));
  timers.set("a", 200, () => ran.push("second"));
  clock.advance(1000);
  expect(ran).toEqual(["other", "second"]);
  expect(clock.pending).toBe(0);
});

test("a cancelled timer does not run, and cancelling an unknown key does nothing", () => {
  const clock = new FakeClock();
  const timers = new KeyedTimers(clock);
  const ran: string[] = [];
  timers.set("a", 100, () => ran.push("a"));
  timers.cancel("a");
  timers.cancel("b");
  timers.set("c", 100, () => ran.push("c"));
  timers.set("d", 100, () => ran.push("d"));
  timers.cancelAll();
  clock.advance(1000);
  expect([ran, clock.pending]).toEqual([[], 0]);
});

test("a timer may set its own key again from its callback", () => {
  const clock = new FakeClock();
  const timers = new KeyedTimers(clock);
  let count = 0;
  const tick = (): void => {
    count += 1;
    timers.set("tick", 10, tick);
  };
  timers.set("tick", 10, tick);
  clock.advance(55);
  timers.cancel("tick");
  clock.advance(100);
  expect([count, clock.pending]).toEqual([5, 0]);
});

test("steady time starts at wall time and ignores its later jumps", () => {
  let wallMs = 5000;
  let monotonicMs = 70;
  const now = steadyNow({
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    schedule: () => () => undefined,
    nextTurn: () => undefined,
  });
  wallMs = 1;
  monotonicMs = 90;
  expect(now()).toBe(5020);
});
