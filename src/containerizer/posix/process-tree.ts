/**
 * Which process belongs to which container, when there is no cgroup to ask. A process is ours by
 * descent, by session, or by the mark in its environment, and once ours stays ours, so that one
 * which left its session and forgot its environment is still found if it was seen before.
 * Pure: works on what a scan of /proc has read.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { ProcessIdentity } from "../keeper/records.ts";
import type { ProcessStat } from "./process-stat.ts";

/** A container whose processes are looked for. */
export interface TrackedContainer {
  readonly containerId: ContainerId;
  readonly keeper: ProcessIdentity | undefined;
  readonly task: ProcessIdentity | undefined;
  /**
   * The task was watched until its end. Then its session number cannot have been taken by
   * strangers yet, and what is left in the session is ours even without the mark.
   */
  readonly isWatched: boolean;
}

/** A process as found by a scan. */
export interface ScannedProcess {
  readonly stat: ProcessStat;
  /** Container of this agent named by the mark in its environment. */
  readonly markedId: ContainerId | undefined;
  /** Container it belonged to at an earlier scan. */
  readonly earlierId: ContainerId | undefined;
}

/**
 * Sorts the processes by container; keepers are in none. Marked processes of
 * containers that are not tracked are listed too, under the marked id.
 */
export function sortByContainer(
  processes: ReadonlyMap<number, ScannedProcess>,
  containers: Iterable<TrackedContainer>,
): Map<ContainerId, ProcessStat[]> {
  const roots = findRoots(processes, containers);
  const owners = new Map<number, ContainerId | undefined>();
  const sorted = new Map<ContainerId, ProcessStat[]>();
  for (const [pid, { stat }] of processes) {
    const owner = ownerOf(pid, processes, roots, owners);
    if (owner === undefined) continue;
    const members = sorted.get(owner);
    if (members === undefined) sorted.set(owner, [stat]);
    else members.push(stat);
  }
  return sorted;
}

interface Roots {
  /** Live keepers by process id. */
  readonly keepers: Map<number, TrackedContainer>;
  /** Sessions of our commands, which have the command's process id as their number. */
  readonly sessions: Map<number, ContainerId>;
  /** Our commands themselves, which for a moment have not yet begun their session. */
  readonly tasks: Map<number, ContainerId>;
}

function findRoots(
  processes: ReadonlyMap<number, ScannedProcess>,
  containers: Iterable<TrackedContainer>,
): Roots {
  const roots: Roots = { keepers: new Map(), sessions: new Map(), tasks: new Map() };
  for (const container of containers) {
    const { keeper, task, containerId, isWatched } = container;
    if (keeper !== undefined && isAlive(processes, keeper)) {
      roots.keepers.set(keeper.pid, container);
    }
    if (task === undefined) continue;
    if (isAlive(processes, task)) roots.tasks.set(task.pid, containerId);
    // The number of a session stays taken while it has members: a stranger that has it by now
    // shows that nothing of ours is left in it.
    const isTaken = processes.has(task.pid);
    if (isTaken ? isAlive(processes, task) : isWatched) roots.sessions.set(task.pid, containerId);
  }
  return roots;
}

/** Walks up until something decides; the answer holds for all processes on the way. */
function ownerOf(
  pid: number,
  processes: ReadonlyMap<number, ScannedProcess>,
  roots: Roots,
  owners: Map<number, ContainerId | undefined>,
): ContainerId | undefined {
  const path: number[] = [];
  let owner: ContainerId | undefined;
  let current = pid;
  for (;;) {
    const process = processes.get(current);
    // Parents are read at other moments than children, so that a circle is conceivable.
    if (process === undefined || path.includes(current)) break;
    if (owners.has(current)) {
      owner = owners.get(current);
      break;
    }
    path.push(current);
    const verdict = ownVerdict(process, roots);
    if (verdict !== "ask parent") {
      owner = verdict;
      break;
    }
    current = process.stat.parentPid;
  }
  for (const step of path) owners.set(step, owner);
  return owner;
}

function ownVerdict(process: ScannedProcess, roots: Roots): ContainerId | undefined | "ask parent" {
  const { stat, markedId, earlierId } = process;
  if (roots.keepers.has(stat.pid)) return undefined;
  const guarded = roots.keepers.get(stat.sessionId);
  if (guarded !== undefined) {
    // A keeper's own session has nobody else but its command, for a moment before it leaves.
    return stat.pid === guarded.task?.pid ? guarded.containerId : undefined;
  }
  const own = roots.tasks.get(stat.pid) ?? roots.sessions.get(stat.sessionId);
  const verdict = own ?? earlierId ?? markedId;
  if (verdict !== undefined) return verdict;
  return roots.keepers.get(stat.parentPid)?.containerId ?? "ask parent";
}

function isAlive(
  processes: ReadonlyMap<number, ScannedProcess>,
  identity: ProcessIdentity,
): boolean {
  return processes.get(identity.pid)?.stat.startTicks === identity.startTicks;
}
