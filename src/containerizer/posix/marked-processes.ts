/**
 * Processes of this host that carry a mark in their environment, as do all that a marked one starts.
 * Where the agent sees none of them, as in a container of its own, there are none.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../../base/ports.ts";
import type { ContainerSignal } from "../containerizer.ts";
import { DESTROY_DEADLINE_MS, DESTROY_PAUSE_MS_MIN } from "../limits.ts";
import { type ProcessStat, readProcessStat } from "./process-stat.ts";
import { signalProcess } from "./process-table.ts";
import { Slices } from "./slices.ts";

/** `mark` is `NAME=value`. A process that is gone, or whose environment is not for us, carries none. */
export function carries(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    return false;
  }
}

/** Sends the signal to each; resolves with how many there were. */
export async function signalMarked(
  clock: Clock,
  mark: string,
  signal: ContainerSignal,
): Promise<number> {
  const marked = await markedProcesses(clock, mark);
  for (const stat of marked) signalProcess(stat, signal, "process");
  return marked.length;
}

/** Kills them until none is left, or it takes too long. */
export async function endMarked(clock: Clock, mark: string): Promise<void> {
  const deadlineMs = clock.monotonicMs() + DESTROY_DEADLINE_MS;
  while ((await signalMarked(clock, mark, "SIGKILL")) > 0 && clock.monotonicMs() < deadlineMs) {
    await new Promise<void>((wake) => clock.schedule(DESTROY_PAUSE_MS_MIN, wake));
  }
}

async function markedProcesses(clock: Clock, mark: string): Promise<readonly ProcessStat[]> {
  const slices = new Slices(clock);
  const found: ProcessStat[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    if (slices.isOver) await slices.next();
    // The stat first: a later process with this number is never taken for it.
    const stat = readProcessStat(pid);
    if (stat !== undefined && !stat.isKernelThread && carries(pid, mark)) found.push(stat);
  }
  return found;
}
