/**
 * LAUNCH_CONTAINER, LAUNCH_NESTED_CONTAINER and LAUNCH_NESTED_CONTAINER_SESSION: what may be asked
 * for, and where it then lives. Source: http-api 7.2, 7.3.
 */
import { brand, type ContainerId } from "../../../base/ids.ts";
import { type Result, refuse } from "../../../base/result.ts";
import type { Resource } from "../../../protocol/v1/types.ts";
import { launchOf } from "../executors.ts";
import { API_CONTAINERS_LIVE, CONTAINER_DEPTH } from "../limits.ts";
import {
  type ApiContainer,
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
} from "../state.ts";
import { findFramework, type Step } from "../step.ts";
import { answer, checkpointContainer } from "./api-containers.ts";
import type { ContainerCaller, LaunchWish } from "./container-calls.ts";
import { apiContainerAt, depthOf, executorAt, nameOf } from "./container-names.ts";
import { denialOfContainerCall, userOf } from "./container-rights.ts";

/** What a new container is nested in. */
interface Parent {
  readonly containerId: ContainerId;
  readonly executor: ExecutorState | undefined;
  readonly framework: FrameworkState | undefined;
  readonly directory: string;
  readonly user: string | undefined;
  readonly isAlive: boolean;
}

/** Launches, or answers why not. */
export function launchContainer(
  step: Step,
  requestId: number,
  wish: LaunchWish,
  caller: ContainerCaller,
): void {
  const { id } = wish;
  const parent = id.parent === undefined ? undefined : parentOf(step, id.parent);
  if (id.parent !== undefined && parent === undefined) {
    const text = `Parent container ${nameOf(id.parent)} does not exist`;
    answer(step, requestId, refuse("invalid", text));
    return;
  }
  const fault = denialOf(step, wish, caller, parent) ?? faultOf(step, wish, parent);
  if (fault !== undefined) {
    answer(step, requestId, fault);
    return;
  }
  if (executorAt(step.state, id) !== undefined || apiContainerAt(step.state, id) !== undefined) {
    answer(step, requestId, { ok: true, value: { kind: "exists" } });
    return;
  }
  const container = newContainer(step, wish, parent);
  container.launches.push(requestId);
  step.state.apiContainers.set(container.containerId, container);
  checkpointContainer(step, container);
  step.effects.push({ kind: "launchApiContainer", container });
}

function parentOf(step: Step, id: LaunchWish["id"]): Parent | undefined {
  const executor = executorAt(step.state, id);
  if (executor !== undefined) return parentFromExecutor(step, executor);
  const container = apiContainerAt(step.state, id);
  if (container === undefined) return undefined;
  const root = step.state.containers.get(container.owner ?? brand<ContainerId>(""));
  return {
    containerId: container.containerId,
    executor: root,
    framework: root === undefined ? undefined : findFramework(step, root.frameworkId),
    directory: container.directory,
    user: container.user ?? container.command?.user,
    isAlive: container.phase === "launching" || container.phase === "running",
  };
}

function parentFromExecutor(step: Step, executor: ExecutorState): Parent | undefined {
  const framework = findFramework(step, executor.frameworkId);
  if (framework === undefined) return undefined;
  return {
    containerId: executor.containerId,
    executor,
    framework,
    directory: executor.directory,
    user: launchOf(step, framework, executor).user,
    isAlive: executor.phase === "registering" || executor.phase === "running",
  };
}

function denialOf(
  step: Step,
  wish: LaunchWish,
  caller: ContainerCaller,
  parent: Parent | undefined,
): Result<never> | undefined {
  const { executor, framework } = parent ?? {};
  const isNested = executor !== undefined && framework !== undefined;
  return denialOfContainerCall(
    step.options.acls,
    caller,
    { kind: "launch", ...wish },
    { executor, user: isNested ? userOf(framework, executor) : parent?.user },
  );
}

function faultOf(
  step: Step,
  wish: LaunchWish,
  parent: Parent | undefined,
): Result<never> | undefined {
  if (parent?.isAlive === false) {
    return refuse("invalid", `Parent container ${parentName(wish)} is being destroyed`);
  }
  if (depthOf(wish.id) > CONTAINER_DEPTH) {
    return refuse("invalid", `Containers may be nested ${CONTAINER_DEPTH} deep`, "container_id");
  }
  const live = [...step.state.apiContainers.values()].filter(({ phase }) => phase !== "over");
  if (live.length >= API_CONTAINERS_LIVE) {
    return refuse("notReady", `${API_CONTAINERS_LIVE} such containers run already, end some`);
  }
  // A session writes nothing of its own, and may be there to free the disk.
  const { diskShortage } = step.state;
  if (diskShortage !== undefined && !wish.isSession) {
    return refuse("notReady", `The agent takes no containers for now: ${diskShortage}`);
  }
  return parent === undefined ? faultOfStandalone(wish) : faultOfNested(wish);
}

function parentName({ id }: LaunchWish): string {
  return id.parent === undefined ? "" : nameOf(id.parent);
}

function faultOfStandalone({ resources, container }: LaunchWish): Result<never> | undefined {
  if (container?.linux_info?.share_cgroups === true) {
    const field = "launch_container.container.linux_info.share_cgroups";
    return refuse("invalid", "a standalone container has no cgroups to share", field);
  }
  const fault = resources.map(faultOfResource).find((text) => text !== undefined);
  return fault === undefined
    ? undefined
    : refuse(
        "invalid",
        `a standalone container cannot have ${fault}`,
        "launch_container.resources",
      );
}

function faultOfResource({
  name,
  role,
  reservations,
  revocable,
  disk,
  scalar,
}: Resource): string | undefined {
  const isReserved = (reservations ?? []).length > 0 || (role !== undefined && role !== "*");
  if (isReserved) return "reserved resources";
  if (revocable !== undefined) return "revocable resources";
  if (disk?.persistence !== undefined) return "persistent volumes";
  if (name === "gpus" && !Number.isInteger(scalar?.value)) return "parts of gpus";
  return undefined;
}

function faultOfNested(wish: LaunchWish): Result<never> | undefined {
  const { id, resources, limits, container, isSession } = wish;
  const isUnshared = container?.linux_info?.share_cgroups === false;
  if (isSession && isUnshared) {
    return refuse("invalid", "'share_cgroups' must not be false for a session");
  }
  if (depthOf(id) < 2) return undefined;
  if (resources.length > 0 || limits !== undefined || isUnshared) {
    const text = "Only a container directly below a root has resources, limits or own cgroups";
    return refuse("invalid", text);
  }
  return undefined;
}

function newContainer(step: Step, wish: LaunchWish, parent: Parent | undefined): ApiContainer {
  const { id, command, container, resources, limits, isSession } = wish;
  const base = parent?.directory ?? step.options.workDir;
  const user = step.options.isUserSwitched ? (command?.user ?? parent?.user) : undefined;
  const { framework } = parent ?? {};
  return {
    containerId: brand<ContainerId>(step.uuid()),
    id,
    name: nameOf(id),
    owner: parent?.executor?.containerId,
    parentId: parent?.containerId,
    command,
    container,
    resources,
    limits,
    user,
    directory: isSession ? base : `${base}/containers/${id.value}`,
    isSession,
    isCheckpointed: !isSession && (framework === undefined || isCheckpointing(framework.info)),
    phase: "launching",
    termination: undefined,
    launches: [],
  };
}
