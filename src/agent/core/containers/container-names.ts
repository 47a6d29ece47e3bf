/**
 * Containers as operators name them: the values of an id and its parents, root first, with dots
 * between, which no value holds. Tasks of a default executor are nested in a container of their
 * executor that has no process. Source: http-api 7.2, semantics 7.2.
 */
import { brand, type ContainerId } from "../../../base/ids.ts";
import type { ContainerID } from "../../../protocol/v1/types.ts";
import type { AgentState, ApiContainer, ExecutorState } from "../state.ts";

/** See the header. */
export function nameOf({ value, parent }: ContainerID): string {
  return parent === undefined ? value : `${nameOf(parent)}.${value}`;
}

/** Value at the root of an id. */
export function rootValueOf({ value, parent }: ContainerID): string {
  return parent === undefined ? value : rootValueOf(parent);
}

/** 1 for what is directly below a root. */
export function depthOf({ parent }: ContainerID): number {
  return parent === undefined ? 0 : 1 + depthOf(parent);
}

/** The id of an executor's container as everybody outside the agent knows it. */
export function containerIdOf({ containerId, parentId }: ExecutorState): ContainerID {
  if (parentId === undefined) return { value: containerId };
  return { value: containerId, parent: { value: parentId } };
}

/** The executor, or task of a default executor, whose container this is. */
export function executorAt(state: AgentState, id: ContainerID): ExecutorState | undefined {
  const executor = state.containers.get(brand<ContainerId>(id.value));
  if (executor === undefined) return undefined;
  return nameOf(containerIdOf(executor)) === nameOf(id) ? executor : undefined;
}

/** The container that a call has launched. O(such containers). */
export function apiContainerAt(state: AgentState, id: ContainerID): ApiContainer | undefined {
  const name = nameOf(id);
  for (const container of state.apiContainers.values()) {
    if (container.name === name) return container;
  }
  return undefined;
}

/** Everything below the container of that name, at any depth. */
export function containersBelow(state: AgentState, name: string): ApiContainer[] {
  return [...state.apiContainers.values()].filter((one) => one.name.startsWith(`${name}.`));
}
