/** Status and usage of the agent's containers, as GET_CONTAINERS shows them. Source: http-api 7.1. */
import type { ContainerId } from "../../base/ids.ts";
import type {
  Containerizer,
  ContainerPressure,
  ContainerUsage,
} from "../../containerizer/containerizer.ts";
import type { AgentResponseGetContainersContainer, ContainerID } from "../../protocol/v1/types.ts";
import { containerIdOf } from "../core/containers/container-names.ts";
import type { AgentState, ApiContainer, ExecutorState } from "../core/state.ts";

/** Which containers are shown beside those of executors and tasks. */
export interface ContainerScope {
  readonly isNestedShown: boolean;
  readonly isStandaloneShown: boolean;
}

/** A container as the v1 API shows it, and what that has no fields for. */
export interface ContainerReport {
  /** Container of the executor that it is, or is nested in; undefined for a standalone one. */
  readonly rootId: ContainerId | undefined;
  readonly container: AgentResponseGetContainersContainer;
  readonly pressure?: ContainerPressure | undefined;
}

/** Of what runs, in no order. Sessions are no containers of their own. */
export async function reportContainers(
  state: AgentState,
  containerizer: Containerizer,
  { isNestedShown, isStandaloneShown }: ContainerScope,
): Promise<ContainerReport[]> {
  const executors = [...state.containers.values()].filter(({ phase }) => phase !== "terminated");
  const others = [...state.apiContainers.values()].filter(
    ({ phase, isSession, parentId }) =>
      phase === "running" &&
      !isSession &&
      (parentId === undefined ? isStandaloneShown : isNestedShown),
  );
  return Promise.all([
    ...executors.map((executor) => reportExecutor(containerizer, executor)),
    ...others.map((container) => reportOther(state, containerizer, container)),
  ]);
}

async function reportExecutor(
  containerizer: Containerizer,
  executor: ExecutorState,
): Promise<ContainerReport> {
  const { containerId } = executor;
  const id = containerIdOf(executor);
  const report = await withFigures(containerizer, containerId, id, ownerOf(executor));
  return { rootId: containerId, ...report };
}

async function reportOther(
  state: AgentState,
  containerizer: Containerizer,
  { containerId, id, owner }: ApiContainer,
): Promise<ContainerReport> {
  const executor = owner === undefined ? undefined : state.containers.get(owner);
  const of = executor === undefined ? {} : ownerOf(executor);
  return { rootId: owner, ...(await withFigures(containerizer, containerId, id, of)) };
}

function ownerOf({ frameworkId, info }: ExecutorState): ContainerOwner {
  return {
    framework_id: { value: frameworkId },
    executor_id: info.executor_id,
    executor_name: info.name ?? "",
  };
}

type ContainerOwner = Omit<AgentResponseGetContainersContainer, "container_id">;

/**
 * A container that ends meanwhile, or is not up yet, is listed without figures. `id` is what it is
 * known by outside, of which the entry shows the value and its status all (http-api 7.1).
 */
async function withFigures(
  containerizer: Containerizer,
  containerId: ContainerId,
  id: ContainerID,
  owner: ContainerOwner,
): Promise<Omit<ContainerReport, "rootId">> {
  const [status, usage] = await Promise.all([
    containerizer.status(containerId).catch(() => undefined),
    containerizer.usage(containerId).catch((): ContainerUsage | undefined => undefined),
  ]);
  const container = { ...owner, container_id: { value: id.value } };
  const shown =
    status === undefined
      ? container
      : { ...container, container_status: { ...status, container_id: id } };
  if (usage === undefined) return { container: shown };
  const { pressure, ...statistics } = usage;
  return { container: { ...shown, resource_statistics: statistics }, pressure };
}
