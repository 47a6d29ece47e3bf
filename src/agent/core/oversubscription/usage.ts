/** What estimators and QoS controllers are shown: one look at the host and at what runs on it. */
import type { ContainerId } from "../../../base/ids.ts";
import type { Resource } from "../../../protocol/v1/types.ts";
import { toMilli } from "../../../resources/milli.ts";
import { holdingsOf } from "../executors.ts";
import type { ExecutorState } from "../state.ts";

/** One container that runs, in the order of their launches. */
export interface ContainerUse {
  readonly containerId: ContainerId;
  /** What it was given; what a default executor holds is its first container's. */
  readonly resources: readonly Resource[];
  /** Seconds of processor time since its start; undefined when nobody can tell. */
  readonly cpuSeconds: number | undefined;
}

export interface Usage {
  /** Milliseconds of a clock that never goes back. */
  readonly atMs: number;
  readonly containers: readonly ContainerUse[];
  /** Those of them that may be taken back at any time. */
  readonly inUse: readonly Resource[];
  /** Runnable processes on average over 5 and 15 minutes. */
  readonly load: { readonly fiveMinutes: number; readonly fifteenMinutes: number };
  /** Percent of the last ten seconds in which something waited; undefined without PSI. */
  readonly pressure: { readonly cpu: number; readonly memory: number } | undefined;
}

/** What one look sees of the agent itself: what runs, and what that was given. */
export function given(executors: Iterable<ExecutorState>): {
  readonly containers: readonly Omit<ContainerUse, "cpuSeconds">[];
  readonly inUse: Usage["inUse"];
} {
  const live = [...executors].filter(({ phase }) => phase !== "terminated");
  const containers = [...holdingsOf(live)].map(([{ containerId }, resources]) => ({
    containerId,
    resources,
  }));
  return {
    containers,
    inUse: containers.flatMap(({ resources }) => resources.filter(isRevocable)),
  };
}

/** It may be taken back at any time. */
export function isRevocable({ revocable }: Resource): boolean {
  return revocable !== undefined;
}

/** Thousandths of a processor in a list of resources, revocable ones or the others. */
export function cpuMilliOf(resources: readonly Resource[], areRevocable: boolean): number {
  let sum = 0;
  for (const resource of resources) {
    if (resource.name !== "cpus" || isRevocable(resource) !== areRevocable) continue;
    sum += toMilli(resource.scalar?.value ?? 0);
  }
  return sum;
}
