/**
 * The operator calls about containers that are there: WAIT, KILL, REMOVE and what may be attached
 * to. Executors' own containers can be waited for, killed and attached to as well.
 * Source: http-api 7.3.
 */
import { unreachable } from "../../../base/assert.ts";
import { ok, refuse } from "../../../base/result.ts";
import type { ContainerID } from "../../../protocol/v1/types.ts";
import { WAITERS_PER_CONTAINER } from "../limits.ts";
import type { ApiContainer, ExecutorState } from "../state.ts";
import { findFramework, type Step } from "../step.ts";
import { answer, destroyApiContainer, forget, unknownContainer } from "./api-containers.ts";
import type { ContainerCall, ContainerCaller } from "./container-calls.ts";
import { launchContainer } from "./container-launch.ts";
import {
  apiContainerAt,
  containerIdOf,
  executorAt,
  nameOf,
  rootValueOf,
} from "./container-names.ts";
import { denialOfContainerCall, type Owner, userOf } from "./container-rights.ts";

const SIGKILL = 9;

/** Carries out a call, or answers why not; a wait is answered when the container ends. */
export function containerCall(
  step: Step,
  requestId: number,
  call: ContainerCall,
  caller: ContainerCaller,
): void {
  if (call.kind === "launch") {
    launchContainer(step, requestId, call, caller);
    return;
  }
  const container = apiContainerAt(step.state, call.id);
  const executor = container === undefined ? executorAt(step.state, call.id) : undefined;
  const owner = ownerOf(step, call.id, container, executor);
  const denial = denialOfContainerCall(step.options.acls, caller, call, owner);
  if (denial !== undefined) answer(step, requestId, denial);
  else if (container !== undefined) controlContainer(step, requestId, call, container);
  else if (executor !== undefined) controlExecutor(step, requestId, call, executor);
  else refuseUnknown(step, requestId, call, owner);
}

/** Whoever made the call has gone: one that waits makes room for another. */
export function leaveWait({ state }: Step, requestId: number): void {
  for (const [name, waiters] of state.waiters) {
    if (!waiters.includes(requestId)) continue;
    const others = waiters.filter((one) => one !== requestId);
    if (others.length > 0) state.waiters.set(name, others);
    else state.waiters.delete(name);
    return;
  }
}

/** Whoever listened to the session has gone. */
export function leaveSession(step: Step, container: ApiContainer | undefined): void {
  if (container !== undefined) destroyApiContainer(step, container);
}

type Control = Exclude<ContainerCall, { kind: "launch" }>;

/** Of an unknown container the executor at the root decides. */
function ownerOf(
  step: Step,
  id: ContainerID,
  container: ApiContainer | undefined,
  found: ExecutorState | undefined,
): Owner {
  const executor = found ?? rootExecutor(step, id);
  const framework = findFramework(step, executor?.frameworkId ?? "");
  if (executor === undefined || framework === undefined) {
    return { executor: undefined, user: container?.command?.user };
  }
  return { executor, user: userOf(framework, executor) };
}

function rootExecutor(step: Step, id: ContainerID): ExecutorState | undefined {
  const root = rootValueOf(id);
  for (const executor of step.state.containers.values()) {
    if (rootValueOf(containerIdOf(executor)) === root) return executor;
  }
  return undefined;
}

function controlContainer(
  step: Step,
  requestId: number,
  call: Control,
  container: ApiContainer,
): void {
  const { phase, containerId, directory, isSession, owner } = container;
  const isLive = phase === "launching" || phase === "running" || phase === "destroying";
  switch (call.kind) {
    case "wait":
      if (container.termination === undefined) addWaiter(step, requestId, container.name);
      else answer(step, requestId, ok({ kind: "ended", termination: container.termination }));
      return;
    case "kill":
      if (!isLive) answer(step, requestId, alreadyKilled(call.id));
      else if (call.signal === SIGKILL) destroyApiContainer(step, container);
      else step.effects.push({ kind: "signalContainer", containerId, signal: call.signal });
      if (isLive) answer(step, requestId, ok({ kind: "done" }));
      return;
    case "remove":
      removeContainer(step, requestId, container);
      return;
    case "attachInput":
    case "attachOutput":
      if (!isLive || owner === undefined) answer(step, requestId, unknownContainer(call.id));
      else answer(step, requestId, ok({ kind: "target", containerId, directory, isSession }));
      return;
    default:
      unreachable(call, "call");
  }
}

function removeContainer(step: Step, requestId: number, container: ApiContainer): void {
  if (container.phase !== "over") {
    answer(step, requestId, refuse("failed", `Container ${container.name} has not ended yet`));
    return;
  }
  forget(step, container);
  const { directory, isSession } = container;
  if (!isSession) step.effects.push({ kind: "removeSandbox", directory });
  answer(step, requestId, ok({ kind: "done" }));
}

function controlExecutor(
  step: Step,
  requestId: number,
  call: Control,
  executor: ExecutorState,
): void {
  const { containerId, directory, phase } = executor;
  if (phase === "terminated") {
    answer(
      step,
      requestId,
      call.kind === "kill" ? alreadyKilled(call.id) : unknownContainer(call.id),
    );
    return;
  }
  switch (call.kind) {
    case "wait":
      addWaiter(step, requestId, nameOf(call.id));
      return;
    case "kill":
      step.effects.push(
        call.signal === SIGKILL
          ? { kind: "destroyContainer", containerId }
          : { kind: "signalContainer", containerId, signal: call.signal },
      );
      answer(step, requestId, ok({ kind: "done" }));
      return;
    case "remove": {
      const text = `Container ${nameOf(call.id)} is an executor's, which is removed after its end`;
      answer(step, requestId, refuse("failed", text));
      return;
    }
    case "attachInput":
    case "attachOutput":
      answer(step, requestId, ok({ kind: "target", containerId, directory, isSession: false }));
      return;
    default:
      unreachable(call, "call");
  }
}

/** A child that is gone already is as good as removed, as long as its root is known. */
function refuseUnknown(step: Step, requestId: number, call: Control, { executor }: Owner): void {
  const isRootKnown = executor !== undefined || isStandaloneThere(step, call.id);
  if (call.kind === "kill") answer(step, requestId, alreadyKilled(call.id));
  else if (call.kind !== "remove") answer(step, requestId, unknownContainer(call.id));
  else if (isRootKnown) answer(step, requestId, ok({ kind: "done" }));
  else answer(step, requestId, refuse("failed", `Unknown container ${nameOf(call.id)}`));
}

function isStandaloneThere({ state }: Step, id: ContainerID): boolean {
  return apiContainerAt(state, { value: rootValueOf(id) }) !== undefined;
}

function addWaiter(step: Step, requestId: number, name: string): void {
  const waiters = step.state.waiters.get(name) ?? [];
  if (waiters.length >= WAITERS_PER_CONTAINER) {
    const text = `${WAITERS_PER_CONTAINER} callers wait for this container already`;
    answer(step, requestId, refuse("notReady", text));
    return;
  }
  step.state.waiters.set(name, [...waiters, requestId]);
}

function alreadyKilled(id: ContainerID): ReturnType<typeof refuse> {
  const text = `Container ${nameOf(id)} cannot be found (or is already killed)`;
  return refuse("notFound", text);
}
