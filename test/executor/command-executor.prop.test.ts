/**
 * The command executor under any sequence of inputs: a model of the world answers signals as a
 * process might, time only goes forward, and the rules hold at every step and at the end.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type {
  CommandExecutorEffect,
  CommandExecutorInput,
} from "../../src/executor/command-executor.ts";
import {
  exited,
  graceOf,
  killInput,
  LAUNCHED,
  newExecutor,
  SHUTDOWN,
  signaled,
  statusesIn,
  TIMER,
} from "./command-executors.ts";

const ORDER = ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"];

function isTerminal(state: string): boolean {
  return ["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"].includes(state);
}

/** What may come at any moment, with the time that passes before. */
const happening = fc.record({
  afterMs: fc.nat({ max: 4_000 }),
  what: fc.oneof(
    fc.constant("launch" as const),
    fc.constant("exit" as const),
    fc.constant("shutdown" as const),
    fc.constant("timer" as const),
    fc.record({ graceMs: fc.option(fc.nat({ max: 10_000 }), { nil: undefined }) }),
  ),
});

const world = fc.record({
  happenings: fc.array(happening, { maxLength: 25 }),
  hasKillingState: fc.boolean(),
  maxCompletionMs: fc.option(fc.nat({ max: 20_000 }), { nil: undefined }),
  taskGraceMs: fc.option(fc.nat({ max: 10_000 }), { nil: undefined }),
  exitCode: fc.nat({ max: 255 }),
});

test("any history: states in order, one end at most, a kill ends in KILLED, SIGKILL comes in time [semantics 6.6]", () => {
  fc.assert(
    fc.property(world, (setting) => {
      const executor = newExecutor({
        hasKillingState: setting.hasKillingState,
        task: {
          ...(setting.maxCompletionMs === undefined
            ? {}
            : { max_completion_time: { nanoseconds: setting.maxCompletionMs * 1e6 } }),
          ...(setting.taskGraceMs === undefined
            ? {}
            : { kill_policy: graceOf(setting.taskGraceMs) }),
        },
      });
      const states: string[] = [];
      const uuids = new Set<string>();
      let nowMs = 0;
      let timerMs: number | undefined;
      let isLaunched = false;
      let isKilledFirst: boolean | undefined;
      const signals: { signal: string; atMs: number }[] = [];

      const perform = (effects: readonly CommandExecutorEffect[]): void => {
        for (const effect of effects) {
          if (effect.kind === "setTimer") timerMs = effect.atMs;
          if (effect.kind === "cancelTimer") timerMs = undefined;
          if (effect.kind === "signal") signals.push({ signal: effect.signal, atMs: nowMs });
        }
        for (const status of statusesIn(effects)) {
          states.push(status.state);
          expect(uuids.has(status.uuid ?? "")).toBe(false);
          uuids.add(status.uuid ?? "");
          if (status.reason === "REASON_MAX_COMPLETION_TIME_REACHED") isKilledFirst ??= false;
        }
      };
      const step = (input: CommandExecutorInput): void => perform(executor.step(input, nowMs));
      /** Timers fire at their time, as the runtime's do. */
      const passUntil = (atMs: number): void => {
        while (timerMs !== undefined && timerMs <= atMs) {
          nowMs = Math.max(nowMs, timerMs);
          timerMs = undefined;
          const before = signals.length;
          step(TIMER);
          if (signals.slice(before).some(({ signal }) => signal === "SIGTERM"))
            isKilledFirst ??= false;
        }
        nowMs = atMs;
      };

      for (const { afterMs, what } of setting.happenings) {
        passUntil(nowMs + afterMs);
        if (what === "launch") {
          if (!isLaunched) step(LAUNCHED);
          isLaunched = true;
        } else if (what === "exit") {
          if (isLaunched) step(exited(setting.exitCode));
        } else if (what === "timer") {
          step(TIMER);
        } else {
          if (!executor.isOver) isKilledFirst ??= true;
          step(what === "shutdown" ? SHUTDOWN : killInput(what.graceMs));
        }
      }
      if (!isLaunched) step(LAUNCHED);
      // A process that hears nothing but SIGKILL: whoever is being ended gets it within the grace.
      passUntil(nowMs + 20_001);
      const isEnding = signals.length > 0;
      if (!executor.isOver && isEnding) {
        expect(signals.at(-1)?.signal).toBe("SIGKILL");
        step(signaled(9));
      }
      if (!executor.isOver) step(exited(setting.exitCode));

      expect(states.filter(isTerminal)).toHaveLength(1);
      expect(isTerminal(states.at(-1) ?? "")).toBe(true);
      const live = states.slice(0, -1);
      expect(live).toEqual(ORDER.slice(0, live.length));
      if (!setting.hasKillingState) expect(live).toHaveLength(2);
      expect(signals.filter(({ signal }) => signal === "SIGTERM").length).toBeLessThanOrEqual(1);
      expect(signals.filter(({ signal }) => signal === "SIGKILL").length).toBeLessThanOrEqual(1);
      const end = states.at(-1);
      if (isKilledFirst === true) expect(end).toBe("TASK_KILLED");
      else if (isKilledFirst === false) expect(end).toBe("TASK_FAILED");
      else expect(end).toBe(setting.exitCode === 0 ? "TASK_FINISHED" : "TASK_FAILED");
    }),
    { numRuns: 2_000 },
  );
});
