/**
 * The isolators `posix/cpu` and `posix/mem`: they measure the whole tree of a container and limit
 * nothing. Source: semantics 7.10, 7.13.
 */
import { readFileSync } from "node:fs";
import type { ContainerId } from "../../base/ids.ts";
import type { Resource, ResourceStatistics } from "../../protocol/v1/types.ts";
import type { ContainerSpec, Isolator, KnownContainer } from "../containerizer.ts";
import { type ProcessStat, TICKS_PER_SECOND } from "./process-stat.ts";

/** Where an isolator gets the processes of a container from, and the time. */
export interface Measuring {
  /** Live processes of the container. Errors: `ContainerizerError` when it is unknown. */
  processesOf(containerId: ContainerId): Promise<readonly ProcessStat[]>;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/** Names that `--isolation` may list for this containerizer. */
export type PosixIsolation = "posix/cpu" | "posix/mem";

/** The isolator of this name. */
export function posixIsolator(name: PosixIsolation, measuring: Measuring): Isolator {
  return new MeasuringIsolator(name, measuring, name === "posix/cpu" ? cpuUsage : memoryUsage);
}

type Usage = Omit<ResourceStatistics, "timestamp">;

/** Takes figures of processes and compares them with what the container asked for. */
class MeasuringIsolator implements Isolator {
  readonly name: string;
  readonly #measuring: Measuring;
  readonly #measure: (processes: readonly ProcessStat[], resources: readonly Resource[]) => Usage;
  readonly #resources = new Map<ContainerId, readonly Resource[]>();

  constructor(
    name: string,
    measuring: Measuring,
    measure: (processes: readonly ProcessStat[], resources: readonly Resource[]) => Usage,
  ) {
    this.name = name;
    this.#measuring = measuring;
    this.#measure = measure;
  }

  prepare(
    spec: ContainerSpec,
  ): Promise<{ readonly environment: Readonly<Record<string, string>> }> {
    this.#resources.set(spec.containerId, spec.resources);
    return Promise.resolve({ environment: {} });
  }

  isolate(): Promise<void> {
    return Promise.resolve();
  }

  async usage(containerId: ContainerId): Promise<ResourceStatistics> {
    const processes = await this.#measuring.processesOf(containerId);
    const usage = this.#measure(processes, this.#resources.get(containerId) ?? []);
    return { timestamp: this.#measuring.wallMs() / 1000, ...usage };
  }

  update(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    this.#resources.set(containerId, resources);
    return Promise.resolve();
  }

  /** What adopted containers asked for arrives with their next `update`. */
  recover(_containers: readonly KnownContainer[]): Promise<void> {
    return Promise.resolve();
  }

  cleanup(containerId: ContainerId): Promise<void> {
    this.#resources.delete(containerId);
    return Promise.resolve();
  }

  watch(): () => void {
    return () => undefined;
  }
}

function cpuUsage(processes: readonly ProcessStat[], resources: readonly Resource[]): Usage {
  const cpus = requested(resources, "cpus");
  return {
    processes: processes.length,
    threads: sum(processes, (stat) => stat.threads),
    cpus_user_time_secs: sum(processes, (stat) => stat.userTicks) / TICKS_PER_SECOND,
    cpus_system_time_secs: sum(processes, (stat) => stat.systemTicks) / TICKS_PER_SECOND,
    ...(cpus === undefined ? {} : { cpus_limit: cpus, cpus_soft_limit: cpus }),
  };
}

function memoryUsage(processes: readonly ProcessStat[], resources: readonly Resource[]): Usage {
  const megabytes = requested(resources, "mem");
  const rssBytes = sum(processes, (stat) => residentBytes(stat.pid));
  const limitBytes = megabytes === undefined ? undefined : Math.round(megabytes * 1024 * 1024);
  return {
    mem_rss_bytes: rssBytes,
    ...(limitBytes === undefined
      ? {}
      : { mem_limit_bytes: limitBytes, mem_soft_limit_bytes: limitBytes }),
  };
}

/** From `status`, which unlike `stat` counts in kilobytes and not in pages of unknown size. */
function residentBytes(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    // It ended since the scan and uses nothing.
    return 0;
  }
}

/** Sum of a scalar resource; undefined when there is none. */
export function requested(resources: readonly Resource[], name: string): number | undefined {
  const found = resources.filter((resource) => resource.name === name);
  return found.length === 0 ? undefined : sum(found, (resource) => resource.scalar?.value ?? 0);
}

function sum<T>(items: readonly T[], measure: (item: T) => number): number {
  return items.reduce((total, item) => total + measure(item), 0);
}
