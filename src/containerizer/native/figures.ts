/**
 * From requests and limits to what is written into cgroups. Pure. Source: semantics 7.11, 7.12.
 */
import type { Resource } from "../../protocol/v1/types.ts";
import type { ResourceLimits } from "../containerizer.ts";
import { requested } from "../posix/posix-isolators.ts";

/** What a container asks for and may use at most; infinity for no bound. */
export interface Wish {
  readonly request: number;
  readonly limit: number | undefined;
}

/** No task is so small that its shell could not run. */
const MEMORY_BYTES_MIN = 32 * 1024 * 1024;
/** Length of one period of `cpu.max`. */
const CPU_PERIOD_US = 100_000;
/** The kernel takes no shorter quota. */
const CPU_QUOTA_US_MIN = 1000;
/** Range of `cpu.weight`. */
const CPU_WEIGHT_MAX = 10_000;

/** The wish for one scalar resource; undefined when it is neither requested nor limited. */
export function wishFor(
  name: "cpus" | "mem",
  resources: readonly Resource[],
  limits: ResourceLimits,
): Wish | undefined {
  const request = requested(resources, name);
  const limit = limits[name]?.value;
  if (request === undefined && limit === undefined) return undefined;
  return { request: request ?? 0, limit };
}

/**
 * What a container without a wish gets: as little as there is when it asked for something else, as
 * every task did, and no bound when it asked for nothing, as an operator's may.
 */
export function leastWish(resources: readonly Resource[]): Wish | undefined {
  return resources.length === 0 ? undefined : { request: 0, limit: undefined };
}

/**
 * Value of `cpu.weight`; revocable cpus weigh a hundredth where they are to give way. Differs from
 * Mesos: it stops at the kernel's greatest weight instead of failing on hosts of over 100 cpus.
 */
export function cpuWeight(resources: readonly Resource[], isRevocableLow: boolean): number {
  const weightOf = (resource: Resource): number =>
    (isRevocableLow && resource.revocable !== undefined ? 1 : 100) * (resource.scalar?.value ?? 0);
  const cpus = resources.filter(({ name }) => name === "cpus");
  const weight = cpus.reduce((total, resource) => total + weightOf(resource), 0);
  return Math.min(Math.max(Math.floor(weight), 1), CPU_WEIGHT_MAX);
}

/** Value of `cpu.max`. `isRequestHard`: what is requested is the limit where there is no other. */
export function cpuMax(wish: Wish, isRequestHard: boolean): string {
  const cpus = wish.limit ?? (isRequestHard ? wish.request : Number.POSITIVE_INFINITY);
  if (!Number.isFinite(cpus)) return `max ${CPU_PERIOD_US}`;
  return `${Math.max(Math.round(cpus * CPU_PERIOD_US), CPU_QUOTA_US_MIN)} ${CPU_PERIOD_US}`;
}

/** Bytes that are protected from others, of a wish in megabytes. */
export function memoryLowBytes(wish: Wish): number {
  return bytesOf(wish.request);
}

/** Bytes that may be used; infinity for no bound. */
export function memoryMaxBytes(wish: Wish): number {
  return bytesOf(wish.limit ?? wish.request);
}

function bytesOf(megabytes: number): number {
  return Math.max(Math.round(megabytes * 1024 * 1024), MEMORY_BYTES_MIN);
}
