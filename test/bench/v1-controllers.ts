/**
 * The controllers of a hybrid host, which keeps them for cgroups v1: a cgroup of each of them is
 * laid around every container of an agent from outside, with limits like those that the agent would
 * set itself where it had the controllers. So a measurement has their cost, at this host's speed,
 * with everything that forks and allocates counted by them; and the work of laying them comes on
 * top, as it is done by a process more.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupsIn } from "../e2e/native-scene.ts";

/** How often to look for containers that came or went. */
const PERIOD_MS = 50;
/**
 * How old a container is before its processes are looked for, so that this is done once for most;
 * until then they count for the agent. Those that come later are for `settled` to find.
 */
const GROWN_MS = 300;
const MIB = 2 ** 20;

/** What a small container is held to, by controller: file and value. */
const LIMITS: Readonly<Record<string, readonly (readonly [file: string, value: number])[]>> = {
  cpu: [["cpu.shares", 2]],
  memory: [
    ["memory.limit_in_bytes", 32 * MIB],
    ["memory.soft_limit_in_bytes", 32 * MIB],
  ],
  pids: [["pids.max", 1000]],
};
const CONTROLLERS = Object.keys(LIMITS);

const rootOf = (controller: string): string => join("/sys/fs/cgroup", controller);

/** Why there are none to be laid here. */
export const V1_OBSTACLE: string | undefined = CONTROLLERS.every((name) =>
  existsSync(join(rootOf(name), "cgroup.clone_children")),
)
  ? undefined
  : "the host keeps no controllers for cpu, memory and pids in cgroups v1";

interface Container {
  /** When it was first seen. */
  readonly sinceMs: number;
  /** Its processes that are in all of the cgroups. */
  readonly moved: Set<number>;
}

export class V1Controllers {
  readonly #cgroupRoot: string;
  readonly #folders: readonly string[];
  /** By the container's own cgroup. */
  readonly #containers = new Map<string, Container>();
  readonly #looking: Promise<void>;
  #isClosing = false;

  /** Begins to look below that root of the agent's cgroups. */
  constructor(cgroupRoot: string) {
    this.#cgroupRoot = cgroupRoot;
    this.#folders = CONTROLLERS.map((name) => join(rootOf(name), cgroupRoot));
    for (const folder of this.#folders) mkdirSync(folder);
    this.#looking = this.#look();
  }

  /** Counts the process and all that it starts from now on. */
  hold(pid: number): void {
    for (const folder of this.#folders) move(pid, folder);
  }

  /** How many containers have all their processes in cgroups of all controllers. */
  settled(): number {
    return [...this.#containers].filter(([cgroup, container]) => {
      const pids = this.#move(cgroup, container);
      return pids.length > 0 && this.#foldersOf(cgroup).every((folder) => hasAll(folder, pids));
    }).length;
  }

  /** True when no container has any left. */
  get isEmpty(): boolean {
    return this.#containers.size === 0;
  }

  /** Leaves nothing behind; what still runs is as it was before. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#looking;
    for (const [index, folder] of this.#folders.entries()) {
      const containers = [...this.#containers.keys()].map((cgroup) =>
        join(folder, basename(cgroup)),
      );
      for (const one of [...containers, folder]) {
        for (const pid of processesIn(one)) move(pid, rootOf(CONTROLLERS[index] ?? ""));
        removed(one);
      }
    }
  }

  async #look(): Promise<void> {
    while (!this.#isClosing) {
      const nowMs = performance.now();
      const cgroups = new Set(cgroupsIn(this.#cgroupRoot));
      for (const cgroup of cgroups) {
        const container = this.#containers.get(cgroup) ?? this.#create(cgroup, nowMs);
        if (container.moved.size === 0 && container.sinceMs + GROWN_MS < nowMs) {
          this.#move(cgroup, container);
        }
      }
      for (const cgroup of this.#containers.keys()) if (!cgroups.has(cgroup)) this.#remove(cgroup);
      await sleep(PERIOD_MS);
    }
  }

  #create(cgroup: string, sinceMs: number): Container {
    const container = { sinceMs, moved: new Set<number>() };
    this.#containers.set(cgroup, container);
    for (const [index, folder] of this.#foldersOf(cgroup).entries()) {
      mkdirSync(folder);
      for (const [file, value] of LIMITS[CONTROLLERS[index] ?? ""] ?? []) {
        writeFileSync(join(folder, file), String(value));
      }
    }
    return container;
  }

  #move(cgroup: string, { moved }: Container): number[] {
    const pids = processesIn(join(cgroup, "leaf"));
    for (const pid of pids.filter((one) => !moved.has(one))) {
      moved.add(pid);
      for (const folder of this.#foldersOf(cgroup)) move(pid, folder);
    }
    return pids;
  }

  #remove(cgroup: string): void {
    // A process that is not reaped yet holds its cgroup; the next look tries again.
    const isGone = this.#foldersOf(cgroup).map(removed).every(Boolean);
    if (isGone) this.#containers.delete(cgroup);
  }

  #foldersOf(cgroup: string): string[] {
    return this.#folders.map((folder) => join(folder, basename(cgroup)));
  }
}

/** Nothing happens to a process that has ended meanwhile. */
function move(pid: number, folder: string): void {
  try {
    writeFileSync(join(folder, "cgroup.procs"), String(pid));
  } catch (error) {
    if (existsSync(`/proc/${pid}`)) throw error;
  }
}

function processesIn(folder: string): number[] {
  try {
    const text = readFileSync(join(folder, "cgroup.procs"), "utf8");
    return text.split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function hasAll(folder: string, pids: readonly number[]): boolean {
  const held = new Set(processesIn(folder));
  return pids.every((pid) => held.has(pid));
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}
