/**
 * Containers as `/containers`, `/monitor/statistics` and GET_CONTAINERS tell them. Differs from Mesos:
 * the first two have `pressure` beside `statistics`, where the kernel measures it.
 * Source: http-api 7.1, 10.
 */
import { seesContainer } from "../../agent/core/views/visible-state.ts";
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { ContainerReport, ContainerScope } from "../../agent/runtime/container-reports.ts";
import type { Viewer } from "../../security/viewer.ts";

/** Those of users whose containers the viewer may see. */
export async function visibleContainers(
  runtime: AgentRuntime,
  viewer: Viewer,
  scope: ContainerScope = { isNestedShown: false, isStandaloneShown: false },
): Promise<ContainerReport[]> {
  const containers = await runtime.containers(scope);
  return containers.filter(({ rootId }) => seesContainer(runtime.state, viewer, rootId));
}

/** `/containers`. */
export function containersJson(reports: readonly ContainerReport[]): unknown[] {
  return reports.map(({ container, pressure }) => ({
    framework_id: container.framework_id?.value,
    executor_id: container.executor_id?.value,
    executor_name: container.executor_name,
    source: container.executor_id?.value,
    container_id: container.container_id?.value,
    status: container.container_status,
    statistics: container.resource_statistics,
    pressure,
  }));
}

/** `/monitor/statistics`. */
export async function statisticsBody(runtime: AgentRuntime, viewer: Viewer): Promise<unknown[]> {
  return (await visibleContainers(runtime, viewer))
    .filter(({ container }) => container.resource_statistics !== undefined)
    .map(({ container, pressure }) => ({
      framework_id: container.framework_id?.value,
      executor_id: container.executor_id?.value,
      executor_name: container.executor_name,
      source: container.executor_id?.value,
      statistics: container.resource_statistics,
      pressure,
    }));
}
