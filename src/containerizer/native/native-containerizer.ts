/**
 * The native containerizer (`mesos` in `--containerizers`): containers with a sandbox and a keeper
 * like any, in cgroups v2 and namespaces of their own, with the isolators that `--isolation` names.
 * Source: DESIGN §7; semantics 7.10, 7.12.
 */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Clock, Log, OpenTerminal } from "../../base/ports.ts";
import type { Containerizer, ContainerSpec, Isolator } from "../containerizer.ts";
import { agentMark, PosixContainerizer } from "../posix/posix-containerizer.ts";
import { CgroupTree } from "./cgroup-tree.ts";
import { CpuIsolator } from "./cpu-isolator.ts";
import { IoIsolator } from "./io-isolator.ts";
import type { Isolation } from "./isolation.ts";
import { LinuxLauncher } from "./linux-launcher.ts";
import { MemoryIsolator } from "./memory-isolator.ts";
import { type NamespaceSettings, namespacesOf } from "./namespaces.ts";
import { PidsIsolator } from "./pids-isolator.ts";
import { findPrograms } from "./programs.ts";

export interface NativeContainerizerOptions {
  readonly workDir: string;
  readonly runtimeDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly isolation: ReadonlySet<Isolation>;
  readonly cgroups: CgroupSettings;
  readonly namespaces: NamespaceSettings;
  /** Further isolators, run after those of `isolation`. */
  readonly isolators?: readonly Isolator[] | undefined;
  readonly openTerminal?: OpenTerminal | undefined;
  readonly shell?: string | undefined;
}

/** The agent's `--cgroups_*` and their like. */
export interface CgroupSettings {
  readonly hierarchy: string;
  readonly root: string;
  readonly destroyTimeoutMs: number;
  /** `--cgroups_enable_cfs` */
  readonly isCpuRequestHard: boolean;
  /** `--revocable_cpu_low_priority` */
  readonly isRevocableCpuLow: boolean;
  /** `--cgroups_limit_swap` */
  readonly isSwapLimited: boolean;
  /** `--cgroups_pids_max`; 0 for no bound. */
  readonly pidsMax: number;
}

/** Containers of one agent. Needs what `nativeObstacle` looks for. */
export function nativeContainerizer(options: NativeContainerizerOptions): Containerizer {
  const { workDir, runtimeDir, clock, log, isolation } = options;
  const cgroups = new CgroupTree({
    ...options.cgroups,
    mark: agentMark(workDir),
    clock,
    log,
  });
  return new PosixContainerizer({
    workDir,
    runtimeDir,
    clock,
    log,
    openTerminal: options.openTerminal,
    shell: options.shell,
    // Without the controller there are only the processes themselves to measure.
    isolation: hasController(options.cgroups.hierarchy, "memory") ? [] : ["posix/mem"],
    isolators: [...isolatorsOf(options, cgroups), ...(options.isolators ?? [])],
    refusalOf: (spec) => refusalOf(spec, isolation),
    launcher: (context) =>
      new LinuxLauncher({
        context,
        cgroups,
        namespacesOf: (spec) => namespacesOf(spec, isolation, options.namespaces),
      }),
  });
}

function isolatorsOf(
  { isolation, cgroups: settings }: NativeContainerizerOptions,
  cgroups: CgroupTree,
): Isolator[] {
  const isolators: Isolator[] = [];
  if (isolation.has("cgroups/cpu") || isolation.has("posix/cpu")) {
    isolators.push(
      new CpuIsolator({
        cgroups,
        isRequestHard: settings.isCpuRequestHard,
        isRevocableLow: settings.isRevocableCpuLow,
        hostCpus: availableParallelism(),
      }),
    );
  }
  if (isolation.has("cgroups/mem") || isolation.has("posix/mem")) {
    isolators.push(new MemoryIsolator({ cgroups, isSwapLimited: settings.isSwapLimited }));
  }
  if (isolation.has("cgroups/pids")) isolators.push(new PidsIsolator(cgroups, settings.pidsMax));
  if (isolation.has("cgroups/blkio")) isolators.push(new IoIsolator(cgroups));
  return isolators;
}

/** What a container asks for that nothing here gives; saying so beats running it wrongly. */
function refusalOf(
  { container }: ContainerSpec,
  _isolation: ReadonlySet<Isolation>,
): string | undefined {
  if (container?.type === "DOCKER") return "this agent runs no DOCKER containers";
  if (container?.mesos?.image !== undefined) return "this agent provides no container images";
  if ((container?.volumes ?? []).length > 0) return "this agent mounts no volumes";
  return undefined;
}

function hasController(hierarchy: string, name: string): boolean {
  return readFileSync(join(hierarchy, "cgroup.controllers"), "utf8").split(/\s/).includes(name);
}

/** Magic number of the cgroup v2 file system. */
const CGROUP2_MAGIC = 0x6367_7270;

/** Why this host or this agent cannot have a native containerizer; undefined when it can. */
export function nativeObstacle(hierarchy: string): string | undefined {
  if (process.getuid?.() !== 0) return "the agent is not root";
  const { unshare, mount, setpriv } = findPrograms();
  if (unshare === undefined || mount === undefined || setpriv === undefined) {
    return "unshare, mount or setpriv is missing: install util-linux";
  }
  try {
    accessSync(hierarchy, constants.W_OK);
    if (statfsSync(hierarchy).type !== CGROUP2_MAGIC) {
      return `${hierarchy} is no cgroup v2 hierarchy: boot with systemd.unified_cgroup_hierarchy=1`;
    }
    readFileSync(join(hierarchy, "cgroup.controllers"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${hierarchy} cannot be used: ${reason}`;
  }
  return undefined;
}
