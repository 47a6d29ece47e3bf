/**
 * Containers that calls of the operator API launch, from the call to their removal: nested below an
 * executor's container, with which they end, or standalone. Source: http-api 7.3, semantics 7.10.
 *
 * | phase      | from      | when                                                          |
 * |------------|-----------|---------------------------------------------------------------|
 * | launching  | –         | asked for                                                     |
 * | running    | launching | its process runs                                              |
 * | destroying | both      | killed, its parent is ending, or its session was left         |
 * | over       | all       | its process has ended; it can be waited for until its root or an operator removes it |
 */
import { assert } from "../../../base/assert.ts";
import type { ContainerId } from "../../../base/ids.ts";
import { type Result, refuse } from "../../../base/result.ts";
import type { ContainerID } from "../../../protocol/v1/types.ts";
import type { ContainerTermination } from "../container-termination.ts";
import { API_CONTAINERS_OVER } from "../limits.ts";
import type { AgentState, ApiContainer, ExecutorState } from "../state.ts";
import { checkpoint, type Step } from "../step.ts";
import type { ContainerAnswer } from "./container-calls.ts";
import { containerIdOf, containersBelow, nameOf } from "./container-names.ts";

/** Answers a call of `containerCall`. */
export function answer(step: Step, requestId: number, outcome: Result<ContainerAnswer>): void {
  step.effects.push({ kind: "respondContainer", requestId, outcome });
}

/** A container that is not there, or over where that makes no difference. */
export function unknownContainer(id: ContainerID): Result<never> {
  return refuse("notFound", `Container ${nameOf(id)} cannot be found`);
}

/** False when the container is none of these. */
export function apiContainerLaunched(step: Step, containerId: ContainerId): boolean {
  const container = step.state.apiContainers.get(containerId);
  if (container === undefined) return false;
  if (container.phase === "launching") container.phase = "running";
  // The order to end it may have come before there was anything to end.
  if (container.phase === "destroying")
    step.effects.push({ kind: "destroyContainer", containerId });
  for (const requestId of container.launches.splice(0)) {
    answer(step, requestId, { ok: true, value: { kind: "launched", containerId } });
  }
  return true;
}

/** As above; nothing of it is left. */
export function apiContainerLaunchFailed(
  step: Step,
  containerId: ContainerId,
  message: string,
): boolean {
  const container = step.state.apiContainers.get(containerId);
  if (container === undefined) return false;
  for (const requestId of container.launches.splice(0)) {
    answer(step, requestId, refuse("invalid", message));
  }
  end(step, container, { exit: { kind: "unknown", message } });
  if (step.state.apiContainers.has(containerId)) forget(step, container);
  return true;
}

/** As above. */
export function apiContainerTerminated(
  step: Step,
  containerId: ContainerId,
  termination: ContainerTermination,
): boolean {
  const container = step.state.apiContainers.get(containerId);
  if (container === undefined) return false;
  if (container.phase !== "over") end(step, container, termination);
  return true;
}

/** Ends everything nested in the container of that name. */
export function destroyBelow(step: Step, name: string): void {
  for (const container of containersBelow(step.state, name)) destroyApiContainer(step, container);
}

/** Ends the container with what is nested in it. */
export function destroyApiContainer(step: Step, container: ApiContainer): void {
  if (container.phase === "over" || container.phase === "destroying") return;
  container.phase = "destroying";
  destroyBelow(step, container.name);
  step.effects.push({ kind: "destroyContainer", containerId: container.containerId });
}

/** An executor's container is over: tells whoever waits for it, and ends what is nested in it. */
export function executorContainerEnded(
  step: Step,
  executor: ExecutorState,
  termination: ContainerTermination,
): void {
  const name = nameOf(containerIdOf(executor));
  tellWaiters(step, name, termination);
  destroyBelow(step, name);
}

/** The executor leaves the agent: what was nested in it is nobody's any more. */
export function forgetBelow(step: Step, executor: ExecutorState): void {
  for (const container of containersBelow(step.state, nameOf(containerIdOf(executor)))) {
    if (container.phase === "over") forget(step, container);
    else destroyApiContainer(step, container);
  }
}

/** Takes a container that is over out of the agent. */
export function forget(step: Step, container: ApiContainer): void {
  const { containerId, isCheckpointed } = container;
  step.state.apiContainers.delete(containerId);
  if (isCheckpointed) checkpoint(step, { kind: "removeContainer", containerId });
}

/** On disk as it is now. */
export function checkpointContainer(step: Step, container: ApiContainer): void {
  if (!container.isCheckpointed) return;
  const { launches: _, phase: __, ...value } = container;
  checkpoint(step, { kind: "putContainer", container: value });
}

/** True when the executor at the root of the container is there, or none is needed. */
export function isRootThere(state: AgentState, { owner }: ApiContainer): boolean {
  return owner === undefined || state.containers.has(owner);
}

function end(step: Step, container: ApiContainer, termination: ContainerTermination): void {
  const { containerId, name, directory } = container;
  container.phase = "over";
  container.termination = termination;
  for (const requestId of container.launches.splice(0)) {
    answer(step, requestId, refuse("invalid", "The container ended before it was launched"));
  }
  tellWaiters(step, name, termination);
  destroyBelow(step, name);
  step.effects.push({ kind: "cleanupContainer", containerId, directory });
  if (!isRootThere(step.state, container)) {
    forget(step, container);
    return;
  }
  checkpointContainer(step, container);
  forgetOldest(step);
}

function forgetOldest(step: Step): void {
  const over = [...step.state.apiContainers.values()].filter(({ phase }) => phase === "over");
  if (over.length <= API_CONTAINERS_OVER) return;
  const [oldest] = over;
  assert(oldest !== undefined, "more than none are over");
  forget(step, oldest);
}

function tellWaiters(step: Step, name: string, termination: ContainerTermination): void {
  for (const requestId of step.state.waiters.get(name) ?? []) {
    answer(step, requestId, { ok: true, value: { kind: "ended", termination } });
  }
  step.state.waiters.delete(name);
}
