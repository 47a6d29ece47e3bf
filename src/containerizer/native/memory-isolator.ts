/**
 * The isolator `cgroups/mem`: what is requested is protected, what is the limit cannot be passed,
 * and a container that passes it is ended as one, alone, and told why. Source: semantics 7.12, 7.13.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { Resource, ResourceStatistics } from "../../protocol/v1/types.ts";
import type { ContainerSpec, Limitation, Preparation, ResourceLimits } from "../containerizer.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { leastWish, memoryLowBytes, memoryMaxBytes, wishFor } from "./figures.ts";
import { flatFile, numberFile } from "./flat-file.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

/** Kinds of memory that a limitation's message lists. */
const TOLD_KINDS = ["anon", "file", "kernel", "shmem", "sock"];

export interface MemoryIsolatorOptions {
  readonly cgroups: CgroupTree;
  /** `--cgroups_limit_swap`: a task gets no swap on top of its memory. */
  readonly isSwapLimited: boolean;
}

export class MemoryIsolator extends IsolatorBase {
  readonly name = "cgroups/mem";
  readonly #options: MemoryIsolatorOptions;

  constructor(options: MemoryIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    const { cgroups, isSwapLimited } = this.#options;
    const { containerId } = spec;
    if (!cgroups.canSet(containerId, "memory.max")) return NO_PREPARATION;
    // The kernel then ends everything in the container, rather than some process of it, so that no
    // task limps on with half of what it consisted of.
    cgroups.write(containerId, "memory.oom.group", "1");
    if (isSwapLimited) cgroups.write(containerId, "memory.swap.max", "0");
    await this.update(containerId, spec.resources, spec.limits ?? {});
    return NO_PREPARATION;
  }

  /** A limit is raised at once and never lowered, as what is in use cannot be taken back. */
  override update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits: ResourceLimits,
  ): Promise<void> {
    const { cgroups } = this.#options;
    const wish = wishFor("mem", resources, limits) ?? leastWish(resources);
    if (wish === undefined || !cgroups.canSet(containerId, "memory.max")) return Promise.resolve();
    const maxBytes = memoryMaxBytes(wish);
    const before = numberFile(cgroups.read(containerId, "memory.max"));
    const isFresh = !cgroups.isPopulated(containerId);
    if (isFresh || (before !== undefined && maxBytes > before)) {
      cgroups.write(containerId, "memory.max", Number.isFinite(maxBytes) ? `${maxBytes}` : "max");
    }
    cgroups.protect(containerId, memoryLowBytes(wish));
    return Promise.resolve();
  }

  override usage(containerId: ContainerId): Promise<Partial<ResourceStatistics>> {
    const read = (file: string): string | undefined =>
      this.#options.cgroups.read(containerId, file);
    const stat = flatFile(read("memory.stat"));
    const events = flatFile(read("memory.events"));
    return Promise.resolve(
      defined({
        mem_total_bytes: numberFile(read("memory.current")),
        mem_swap_bytes: numberFile(read("memory.swap.current")),
        mem_limit_bytes: numberFile(read("memory.max")),
        mem_soft_limit_bytes: numberFile(read("memory.low")),
        mem_kmem_usage_bytes: stat.get("kernel"),
        mem_kmem_tcp_usage_bytes: stat.get("sock"),
        mem_file_bytes: stat.get("file"),
        mem_cache_bytes: stat.get("file"),
        mem_anon_bytes: stat.get("anon"),
        mem_rss_bytes: stat.get("anon"),
        mem_mapped_file_bytes: stat.get("file_mapped"),
        mem_unevictable_bytes: stat.get("unevictable"),
        // What cgroups v2 count comes nearest to the three levels of v1.
        mem_low_pressure_counter: events.get("low"),
        mem_medium_pressure_counter: events.get("high"),
        mem_critical_pressure_counter: events.get("max"),
      }),
    );
  }

  limitationOf(containerId: ContainerId): Limitation | undefined {
    const { cgroups } = this.#options;
    const read = (file: string): string | undefined => cgroups.read(containerId, file);
    const events = flatFile(read("memory.events"));
    const limitBytes = numberFile(read("memory.max"));
    // Without its own limit being hit it was the host that ran out of memory.
    if ((events.get("oom_kill") ?? 0) === 0 || (events.get("oom") ?? 0) === 0) return undefined;
    if (limitBytes === undefined) return undefined;
    const stat = flatFile(read("memory.stat"));
    const lines = TOLD_KINDS.map((kind) => `${kind} ${stat.get(kind) ?? 0}`);
    const requested = megabytes(numberFile(read("memory.low")) ?? limitBytes);
    const used = megabytes(numberFile(read("memory.peak")) ?? limitBytes);
    return {
      reason: "REASON_CONTAINER_LIMITATION_MEMORY",
      message:
        `Memory limit exceeded: Requested: ${requested}MB Limit: ${megabytes(limitBytes)}MB ` +
        `Maximum Used: ${used}MB\n\nMEMORY STATISTICS:\n${lines.join("\n")}\n`,
      resources: [{ name: "mem", type: "SCALAR", scalar: { value: megabytes(limitBytes) } }],
    };
  }
}

function megabytes(bytes: number): number {
  return Math.round((bytes / (1024 * 1024)) * 1000) / 1000;
}

function defined(figures: Partial<ResourceStatistics>): Partial<ResourceStatistics> {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}
