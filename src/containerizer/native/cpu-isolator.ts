/**
 * The isolator `cgroups/cpu`: a weight for what is requested, a quota for what is the limit, and the
 * time used. Source: semantics 7.12, 7.13.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { Resource, ResourceStatistics } from "../../protocol/v1/types.ts";
import type { ContainerSpec, Preparation, ResourceLimits } from "../containerizer.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { cpuMax, cpuWeight, leastWish, type Wish, wishFor } from "./figures.ts";
import { flatFile } from "./flat-file.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export interface CpuIsolatorOptions {
  readonly cgroups: CgroupTree;
  /** `--cgroups_enable_cfs` */
  readonly isRequestHard: boolean;
  /** `--revocable_cpu_low_priority` */
  readonly isRevocableLow: boolean;
  /** Cpus of the host: what is told as the limit of a container that may use them all. */
  readonly hostCpus: number;
}

export class CpuIsolator extends IsolatorBase {
  readonly name = "cgroups/cpu";
  readonly #options: CpuIsolatorOptions;
  readonly #wishes = new Map<ContainerId, Wish>();

  constructor(options: CpuIsolatorOptions) {
    super();
    this.#options = options;
  }

  async prepare(spec: ContainerSpec): Promise<Preparation> {
    await this.update(spec.containerId, spec.resources, spec.limits ?? {});
    return NO_PREPARATION;
  }

  override update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits: ResourceLimits,
  ): Promise<void> {
    const { cgroups, isRequestHard, isRevocableLow } = this.#options;
    const wish = wishFor("cpus", resources, limits) ?? leastWish(resources);
    if (wish === undefined) return Promise.resolve();
    this.#wishes.set(containerId, wish);
    if (cgroups.canSet(containerId, "cpu.weight")) {
      cgroups.write(containerId, "cpu.weight", String(cpuWeight(resources, isRevocableLow)));
      cgroups.write(containerId, "cpu.max", cpuMax(wish, isRequestHard));
    }
    return Promise.resolve();
  }

  override usage(containerId: ContainerId): Promise<Partial<ResourceStatistics>> {
    const { cgroups } = this.#options;
    if (!cgroups.has(containerId)) return Promise.resolve({});
    const stat = flatFile(cgroups.read(containerId, "cpu.stat"));
    return Promise.resolve({
      processes: cgroups.pidsOf(containerId).length,
      threads: cgroups.threadsOf(containerId),
      ...seconds("cpus_user_time_secs", stat.get("user_usec")),
      ...seconds("cpus_system_time_secs", stat.get("system_usec")),
      ...present("cpus_nr_periods", stat.get("nr_periods")),
      ...present("cpus_nr_throttled", stat.get("nr_throttled")),
      ...seconds("cpus_throttled_time_secs", stat.get("throttled_usec")),
      ...this.#limits(containerId),
    });
  }

  override cleanup(containerId: ContainerId): Promise<void> {
    this.#wishes.delete(containerId);
    return Promise.resolve();
  }

  #limits(containerId: ContainerId): Partial<ResourceStatistics> {
    const wish = this.#wishes.get(containerId);
    if (wish === undefined) return {};
    const { isRequestHard, hostCpus } = this.#options;
    const limit = wish.limit ?? (isRequestHard ? wish.request : undefined);
    return {
      cpus_soft_limit: wish.request,
      ...present("cpus_limit", limit === Number.POSITIVE_INFINITY ? hostCpus : limit),
    };
  }
}

type Figure = keyof ResourceStatistics;

function present(name: Figure, value: number | undefined): Partial<ResourceStatistics> {
  return value === undefined ? {} : { [name]: value };
}

function seconds(name: Figure, microseconds: number | undefined): Partial<ResourceStatistics> {
  return microseconds === undefined ? {} : { [name]: microseconds / 1e6 };
}
