/** Reads /proc/<pid>/stat: who a process is, to whom it belongs and what it has used. */
import { readFileSync } from "node:fs";
import { isAbsence } from "../system-errors.ts";

export interface ProcessStat {
  readonly pid: number;
  /** Of its program, shortened; a process may give itself another. */
  readonly name: string;
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly isKernelThread: boolean;
  /** Own time and that of reaped children, in clock ticks. */
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly threads: number;
  readonly startTicks: number;
}

/** Linux reports times to programs in hundredths of a second on every architecture we run on. */
export const TICKS_PER_SECOND = 100;

/** Kernel flag of threads that have no program (PF_KTHREAD). */
const KERNEL_THREAD_FLAG = 0x0020_0000;

/** The process as it is now; undefined when there is none. Throws when it cannot be looked at. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Parses one stat line. The name may contain blanks and brackets, so fields start after the last. */
export function parseProcessStat(line: string): ProcessStat | undefined {
  const nameEnd = line.lastIndexOf(")");
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(nameEnd + 2).split(" ");
  const at = (field: number): number => Number(fields[field - 3]);
  if (nameEnd < 0 || !Number.isSafeInteger(pid) || !Number.isSafeInteger(at(22))) return undefined;
  return {
    pid,
    name: line.slice(line.indexOf("(") + 1, nameEnd),
    state: fields[0] ?? "?",
    parentPid: at(4),
    groupId: at(5),
    sessionId: at(6),
    isKernelThread: (at(9) & KERNEL_THREAD_FLAG) !== 0,
    userTicks: at(14) + at(16),
    systemTicks: at(15) + at(17),
    threads: at(20),
    startTicks: at(22),
  };
}

/** A zombie has ended; only its parent can make it go away. */
export function isDead(stat: ProcessStat): boolean {
  return stat.state === "Z" || stat.state === "X";
}
