/**
 * Resources beyond what the agent has, told to the master, and executors that must give theirs back.
 * Source: semantics 8.1, 8.4.
 */
import type { ContainerId } from "../../../base/ids.ts";
import type { Resource } from "../../../protocol/v1/types.ts";
import { Bundle } from "../../../resources/bundle.ts";
import { ResourceKinds } from "../../../resources/kinds.ts";
import { destroyExecutor, resourcesOf } from "../executors.ts";
import { type ExecutorState, isGroupMember, liveMembers, shownExecutorId } from "../state.ts";
import { findFramework, log, type Step, send } from "../step.ts";
import { isRevocable } from "./usage.ts";

/** A look at the host found these, in use or left over; revocable scalars. */
export function oversubscribable(step: Step, resources: readonly Resource[]): void {
  const found = Bundle.from(new ResourceKinds(), resources).withoutAllocation();
  step.state.oversubscribable = found.toResources();
  tellOversubscribed(step);
}

/** Tells a master that counts this agent as registered what it does not know yet. */
export function tellOversubscribed(step: Step): void {
  const { state } = step;
  if (state.phase !== "running") return;
  const kinds = new ResourceKinds();
  const newest = Bundle.from(kinds, state.oversubscribable);
  if (newest.equals(Bundle.from(kinds, state.oversubscribed))) return;
  state.oversubscribed = state.oversubscribable;
  send(step, { kind: "oversubscribedChanged", resources: state.oversubscribed });
}

/**
 * Ends the executors of these containers, each as a whole, for what they hold of revocable resources;
 * others, and those that are over, are left alone.
 */
export function preempt(step: Step, containerIds: readonly ContainerId[]): void {
  for (const containerId of containerIds) {
    const executor = step.state.containers.get(containerId);
    if (executor === undefined || !isPreemptible(executor)) continue;
    step.state.counters["slave/executors_preempted"] += 1;
    log(step, "warning", "preempted an executor", {
      framework: executor.frameworkId,
      executor: shownExecutorId(executor),
      containerId,
    });
    for (const part of wholeOf(step, executor)) {
      if (isLive(part)) destroyExecutor(step, part, PREEMPTED);
    }
  }
}

/** What becomes of every task of a preempted executor. */
const PREEMPTED = {
  state: "gone",
  reason: "REASON_CONTAINER_PREEMPTED",
  message: "Container preempted by QoS correction",
} as const;

/** It runs on resources that may be taken back at any time. */
function isPreemptible(executor: ExecutorState): boolean {
  return isLive(executor) && resourcesOf(executor).some(isRevocable);
}

/** Nobody has ended it before. */
function isLive({ phase }: ExecutorState): boolean {
  return phase === "registering" || phase === "running";
}

/** Tasks of a default executor have a container each, which are nested in one of its own. */
function wholeOf(step: Step, executor: ExecutorState): readonly ExecutorState[] {
  const framework = findFramework(step, executor.frameworkId);
  if (framework === undefined || !isGroupMember(executor)) return [executor];
  return liveMembers(framework, shownExecutorId(executor));
}
