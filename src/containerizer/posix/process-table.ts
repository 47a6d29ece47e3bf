/**
 * Looks through /proc for the processes of containers. One scan serves everybody who asked before
 * it began, is cut into slices, and remembers what cannot change, so that a thousand containers
 * ended at once cost a few scans and not a thousand.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { ContainerId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import type { ContainerSignal } from "../containerizer.ts";
import { AGENT_VARIABLE, CONTAINER_VARIABLE } from "../keeper/launch-plan.ts";
import { isContainerName, type ProcessIdentity } from "../keeper/records.ts";
import { hasCode, isAbsence } from "../system-errors.ts";
import { type ProcessStat, readProcessStat } from "./process-stat.ts";
import { type ScannedProcess, sortByContainer, type TrackedContainer } from "./process-tree.ts";
import { Slices } from "./slices.ts";

export interface ProcessTableOptions {
  readonly clock: Clock;
  /**
   * The container that an environment (its bytes as in /proc/<pid>/environ) names, or undefined:
   * whoever has that in its environment belongs there, with all that it starts.
   */
  readonly markedId: (environment: Uint8Array) => ContainerId | undefined;
  /** The containers there are at the moment of the call. */
  readonly containers: () => Iterable<TrackedContainer>;
}

/** Processes by container, keepers left out. */
export type ProcessesByContainer = ReadonlyMap<ContainerId, readonly ProcessStat[]>;

/** What is known of a process beyond its stat line. */
interface Memory {
  readonly startTicks: number;
  name: string;
  /** False while its environment could not be read for good (it was just starting a program). */
  isMarkRead: boolean;
  markedId: ContainerId | undefined;
  containerId: ContainerId | undefined;
}

export class ProcessTable {
  readonly #options: ProcessTableOptions;
  #memories = new Map<number, Memory>();
  #running: Promise<ProcessesByContainer> | undefined;
  #waiting: Promise<ProcessesByContainer> | undefined;

  constructor(options: ProcessTableOptions) {
    this.#options = options;
  }

  /** What runs now: the scan begins after this call. */
  scan(): Promise<ProcessesByContainer> {
    if (this.#waiting !== undefined) return this.#waiting;
    // Even an idle table begins a moment later, so that whoever asks in the same breath shares.
    this.#waiting = (this.#running ?? Promise.resolve()).then(
      () => this.#scanNext(),
      () => this.#scanNext(),
    );
    return this.#waiting;
  }

  #scanNext(): Promise<ProcessesByContainer> {
    this.#waiting = undefined;
    this.#running = this.#scanOnce();
    return this.#running;
  }

  async #scanOnce(): Promise<ProcessesByContainer> {
    try {
      const processes = await this.#readAll();
      const sorted = sortByContainer(processes, this.#options.containers());
      for (const [containerId, members] of sorted) {
        for (const { pid } of members) {
          const memory = this.#memories.get(pid);
          if (memory !== undefined) memory.containerId = containerId;
        }
      }
      return sorted;
    } finally {
      this.#running = undefined;
    }
  }

  async #readAll(): Promise<Map<number, ScannedProcess>> {
    const slices = new Slices(this.#options.clock);
    const found = new Map<number, ScannedProcess>();
    const memories = new Map<number, Memory>();
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      if (slices.isOver) await slices.next();
      const stat = readProcessStat(pid);
      if (stat === undefined || stat.isKernelThread) continue;
      const memory = this.#remember(stat);
      memories.set(pid, memory);
      found.set(pid, { stat, markedId: memory.markedId, earlierId: memory.containerId });
    }
    this.#memories = memories;
    return found;
  }

  #remember(stat: ProcessStat): Memory {
    const old = this.#memories.get(stat.pid);
    const memory: Memory =
      old?.startTicks === stat.startTicks
        ? old
        : {
            startTicks: stat.startTicks,
            name: stat.name,
            isMarkRead: false,
            markedId: undefined,
            containerId: undefined,
          };
    // A process of ours has the mark from its first moment, and a stranger never gets it: one
    // reading is enough, unless it fell into the instant in which a program is being replaced, or
    // before what prepares a container (runc) has made way for the program.
    if (memory.name !== stat.name && memory.markedId === undefined) memory.isMarkRead = false;
    memory.name = stat.name;
    if (memory.isMarkRead) return memory;
    const environment = readEnvironment(stat.pid);
    if (environment === "forbidden") {
      memory.isMarkRead = true;
    } else if (environment.length > 0) {
      memory.isMarkRead = true;
      memory.markedId = this.#options.markedId(environment);
    }
    return memory;
  }
}

/**
 * Signals exactly this process, or nothing when it has ended. Returns false when the agent is not
 * allowed to.
 */
export function signalProcess(
  identity: ProcessIdentity,
  signal: ContainerSignal,
  target: "process" | "group",
): boolean {
  const stat = readProcessStat(identity.pid);
  if (stat === undefined || stat.startTicks !== identity.startTicks) return true;
  // A group of another process namespace reads as 0, which would be the agent's own.
  const isGroup = target === "group" && stat.groupId > 0;
  try {
    process.kill(isGroup ? -stat.groupId : identity.pid, signal);
    return true;
  } catch (error) {
    // It may have ended since; anything else means that we must not.
    return hasCode(error, "ESRCH");
  }
}

/**
 * Container of the agent with this mark, from the `name=value` strings of an environment. A process
 * may have written anything there: what is no container's id says nothing.
 */
export function markedContainer(environment: Uint8Array, mark: string): ContainerId | undefined {
  if (variableIn(environment, AGENT_VARIABLE) !== mark) return undefined;
  const containerId = variableIn(environment, CONTAINER_VARIABLE);
  if (containerId === undefined || !isContainerName(containerId)) return undefined;
  return brand<ContainerId>(containerId);
}

/** Value of a variable among the `name=value` strings of an environment. */
export function variableIn(bytes: Uint8Array, name: string): string | undefined {
  const environment = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const key = `${name}=`;
  let start = environment.indexOf(key);
  while (start > 0 && environment[start - 1] !== 0) start = environment.indexOf(key, start + 1);
  if (start < 0) return undefined;
  const end = environment.indexOf(0, start);
  return environment.toString("utf8", start + key.length, end < 0 ? undefined : end);
}

function readEnvironment(pid: number): Uint8Array | "forbidden" {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM") return "forbidden";
    if (isAbsence(error)) return new Uint8Array();
    throw error;
  }
}
