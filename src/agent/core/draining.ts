/**
 * Draining: what runs is killed within the operator's grace, what is launched meanwhile is refused,
 * and kills are told as the drain's. Ends when nothing is left, or by the operator.
 * Source: semantics 2.7.
 */
import { usualKillGraceMs } from "../../protocol/grace.ts";
import type { DrainConfig } from "../../protocol/v1/types.ts";
import { endDrain, isIdle } from "./drain-state.ts";
import { isTerminalState } from "./inputs.ts";
import { killTask } from "./kill.ts";
import type { TaskRecord } from "./state.ts";
import { checkpoint, log, type Step } from "./step.ts";

/** Begins to drain, or stops it; what was killed stays killed. */
export function drain(step: Step, config: DrainConfig | undefined): void {
  const { state } = step;
  if (config === undefined) {
    endDrain(step);
    return;
  }
  if (isIdle(step)) return;
  log(step, "warning", "draining", { tasks: countTasks(step) });
  state.drain = config;
  state.drainStartMs = step.nowMs;
  checkpoint(step, { kind: "putDrain", config });
  for (const framework of [...state.frameworks.values()]) {
    for (const task of [...framework.tasks.values()]) {
      if (isTerminalState(task.state)) continue;
      killTask(step, framework.frameworkId, task.taskId, policyFor(step, task, config));
    }
  }
}

function countTasks({ state }: Step): number {
  let count = 0;
  for (const framework of state.frameworks.values()) count += framework.tasks.size;
  return count;
}

/** The operator's grace only shortens the task's own. */
function policyFor(
  { options }: Step,
  { info }: TaskRecord,
  { max_grace_period: max }: DrainConfig,
): Parameters<typeof killTask>[3] {
  if (max === undefined) return undefined;
  const own =
    info.kill_policy?.grace_period?.nanoseconds ??
    usualKillGraceMs(info, options.executorShutdownGraceMs) * 1e6;
  return { grace_period: { nanoseconds: Math.min(own, max.nanoseconds) } };
}
