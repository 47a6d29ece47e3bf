/**
 * The linux launcher: a container's processes live in a cgroup and in namespaces of their own, so
 * that none can hide and all end in one stroke. Containers without a cgroup, which an agent without
 * this launcher has started, are left to the posix launcher. Source: semantics 7.10, 7.12.
 */
import type { ContainerId } from "../../base/ids.ts";
import { ContainerizerError, type ContainerSignal, type ContainerSpec } from "../containerizer.ts";
import { HELPER_PATH } from "../keeper/host-tools.ts";
import type { Launcher, LauncherContext, Placement } from "../launcher.ts";
import { PosixLauncher } from "../posix/posix-launcher.ts";
import { isDead, type ProcessStat, readProcessStat } from "../posix/process-stat.ts";
import { type CgroupTree, signalPid } from "./cgroup-tree.ts";
import type { Namespaces } from "./namespaces.ts";
import { findPrograms, type Programs } from "./programs.ts";

export interface LinuxLauncherOptions {
  readonly context: LauncherContext;
  readonly cgroups: CgroupTree;
  /** Errors: `ContainerizerError` for a wish that cannot be granted. */
  readonly namespacesOf: (spec: ContainerSpec) => Namespaces;
  /** File of the network namespace to be in; undefined for the agent's. */
  readonly networkOf: (spec: ContainerSpec) => string | undefined;
}

export class LinuxLauncher implements Launcher {
  readonly name = "linux";
  readonly #options: LinuxLauncherOptions;
  readonly #posix: PosixLauncher;
  readonly #programs: Programs;

  constructor(options: LinuxLauncherOptions) {
    this.#options = options;
    this.#posix = new PosixLauncher(options.context);
    this.#programs = findPrograms();
  }

  open(): Promise<void> {
    this.#options.cgroups.open();
    return Promise.resolve();
  }

  prepare(spec: ContainerSpec): Promise<Placement> {
    const { cgroups } = this.#options;
    const network = this.#options.networkOf(spec);
    const namespaces: Namespaces = {
      ...this.#options.namespacesOf(spec),
      // Files that tell of the network are mounted.
      ...(network === undefined ? {} : { mount: "own" }),
    };
    const { containerId, parentId } = spec;
    const isSharing = spec.container?.linux_info?.share_cgroups !== false;
    const parent = parentId === undefined ? undefined : { id: parentId, isSharing };
    cgroups.create(containerId, parent);
    const parentPid = this.#pidOf(parentId);
    return Promise.resolve({
      keeperWords: this.#keeperWords(namespaces, parentPid),
      keeperCgroup: cgroups.keepers,
      cgroup: cgroups.leafOf(containerId),
      namespaceWords: this.#namespaceWords(namespaces, parentPid, network),
    });
  }

  async processesOf(containerId: ContainerId): Promise<readonly ProcessStat[]> {
    const { cgroups } = this.#options;
    if (!cgroups.has(containerId)) return await this.#posix.processesOf(containerId);
    return cgroups
      .pidsOf(containerId)
      .map(readProcessStat)
      .filter((stat) => stat !== undefined)
      .filter((stat) => !isDead(stat));
  }

  async signal(containerId: ContainerId, signal: ContainerSignal): Promise<void> {
    const { cgroups } = this.#options;
    if (!cgroups.has(containerId)) return await this.#posix.signal(containerId, signal);
    if (signal === "SIGKILL") cgroups.killNow(containerId);
    else for (const pid of cgroups.pidsOf(containerId)) signalPid(pid, signal);
  }

  async kill(containerId: ContainerId): Promise<void> {
    const { cgroups } = this.#options;
    if (!cgroups.has(containerId)) return await this.#posix.kill(containerId);
    await cgroups.kill(containerId);
  }

  insideWords(containerId: ContainerId, pid: number, directory: string): readonly string[] {
    const { cgroups } = this.#options;
    if (!cgroups.has(containerId)) return [];
    const enter = 'echo 0 >"$0/cgroup.procs" && exec "$@"';
    return [
      ...["/bin/sh", "-c", enter, cgroups.leafOf(containerId)],
      ...[this.#nsenter(), `--target=${pid}`, "--mount", "--ipc", "--pid", "--cgroup"],
      ...["--net", "--uts", `--wdns=${directory}`, "--"],
    ];
  }

  async list(): Promise<readonly ContainerId[]> {
    const { cgroups } = this.#options;
    return [...new Set([...cgroups.list(), ...(await this.#posix.list())])];
  }

  async remove(containerId: ContainerId): Promise<void> {
    await this.#options.cgroups.remove(containerId);
  }

  close(): Promise<void> {
    this.#options.cgroups.close();
    return Promise.resolve();
  }

  /** Of a parent that runs; its namespaces are there as long as this process is. */
  #pidOf(parentId: ContainerId | undefined): number | undefined {
    if (parentId === undefined || !this.#options.cgroups.has(parentId)) return undefined;
    return this.#options.context.taskOf(parentId)?.pid;
  }

  /** The keeper stays in the agent's process namespace; the next process is in the other one. */
  #keeperWords({ pid }: Namespaces, parentPid: number | undefined): string[] {
    if (pid === "own") return [this.#unshare(), "--pid", "--"];
    if (parentPid === undefined) return [];
    return [this.#nsenter(), `--target=${parentPid}`, "--pid", "--no-fork", "--"];
  }

  /** Mounts made in a container stay there; those made on the host later are seen in it. */
  #namespaceWords(
    { mount, pid, ipc }: Namespaces,
    parentPid: number | undefined,
    network: string | undefined,
  ): string[] {
    if (mount === "shared") return [];
    const entered = [
      ...(network === undefined ? [] : [`--net=${network}`]),
      ...(ipc === "shared" && parentPid !== undefined ? [`--target=${parentPid}`, "--ipc"] : []),
    ];
    return [
      ...(entered.length === 0 ? [] : [this.#nsenter(), ...entered, "--"]),
      ...[this.#unshare(), "--mount", "--propagation=slave", "--cgroup"],
      ...(network === undefined ? [] : ["--uts"]),
      ...(ipc === "own" ? ["--ipc"] : []),
      ...(pid === "own" || parentPid !== undefined ? ["--mount-proc"] : []),
      "--",
    ];
  }

  #nsenter(): string {
    const { nsenter } = this.#programs;
    if (nsenter === undefined) throw missing("nsenter");
    return nsenter;
  }

  #unshare(): string {
    const { unshare } = this.#programs;
    if (unshare === undefined) throw missing("unshare");
    return unshare;
  }
}

function missing(program: string): ContainerizerError {
  return new ContainerizerError(
    `The program ${program} is missing in ${HELPER_PATH}: install util-linux`,
  );
}
