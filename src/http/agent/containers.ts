/** Containers as `/containers`, `/monitor/statistics` and GET_CONTAINERS tell them. Source: http-api 7.1, 10. */
import { seesContainer } from "../../agent/core/views/visible-state.ts";
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { ContainerScope } from "../../agent/runtime/container-reports.ts";
import type { AgentResponseGetContainersContainer } from "../../protocol/v1/types.ts";
import type { Viewer } from "../../security/viewer.ts";

/** Those of users whose containers the viewer may see. */
export async function visibleContainers(
  runtime: AgentRuntime,
  viewer: Viewer,
  scope: ContainerScope = { isNestedShown: false, isStandaloneShown: false },
): Promise<AgentResponseGetContainersContainer[]> {
  const containers = await runtime.containers(scope);
  return containers.filter(({ container_id: id }) =>
    seesContainer(runtime.state, viewer, id?.value ?? ""),
  );
}

/** `/containers`. */
export function containersJson(
  containers: readonly AgentResponseGetContainersContainer[],
): unknown[] {
  return containers.map((container) => ({
    framework_id: container.framework_id?.value,
    executor_id: container.executor_id?.value,
    executor_name: container.executor_name,
    source: container.executor_id?.value,
    container_id: container.container_id?.value,
    status: container.container_status,
    statistics: container.resource_statistics,
  }));
}

/** `/monitor/statistics`. */
export async function statisticsBody(runtime: AgentRuntime, viewer: Viewer): Promise<unknown[]> {
  return (await visibleContainers(runtime, viewer))
    .filter((container) => container.resource_statistics !== undefined)
    .map((container) => ({
      framework_id: container.framework_id?.value,
      executor_id: container.executor_id?.value,
      executor_name: container.executor_name,
      source: container.executor_id?.value,
      statistics: container.resource_statistics,
    }));
}
