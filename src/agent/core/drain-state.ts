/** What follows from an agent being drained. See draining.ts for how it begins. */
import type { TaskStatus } from "../../protocol/v1/types.ts";
import { type FrameworkState, isPartitionAware } from "./state.ts";
import { checkpoint, type Step } from "./step.ts";

/** Called when something has ended: a drained agent that is empty takes work again when asked. */
export function settleDrain(step: Step): void {
  if (step.state.drain !== undefined && isIdle(step)) endDrain(step);
}

/**
 * While draining, kills are told as the drain's doing. Differs from Mesos, which turns KILLING into
 * the terminal TASK_GONE_BY_OPERATOR too, while the task still runs.
 */
export function drainedStatus(
  step: Step,
  framework: FrameworkState,
  status: TaskStatus,
): TaskStatus {
  const { drain: config } = step.state;
  const isKill = status.state === "TASK_KILLING" || status.state === "TASK_KILLED";
  if (config === undefined || !isKill) return status;
  const isGone = config.mark_gone === true && isPartitionAware(framework.info);
  const isOver = status.state === "TASK_KILLED";
  return {
    ...status,
    reason: "REASON_AGENT_DRAINING",
    ...(isGone && isOver && { state: "TASK_GONE_BY_OPERATOR" as const }),
  };
}

/** Takes work again. */
export function endDrain(step: Step): void {
  if (step.state.drain === undefined) return;
  step.state.drain = undefined;
  step.state.drainStartMs = undefined;
  checkpoint(step, { kind: "putDrain", config: undefined });
}

/** Nothing runs and nothing is left to be told. */
export function isIdle({ state }: Step): boolean {
  return state.frameworks.size === 0 && state.operations.size === 0;
}
