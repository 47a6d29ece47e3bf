/** The core's timers, of which many are set and few fire, on one timer of the clock. */
import { expect, test } from "bun:test";
import type { AgentTimer } from "../../../src/agent/core/inputs.ts";
import { AgentTimers } from "../../../src/agent/runtime/timers.ts";
import { FakeClock } from "../../base/fake-clock.ts";

const retry = (taskId: string): AgentTimer => ({ kind: "retryUpdate", frameworkId: "f", taskId });

function makeTimers() {
  const clock = new FakeClock();
  const startMs = clock.monotonicMs();
  const fired: string[] = [];
  const timers = new AgentTimers(clock, (timer) => {
    const name = timer.kind === "retryUpdate" ? timer.taskId : timer.kind;
    fired.push(`${name} ${clock.monotonicMs() - startMs}`);
  });
  return { clock, timers, fired };
}

test("each fires once when it is due, the earliest first", () => {
  const { clock, timers, fired } = makeTimers();
  timers.set(retry("b"), 20);
  timers.set(retry("a"), 10);
  timers.set(retry("c"), 20);
  expect(clock.pending).toBe(1);
  clock.advance(100);
  expect(fired).toEqual(["a 10", "b 20", "c 20"]);
  expect(clock.pending).toBe(0);
});

test("one that is set again fires at its new time alone, sooner or later", () => {
  const { clock, timers, fired } = makeTimers();
  timers.set(retry("a"), 10);
  timers.set(retry("a"), 30);
  timers.set(retry("b"), 30);
  timers.set(retry("b"), 5);
  clock.advance(100);
  expect(fired).toEqual(["b 5", "a 30"]);
});

test("what was cancelled does not fire, and holds up no other", () => {
  const { clock, timers, fired } = makeTimers();
  timers.set(retry("a"), 10);
  timers.set(retry("b"), 20);
  timers.cancel(retry("a"));
  timers.cancel(retry("unknown"));
  clock.advance(15);
  timers.set(retry("c"), -1);
  clock.advance(15);
  expect(fired).toEqual(["c 15", "b 20"]);
  timers.set(retry("d"), 10);
  timers.cancelAll();
  clock.advance(100);
  timers.set(retry("e"), 10);
  clock.advance(10);
  expect(fired.slice(2)).toEqual(["e 140"]);
});
