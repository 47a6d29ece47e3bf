/**
 * How long a task or executor has between the word to end and force: one rule for the built-in
 * executor, which ends the task, and for the agent, which goes on from it after its own restart.
 * Milliseconds. Source: semantics 6.6, 7.3.
 */
import type { DurationInfo, ExecutorInfo, TaskInfo } from "./v1/types.ts";

/** Of a kill when neither the call nor the task sets one. */
const KILL_GRACE_MS = 3_000;

/**
 * Part of the shutdown grace that a command executor keeps for itself: one second to reap, one to
 * report. A task's own grace is stretched by the same amount.
 */
const SHUTDOWN_MARGIN_MS = 2_000;

/**
 * Of the kill of a task that has no kill policy; Docker's have what executors have.
 * `executorGraceMs`: `--executor_shutdown_grace_period`.
 */
export function usualKillGraceMs(
  { container }: Pick<TaskInfo, "container">,
  executorGraceMs: number,
): number {
  return container?.type === "DOCKER" ? executorGraceMs : KILL_GRACE_MS;
}

/** Of an executor's shutdown. `task`: of a command executor. `executorGraceMs`: as above. */
export function shutdownGraceMs(
  { shutdown_grace_period: own }: Pick<ExecutorInfo, "shutdown_grace_period">,
  task: Pick<TaskInfo, "kill_policy"> | undefined,
  executorGraceMs: number,
): number {
  if (own !== undefined) return millisecondsOf(own);
  const policy = task?.kill_policy?.grace_period;
  return policy === undefined ? executorGraceMs : millisecondsOf(policy) + SHUTDOWN_MARGIN_MS;
}

/** What a shutdown that takes `graceMs` at most leaves to the task. */
export function taskShareMs(graceMs: number): number {
  return Math.max(0, graceMs - SHUTDOWN_MARGIN_MS);
}

function millisecondsOf({ nanoseconds }: DurationInfo): number {
  return nanoseconds / 1e6;
}
