/**
 * Resources beyond what the agent has, told to the master, and executors that must give theirs back.
 * Source: semantics 8.1, 8.4.
 */
import type { ContainerId } from "../../../base/ids.ts";
import type { Resource } from "../../../protocol/v1/types.ts";
import { Bundle } from "../../../resources/bundle.ts";
import { ResourceKinds } from "../../../resources/kinds.ts";
import { destroyExecutor, resourcesOf } from "../executors.ts";
import { type ExecutorState, isGroupMember, shownExecutorId } from "../state.ts";
import { log, type Step, send } from "../step.ts";
import { isRevocable } from "./usage.ts";

/** What is left over beside the revocable resources that are in use; revocable scalars. */
export function oversubscribable(step: Step, estimate: readonly Resource[]): void {
  const { state } = step;
  const kinds = new ResourceKinds();
  const total = Bundle.from(kinds, [...estimate, ...revocableInUse(step)]).withoutAllocation();
  if (total.equals(Bundle.from(kinds, state.oversubscribed))) return;
  state.oversubscribed = total.toResources();
  if (state.phase !== "running") return;
  send(step, { kind: "oversubscribedChanged", resources: state.oversubscribed });
}

/** Ends executors that hold revocable resources; others, and those that are over, are left alone. */
export function preempt(step: Step, containerIds: readonly ContainerId[]): void {
  for (const containerId of containerIds) {
    const executor = step.state.containers.get(containerId);
    if (executor === undefined || !isPreemptible(executor)) continue;
    step.state.counters["slave/executors_preempted"] += 1;
    log(step, "warning", "preempted a container", { containerId });
    destroyExecutor(step, executor, {
      state: "gone",
      reason: "REASON_CONTAINER_PREEMPTED",
      message: "Container preempted by QoS correction",
    });
  }
}

/** It runs on resources that may be taken back at any time. */
function isPreemptible(executor: ExecutorState): boolean {
  const isLive = executor.phase === "registering" || executor.phase === "running";
  return isLive && resourcesOf(executor).some(isRevocable);
}

function revocableInUse({ state }: Step): Resource[] {
  const groups = new Set<string>();
  const held = [...state.containers.values()].flatMap((executor) => {
    if (executor.phase === "terminated") return [];
    const key = `${executor.frameworkId}/${shownExecutorId(executor)}`;
    // What a default executor holds counts once, however many containers its tasks have.
    if (!isGroupMember(executor) || !groups.has(key)) {
      groups.add(key);
      return resourcesOf(executor);
    }
    return [...executor.tasks.values()].flatMap(({ info }) => info.resources ?? []);
  });
  return held.filter(isRevocable);
}
