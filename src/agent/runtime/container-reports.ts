/** Status and usage of the agent's containers, as GET_CONTAINERS shows them. Source: http-api 7.1. */
import type { ContainerId } from "../../base/ids.ts";
import type { Containerizer } from "../../containerizer/containerizer.ts";
import type {
  AgentResponseGetContainersContainer,
  ResourceStatistics,
} from "../../protocol/v1/types.ts";
import type { AgentState, ApiContainer, ExecutorState } from "../core/state.ts";

/** Which containers are shown beside those of executors and tasks. */
export interface ContainerScope {
  readonly isNestedShown: boolean;
  readonly isStandaloneShown: boolean;
}

/** Of what runs, in no order. Sessions are no containers of their own. */
export async function reportContainers(
  state: AgentState,
  containerizer: Containerizer,
  { isNestedShown, isStandaloneShown }: ContainerScope,
): Promise<AgentResponseGetContainersContainer[]> {
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
): Promise<AgentResponseGetContainersContainer> {
  return {
    ...ownerOf(executor),
    container_id: { value: executor.containerId },
    ...(await figuresOf(containerizer, executor.containerId)),
  };
}

async function reportOther(
  state: AgentState,
  containerizer: Containerizer,
  { containerId, id, owner }: ApiContainer,
): Promise<AgentResponseGetContainersContainer> {
  const executor = owner === undefined ? undefined : state.containers.get(owner);
  return {
    ...(executor === undefined ? {} : ownerOf(executor)),
    container_id: { value: id.value },
    ...(await figuresOf(containerizer, containerId)),
  };
}

function ownerOf({
  frameworkId,
  info,
}: ExecutorState): Omit<AgentResponseGetContainersContainer, "container_id"> {
  return {
    framework_id: { value: frameworkId },
    executor_id: info.executor_id,
    executor_name: info.name ?? "",
  };
}

/** A container that ends meanwhile, or is not up yet, is listed without figures (http-api 7.1). */
async function figuresOf(
  containerizer: Containerizer,
  containerId: ContainerId,
): Promise<Omit<AgentResponseGetContainersContainer, "container_id">> {
  const [status, usage] = await Promise.all([
    containerizer.status(containerId).catch(() => undefined),
    containerizer.usage(containerId).catch((): ResourceStatistics | undefined => undefined),
  ]);
  return {
    ...(status === undefined ? {} : { container_status: status }),
    ...(usage === undefined ? {} : { resource_statistics: usage }),
  };
}
