/**
 * The isolator `cgroups/pids`: a bound on processes and threads, so that a container that forks
 * without end harms itself alone. Mesos leaves this unbounded. Source: semantics 7.12.
 */
import type { ContainerSpec, Preparation } from "../containerizer.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export class PidsIsolator extends IsolatorBase {
  readonly name = "cgroups/pids";
  readonly #cgroups: CgroupTree;
  readonly #max: number;

  /** `max`: processes and threads of one container; 0 for no bound. */
  constructor(cgroups: CgroupTree, max: number) {
    super();
    this.#cgroups = cgroups;
    this.#max = max;
  }

  prepare({ containerId }: ContainerSpec): Promise<Preparation> {
    if (this.#cgroups.canSet(containerId, "pids.max")) {
      const value = this.#max === 0 ? "max" : String(this.#max);
      this.#cgroups.write(containerId, "pids.max", value);
    }
    return Promise.resolve(NO_PREPARATION);
  }
}
