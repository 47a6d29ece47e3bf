/** Status and usage of the agent's containers, as GET_CONTAINERS shows them. Source: http-api 7.1. */
import type { ContainerId } from "../../base/ids.ts";
import type {
  Containerizer,
  ContainerPressure,
  ContainerUsage,
} from "../../containerizer/containerizer.ts";
import type { AgentResponseGetContainersContainer } from "../../protocol/v1/types.ts";
import type { AgentState, ApiContainer, ExecutorState } from "../core/state.ts";

/** Which containers are shown beside those of executors and tasks. */
export interface ContainerScope {
  readonly isNestedShown: boolean;
  readonly isStandaloneShown: boolean;
}

/** A container as the v1 API shows it, and what that has no fields for. */
export interface ContainerReport {
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
  return await withFigures(containerizer, executor.containerId, {
    ...ownerOf(executor),
    container_id: { value: executor.containerId },
  });
}

async function reportOther(
  state: AgentState,
  containerizer: Containerizer,
  { containerId, id, owner }: ApiContainer,
): Promise<ContainerReport> {
  const executor = owner === undefined ? undefined : state.containers.get(owner);
  return await withFigures(containerizer, containerId, {
    ...(executor === undefined ? {} : ownerOf(executor)),
    container_id: { value: id.value },
  });
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
async function withFigures(
  containerizer: Containerizer,
  containerId: ContainerId,
  container: AgentResponseGetContainersContainer,
): Promise<ContainerReport> {
  const [status, usage] = await Promise.all([
    containerizer.status(containerId).catch(() => undefined),
    containerizer.usage(containerId).catch((): ContainerUsage | undefined => undefined),
  ]);
  const shown = status === undefined ? container : { ...container, container_status: status };
  if (usage === undefined) return { container: shown };
  const { pressure, ...statistics } = usage;
  return { container: { ...shown, resource_statistics: statistics }, pressure };
}
