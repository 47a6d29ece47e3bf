/** What estimators and QoS controllers are shown: one look at the host and at what runs on it. */
import type { ContainerId } from "../../../base/ids.ts";
import type { Resource } from "../../../protocol/v1/types.ts";
import { toMilli } from "../../../resources/milli.ts";

/** One container that runs, in the order of their launches. */
export interface ContainerUse {
  readonly containerId: ContainerId;
  /** What it was given. */
  readonly resources: readonly Resource[];
  /** Seconds of processor time since its start; undefined when nobody can tell. */
  readonly cpuSeconds: number | undefined;
}

export interface Usage {
  /** Milliseconds of a clock that never goes back. */
  readonly atMs: number;
  readonly containers: readonly ContainerUse[];
  /** Revocable resources that are in use; what a default executor holds is there once. */
  readonly inUse: readonly Resource[];
  /** Runnable processes on average over 5 and 15 minutes. */
  readonly load: { readonly fiveMinutes: number; readonly fifteenMinutes: number };
  /** Percent of the last ten seconds in which something waited; undefined without PSI. */
  readonly pressure: { readonly cpu: number; readonly memory: number } | undefined;
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
