/**
 * Estimators: how much may be given beyond what the agent has, beside the revocable resources that
 * are in use. Source: semantics 8.1.
 */
import type { Resource } from "../../../protocol/v1/types.ts";
import { Bundle } from "../../../resources/bundle.ts";
import { ResourceKinds } from "../../../resources/kinds.ts";
import { CPU_RESERVE_SHARE, CPU_STEP_MILLI, USAGE_WINDOW_MS } from "./limits.ts";
import { type ContainerUse, cpuMilliOf, type Usage } from "./usage.ts";

/** Keeps what it needs of earlier looks. Answers with revocable scalars. */
export type Estimator = (usage: Usage) => readonly Resource[];

/**
 * All revocable resources there are: what is left over and what is in use, both by one look, since
 * what was launched or ended after it would count twice or not at all.
 */
export function oversubscribedBy(estimator: Estimator, usage: Usage): readonly Resource[] {
  return [...estimator(usage), ...usage.inUse];
}

/** A constant amount, less what of it is in use. */
export function fixedEstimator(resources: readonly Resource[]): Estimator {
  const revocable = resources.map((resource) => ({ ...resource, revocable: {} }));
  return ({ inUse }) => {
    const kinds = new ResourceKinds();
    const taken = Bundle.from(kinds, inUse).withoutAllocation();
    return Bundle.from(kinds, revocable).beyond(taken).toResources();
  };
}

/**
 * Processors that tasks were given and did not use at any time of the last minutes, less a reserve.
 * Only processors: memory cannot be taken back without ending somebody.
 */
export function usageEstimator(): Estimator {
  const looks: { readonly atMs: number; readonly idleMilli: number }[] = [];
  let last: Usage | undefined;
  return (usage) => {
    const idleMilli = idleMilliOf(last, usage);
    last = usage;
    if (idleMilli === undefined) return [];
    looks.push({ atMs: usage.atMs, idleMilli });
    while ((looks[0]?.atMs ?? usage.atMs) < usage.atMs - USAGE_WINDOW_MS) looks.shift();
    const least = Math.min(...looks.map((look) => look.idleMilli));
    const milli =
      Math.floor((least - cpuMilliOf(usage.inUse, true)) / CPU_STEP_MILLI) * CPU_STEP_MILLI;
    return milli <= 0 ? [] : [revocableCpus(milli)];
  };
}

/** Of processors that were given for good; undefined before two looks can be compared. */
function idleMilliOf(before: Usage | undefined, now: Usage): number | undefined {
  if (before === undefined || now.atMs <= before.atMs) return undefined;
  const earlier = new Map(before.containers.map((use) => [use.containerId, use.cpuSeconds]));
  const seconds = (now.atMs - before.atMs) / 1000;
  return sumOf(now.containers, ({ containerId, resources, cpuSeconds }) => {
    const given = cpuMilliOf(resources, false);
    const since = earlier.get(containerId);
    // One that cannot be measured yet may need all it was given.
    if (cpuSeconds === undefined || since === undefined) return 0;
    const used = (Math.max(0, cpuSeconds - since) / seconds) * 1000;
    return Math.max(0, given * (1 - CPU_RESERVE_SHARE) - used);
  });
}

function revocableCpus(milli: number): Resource {
  return { name: "cpus", type: "SCALAR", scalar: { value: milli / 1000 }, revocable: {} };
}

function sumOf(
  containers: readonly ContainerUse[],
  milliOf: (use: ContainerUse) => number,
): number {
  return containers.reduce((sum, use) => sum + milliOf(use), 0);
}
