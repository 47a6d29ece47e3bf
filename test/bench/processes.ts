/**
 * The compiled program for the length of one measurement: whatever happens, also an interruption,
 * its processes are ended by id and its folder is removed.
 */
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  pssBytes,
  removeWorkDir,
  type StartOptions,
  startAllot,
} from "../harness/allot-process.ts";

/** Plenty of everything, so that resources never limit how many tasks run. */
export const WIDE_AGENT: readonly string[] = [
  "--resources=cpus:1000;mem:1000000;disk:1000000;ports:[31000-32000]",
];

const openFolders = new Set<string>();

/** Gives `work` an empty folder, which is gone afterwards with all that ran in it. */
export async function withWorkDir<T>(work: (workDir: string) => Promise<T>): Promise<T> {
  const workDir = makeWorkDir();
  openFolders.add(workDir);
  try {
    return await work(workDir);
  } finally {
    await removeWorkDir(workDir);
    openFolders.delete(workDir);
  }
}

/** Gives `work` a running program, which is ended afterwards. */
export async function withAllot<T>(
  options: StartOptions,
  work: (allot: AllotProcess) => Promise<T>,
): Promise<T> {
  const allot = await startAllot(options);
  try {
    return await work(allot);
  } finally {
    await allot.end("SIGTERM");
  }
}

/** Removes every folder in use, and ends what runs there: for an interrupted benchmark. */
export async function removeOpenFolders(): Promise<void> {
  await Promise.all([...openFolders].map(removeWorkDir));
}

/**
 * A copy of the program in the folder. Pages of one file are shared by all who run it, so a process
 * whose memory is measured must be the only one that runs this file.
 */
export function ownBinary(folder: string): string {
  const path = join(folder, "allot-measured");
  copyFileSync(BINARY, path);
  return path;
}

/** Memory of all processes below the folder, except those that run the command named `left`. */
export function pssBelow(folder: string, left: string): { processes: number; bytes: number } {
  const pids = processesBelow(folder).filter((pid) => commandOf(pid) !== left);
  return { processes: pids.length, bytes: pids.reduce((sum, pid) => sum + pssBytes(pid), 0) };
}

/** As the kernel names it; empty when the process has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
