/**
 * The cgroups of one agent: `<hierarchy>/<root>/<mark>/<container>` carries the limits, `leaf` below
 * it the processes, any other folder in it a container nested in this one, which ends with it and
 * shares its limits; and `-keepers` beside the containers all their keepers, which no limit of a task
 * may hit. What lies below the mark is ours alone, so that a recovery needs nobody to ask what may be
 * removed. Source: semantics 7.12.
 */

import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { brand, type ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import { ContainerizerError, type ContainerSignal } from "../containerizer.ts";
import { CGROUP_DEPTH_MAX, DESTROY_PAUSE_MS_MAX, DESTROY_PAUSE_MS_MIN } from "../limits.ts";
import { hasCode, isAbsence, isShortage } from "../system-errors.ts";
import { pause } from "../waiting.ts";

export interface CgroupTreeOptions {
  /** Where cgroups v2 are mounted, as `--cgroups_hierarchy` says. */
  readonly hierarchy: string;
  /** Path from there to the agent's subtree, as `--cgroups_root` says. */
  readonly root: string;
  /** Names the agent. */
  readonly mark: string;
  /** How long to try to empty and remove a cgroup. */
  readonly destroyTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Controllers that containers are limited and measured by. */
const CONTROLLERS = ["cpu", "memory", "pids", "io"] as const;

/** No container id begins like this, see `checkId`. */
const KEEPERS = "-keepers";
const LEAF = "leaf";

/** Names that the kernel takes for its own files. */
const KERNEL_NAME = /^(?:cgroup|cpu|cpuset|memory|io|pids|hugetlb|rdma|misc|dmem|irq|perf_event)\./;

/** A component that systemd makes and removes. */
const UNIT_NAME = /\.(?:service|scope|slice)$/;
/** Such a component that is there for tasks alone (systemd/). */
const TASKS_UNIT = /^allot\b.*\.(?:service|slice)$/;

export class CgroupTree {
  readonly #options: CgroupTreeOptions;
  /** The agent's own part of the tree; it exists once it is opened. */
  readonly folder: string;
  #isOpen = false;
  /** Folders of nested containers. */
  readonly #nested = new Map<ContainerId, string>();
  /** Bytes of memory that containers are protected in, those of nested ones being their parents'. */
  readonly #protected = new Map<ContainerId, number>();

  constructor(options: CgroupTreeOptions) {
    this.#options = options;
    this.folder = join(options.hierarchy, options.root, options.mark);
  }

  get keepers(): string {
    return join(this.folder, KEEPERS);
  }

  folderOf(containerId: ContainerId): string {
    return this.#nested.get(containerId) ?? join(this.folder, containerId);
  }

  leafOf(containerId: ContainerId): string {
    return join(this.folderOf(containerId), LEAF);
  }

  /**
   * Makes the agent's own part of the tree where it is missing and hands controllers down. Errors:
   * `ContainerizerError` when the root belongs to a unit that is not started, or nothing can be made.
   */
  open(): void {
    if (exists(this.keepers) && this.#isOpen) return;
    this.#isOpen = true;
    this.#findNested(this.folder);
    const { hierarchy, root, mark } = this.#options;
    const components = root.split("/").filter((part) => part !== "");
    const ownFrom = components.findLastIndex((part) => UNIT_NAME.test(part)) + 1;
    let folder = hierarchy;
    for (const [index, component] of [...components, mark].entries()) {
      // What systemd owns is systemd's to set up; it has delegated what lies below.
      if (index >= ownFrom) this.#handDown(folder);
      folder = join(folder, component);
      if (index < ownFrom && !exists(folder)) {
        throw new ContainerizerError(
          `The cgroup ${folder} is not there: start the unit ${component} that owns it, or choose another --cgroups_root`,
        );
      }
      this.#make(folder);
    }
    this.#handDown(folder);
    this.#make(this.keepers);
    for (const id of this.list().filter((one) => !this.#nested.has(one))) {
      const bytes = Number.parseInt(this.read(id, "memory.low") ?? "", 10);
      if (bytes > 0) this.#protected.set(id, bytes);
    }
  }

  /**
   * Protects so much memory of the container from what others want. Every cgroup above gets the sum
   * of what is protected in it: with less it would count for nothing, and with more the kernel would
   * hand the rest to whoever uses more than it asked for. Errors: `ContainerizerError`.
   */
  protect(containerId: ContainerId, bytes: number): void {
    this.write(containerId, "memory.low", String(bytes));
    if (this.#nested.has(containerId)) return;
    this.#protected.set(containerId, bytes);
    this.#sumUp();
  }

  /**
   * Makes the cgroups of a container, within those of `parent` if that has any; limits of its own
   * are for whoever says so. Errors: `ContainerizerError`.
   */
  create(containerId: ContainerId, parent?: { id: ContainerId; isSharing: boolean }): void {
    if (containerId === LEAF || KERNEL_NAME.test(containerId)) {
      throw new ContainerizerError(`Container id ${containerId} cannot be the name of a cgroup`);
    }
    this.open();
    if (parent !== undefined && this.has(parent.id)) {
      const folder = this.folderOf(parent.id);
      this.#nested.set(containerId, join(folder, containerId));
      if (!parent.isSharing) this.#handDown(folder);
    }
    this.#make(this.folderOf(containerId));
    this.#make(this.leafOf(containerId));
  }

  has(containerId: ContainerId): boolean {
    return exists(this.folderOf(containerId));
  }

  /** True when the container has this file to itself, rather than its parent for it. */
  canSet(containerId: ContainerId, file: string): boolean {
    return readText(join(this.folderOf(containerId), file)) !== undefined;
  }

  /** Containers that have a cgroup. */
  list(): ContainerId[] {
    const folders = foldersIn(this.folder).filter((name) => name !== KEEPERS);
    return [...folders.map((name) => brand<ContainerId>(name)), ...this.#nested.keys()];
  }

  /** Content of one of the container's files; undefined when there is none. */
  read(containerId: ContainerId, file: string): string | undefined {
    return readText(join(this.folderOf(containerId), file));
  }

  /** Errors: `ContainerizerError` naming file and value. */
  write(containerId: ContainerId, file: string, value: string): void {
    const path = join(this.folderOf(containerId), file);
    try {
      writeFileSync(path, value);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ContainerizerError(`Cannot set ${path} to ${value}: ${reason}`, { cause });
    }
  }

  /** Process ids in the container, those in cgroups that it made itself included. */
  pidsOf(containerId: ContainerId): number[] {
    return this.#within(this.folderOf(containerId)).flatMap((folder) =>
      (readText(join(folder, "cgroup.procs")) ?? "")
        .split("\n")
        .map(Number)
        .filter((pid) => pid > 0),
    );
  }

  threadsOf(containerId: ContainerId): number {
    return this.#within(this.folderOf(containerId)).reduce((total, folder) => {
      return total + (readText(join(folder, "cgroup.threads"))?.match(/\n/g)?.length ?? 0);
    }, 0);
  }

  isPopulated(containerId: ContainerId): boolean {
    return /^populated 1$/m.test(this.read(containerId, "cgroup.events") ?? "");
  }

  /** SIGKILL to everything in the container at once, what is just being forked included. */
  killNow(containerId: ContainerId): void {
    try {
      writeFileSync(join(this.folderOf(containerId), "cgroup.kill"), "1");
    } catch (error) {
      if (!exists(this.folderOf(containerId))) return;
      if (isShortage(error)) throw error;
      // Kernels before 5.14 do not have the file: then one by one, until nobody is left.
      this.#options.log.write("debug", "a cgroup cannot be killed in one stroke", { error });
      for (const pid of this.pidsOf(containerId)) signalPid(pid, "SIGKILL");
    }
  }

  /** Kills until nothing is left. Errors: `ContainerizerError` when something stays. */
  async kill(containerId: ContainerId): Promise<void> {
    await this.#retry(
      () => {
        if (!this.isPopulated(containerId)) return true;
        this.killNow(containerId);
        return !this.isPopulated(containerId);
      },
      () => {
        const pids = this.pidsOf(containerId).join(", ");
        return `Processes ${pids} of ${containerId} do not end on SIGKILL`;
      },
    );
  }

  /** Removes the cgroups of a container without processes. Errors: `ContainerizerError`. */
  async remove(containerId: ContainerId): Promise<void> {
    const folder = this.folderOf(containerId);
    await this.#retry(
      () => this.#removeNow(folder),
      () => `The cgroup ${folder} cannot be removed`,
    );
    for (const [nested, path] of this.#nested) {
      if (`${path}/`.startsWith(`${folder}/`)) this.#nested.delete(nested);
    }
    if (this.#protected.delete(containerId)) this.#sumUp();
  }

  /** Removes what holds nothing any more; another agent may live beside. */
  close(): void {
    if (this.list().length > 0) return;
    for (const folder of [this.keepers, this.folder]) {
      try {
        rmdirSync(folder);
      } catch (error) {
        // A keeper is still writing down an end, or the folder was never made.
        this.#options.log.write("debug", "a cgroup stays", { folder, error });
        return;
      }
    }
  }

  /** Several agents may share all but the last of these folders. */
  #sumUp(): void {
    const total = [...this.#protected.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.#tryWrite(this.folder, "memory.low", String(total));
    const components = this.#options.root.split("/").filter((part) => part !== "");
    for (let depth = components.length; depth > 0; depth--) {
      const name = components[depth - 1] ?? "";
      if (UNIT_NAME.test(name) && !TASKS_UNIT.test(name)) return;
      const folder = join(this.#options.hierarchy, ...components.slice(0, depth));
      const sum = foldersIn(folder)
        .map((inner) => Number.parseInt(readText(join(folder, inner, "memory.low")) ?? "", 10))
        .filter((bytes) => bytes > 0)
        .reduce((all, bytes) => all + bytes, 0);
      this.#tryWrite(folder, "memory.low", String(sum));
    }
  }

  #removeNow(folder: string): boolean {
    try {
      for (const inner of this.#within(folder).reverse()) rmdirSync(inner);
      return true;
    } catch (error) {
      if (isShortage(error)) throw error;
      // Processes that have ended may be on their way out of their cgroup.
      return !exists(folder);
    }
  }

  /** After a restart: what lies in a container's folder beside its leaf is nested in it. */
  #findNested(folder: string, depth: number = 0): void {
    if (depth > CGROUP_DEPTH_MAX) return;
    for (const name of foldersIn(folder)) {
      if (name === KEEPERS || name === LEAF) continue;
      const path = join(folder, name);
      if (depth > 0) this.#nested.set(brand<ContainerId>(name), path);
      this.#findNested(path, depth + 1);
    }
  }

  /** The folder and all below it, parents first. */
  #within(folder: string, depth: number = 0): string[] {
    if (depth > CGROUP_DEPTH_MAX || !exists(folder)) return [];
    const inner = foldersIn(folder).flatMap((name) => this.#within(join(folder, name), depth + 1));
    return [folder, ...inner];
  }

  /** Enables for the children what this cgroup has. */
  #handDown(folder: string): void {
    const had = wordsIn(folder, "cgroup.controllers");
    const enabled = wordsIn(folder, "cgroup.subtree_control");
    for (const controller of CONTROLLERS) {
      if (!had.has(controller) || enabled.has(controller)) continue;
      this.#tryWrite(folder, "cgroup.subtree_control", `+${controller}`);
    }
  }

  #tryWrite(folder: string, file: string, value: string): void {
    try {
      writeFileSync(join(folder, file), value);
    } catch (error) {
      this.#options.log.write("warning", "a cgroup could not be set up", {
        path: join(folder, file),
        value,
        error,
      });
    }
  }

  #make(folder: string): void {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ContainerizerError(`The cgroup ${folder} could not be made: ${reason}`, { cause });
    }
  }

  async #retry(isDone: () => boolean, failure: () => string): Promise<void> {
    const { clock, destroyTimeoutMs } = this.#options;
    const deadlineMs = clock.monotonicMs() + destroyTimeoutMs;
    let pauseMs = DESTROY_PAUSE_MS_MIN;
    while (!isDone()) {
      if (clock.monotonicMs() > deadlineMs) throw new ContainerizerError(failure());
      await pause(clock, pauseMs);
      pauseMs = Math.min(pauseMs * 2, DESTROY_PAUSE_MS_MAX);
    }
  }
}

/** A process that has ended meanwhile needs no signal. */
export function signalPid(pid: number, signal: ContainerSignal): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

function wordsIn(folder: string, file: string): ReadonlySet<string> {
  return new Set((readText(join(folder, file)) ?? "").trim().split(/\s+/));
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    // Removed meanwhile: nothing is in it.
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** The kernel's own files do not count. */
function exists(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // Neither is known when there is nothing to open it with.
    if (isShortage(error)) throw error;
    // The controller is not there, or the cgroup has gone.
    return undefined;
  }
}
