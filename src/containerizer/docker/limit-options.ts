/** Requests and limits as the Engine takes them. Source: semantics 7.11, 7.15. */
import type { Resource } from "../../protocol/v1/types.ts";
import type { ContainerSpec } from "../containerizer.ts";
import { MEMORY_BYTES_MIN } from "./limits.ts";

export interface LimitRules {
  /** `--cgroups_enable_cfs`: the request is a quota, too. */
  readonly isCfsEnabled: boolean;
  /** Memory of this host. */
  readonly hostMemoryBytes: number;
}

export interface LimitSettings {
  readonly CpuShares?: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly Memory?: number;
  readonly MemoryReservation?: number;
  readonly OomScoreAdj?: number;
}

const CFS_PERIOD_US = 100_000;
const CFS_QUOTA_US_MIN = 1_000;

/** Parts of HostConfig for the resources of a container. */
export function limitSettings(
  { resources, limits }: Pick<ContainerSpec, "resources" | "limits">,
  rules: LimitRules,
): LimitSettings {
  const cpus = scalarOf(resources, "cpus");
  const mem = scalarOf(resources, "mem");
  const quotaCpus = limits?.["cpus"]?.value ?? (rules.isCfsEnabled ? cpus : undefined);
  return {
    ...(cpus === undefined ? {} : { CpuShares: Math.max(Math.floor(1024 * cpus), 2) }),
    ...(quotaCpus === undefined || !Number.isFinite(quotaCpus) ? {} : quotaOf(quotaCpus)),
    ...(mem === undefined ? {} : memoryOf(mem, limits?.["mem"]?.value, rules)),
  };
}

function quotaOf(cpus: number): LimitSettings {
  const quota = Math.max(Math.floor(CFS_PERIOD_US * cpus), CFS_QUOTA_US_MIN);
  return { CpuPeriod: CFS_PERIOD_US, CpuQuota: quota };
}

function memoryOf(mem: number, limit: number | undefined, rules: LimitRules): LimitSettings {
  const request = memoryBytes(mem);
  if (limit === undefined) return { Memory: request };
  // Whoever uses more than it asked for goes first when the host runs out.
  const share = Math.min(1, request / rules.hostMemoryBytes);
  return {
    MemoryReservation: request,
    ...(Number.isFinite(limit) ? { Memory: memoryBytes(limit) } : {}),
    ...(limit > mem ? { OomScoreAdj: Math.floor(1000 - 1000 * share) } : {}),
  };
}

/** Megabytes in bytes, never less than a container needs to live. */
function memoryBytes(megabytes: number): number {
  return Math.max(Math.floor(megabytes * 1024 * 1024), MEMORY_BYTES_MIN);
}

/** Sum of a scalar resource, or undefined when there is none of it. */
function scalarOf(resources: readonly Resource[], name: string): number | undefined {
  const values = resources.filter((resource) => resource.name === name);
  if (values.length === 0) return undefined;
  return (
    values.reduce((sum, { scalar }) => sum + Math.round((scalar?.value ?? 0) * 1000), 0) / 1000
  );
}
