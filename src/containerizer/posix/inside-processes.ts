/**
 * The processes of commands beside a container's own, as of checks and sessions. To the table of
 * processes each such command is a container: its processes are known by descent from its first one,
 * by that one's session, and by a variable in their environment. Where the agent sees none of them,
 * as in a container of its own, there are none.
 */

import type { ContainerId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import type { ContainerSignal } from "../containerizer.ts";
import type { ProcessIdentity } from "../keeper/records.ts";
import { DESTROY_DEADLINE_MS, DESTROY_PAUSE_MS_MAX, DESTROY_PAUSE_MS_MIN } from "../limits.ts";
import { despiteShortage, isShortage } from "../system-errors.ts";
import { pause } from "../waiting.ts";
import { isDead, type ProcessStat, readProcessStat } from "./process-stat.ts";
import { ProcessTable, signalProcess, variableIn } from "./process-table.ts";
import type { TrackedContainer } from "./process-tree.ts";

/** In the environment of such a command and of all that it starts: its id, which no other has. */
export const INSIDE_VARIABLE = "ALLOT_INSIDE_ID";

export class InsideProcesses {
  readonly #clock: Clock;
  readonly #table: ProcessTable;
  readonly #tracked = new Map<ContainerId, TrackedContainer>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#table = new ProcessTable({ clock, markedId, containers: () => this.#tracked.values() });
  }

  /** `task` is the command's first process, which leads a session and is watched. */
  begin(insideId: ContainerId, task: ProcessIdentity): void {
    const container = { containerId: insideId, keeper: undefined, task, isWatched: true };
    this.#tracked.set(insideId, container);
  }

  /** How its first process is at this moment; undefined where it is not to be seen. */
  firstOf(insideId: ContainerId): "runs" | "ended" | undefined {
    const task = this.#tracked.get(insideId)?.task;
    if (task === undefined) return undefined;
    const stat = readNow(task.pid);
    if (stat === "unread") return "runs";
    const isOther = stat === undefined || stat.startTicks !== task.startTicks;
    return isOther || isDead(stat) ? "ended" : "runs";
  }

  /** Live ones. */
  async of(insideId: ContainerId): Promise<readonly ProcessStat[]> {
    const all = await despiteShortage(this.#clock, () => this.#table.scan());
    const processes = all.get(insideId) ?? [];
    return processes.filter((stat) => !isDead(stat));
  }

  /** To each of them; resolves with how many there were. */
  async signal(insideId: ContainerId, signal: ContainerSignal): Promise<number> {
    const processes = await this.of(insideId);
    for (const stat of processes) signalProcess(stat, signal, "process");
    return processes.length;
  }

  /** Kills them until none is left, or it takes too long; resolves with whether there was any. */
  async end(insideId: ContainerId): Promise<boolean> {
    const deadlineMs = this.#clock.monotonicMs() + DESTROY_DEADLINE_MS;
    let pauseMs = DESTROY_PAUSE_MS_MIN;
    let hadAny = false;
    while ((await this.signal(insideId, "SIGKILL")) > 0) {
      hadAny = true;
      if (this.#clock.monotonicMs() > deadlineMs) break;
      await pause(this.#clock, pauseMs);
      pauseMs = Math.min(pauseMs * 2, DESTROY_PAUSE_MS_MAX);
    }
    return hadAny;
  }

  /** The command is over. */
  forget(insideId: ContainerId): void {
    this.#tracked.delete(insideId);
  }
}

/** What cannot be looked at for want of descriptors is taken for being there until it can be. */
function readNow(pid: number): ProcessStat | undefined | "unread" {
  try {
    return readProcessStat(pid);
  } catch (error) {
    if (isShortage(error)) return "unread";
    throw error;
  }
}

function markedId(environment: Uint8Array): ContainerId | undefined {
  const id = variableIn(environment, INSIDE_VARIABLE);
  return id === undefined ? undefined : brand<ContainerId>(id);
}
