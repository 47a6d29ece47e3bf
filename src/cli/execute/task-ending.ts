/**
 * The exit status of `allot execute` from the task's last status: the command's own one, 128 plus
 * the signal that ended it (137 for more memory or disk than it may have), 125 when it never ran, 1
 * when nobody knows how it ended.
 */
import { parseProcessEnd } from "../../protocol/task-exit.ts";
import type { TaskState, TaskStatus } from "../../protocol/v1/types.ts";

/** The exit status for a task that never ran. */
export const NEVER_RAN = 125;

/** By SIGKILL, as everything in a container ends that takes more than it may. */
const KILLED = 128 + 9;

/** How a task ended, for the shell and for people. */
export interface TaskEnding {
  readonly exitStatus: number;
  /** What a person should know beside the exit status; absent for an ordinary end. */
  readonly notice?: string;
}

const OVER: readonly TaskState[] = [
  "TASK_FINISHED",
  "TASK_FAILED",
  "TASK_KILLED",
  "TASK_ERROR",
  "TASK_LOST",
  "TASK_DROPPED",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
];

/** Whether a task is over for good in that state (semantics 6.1). */
export function isTaskOver(state: string): boolean {
  return OVER.some((terminal) => terminal === state);
}

/** Reads the last status of a task; `hasRun` says whether it was ever seen running. */
export function readTaskEnding(status: TaskStatus, hasRun: boolean): TaskEnding {
  const { state, reason, message } = status;
  const detail = [message, reason].filter((part) => part !== undefined && part !== "");
  const notice = `the task ended as ${state}${detail.length > 0 ? `: ${detail.join(", ")}` : ""}`;
  const end = message === undefined ? undefined : parseProcessEnd(message);
  const isLimited = reason?.startsWith("REASON_CONTAINER_LIMITATION") ?? false;
  if (end?.kind === "exited") {
    return isLimited ? { exitStatus: end.code, notice } : { exitStatus: end.code };
  }
  if (end?.kind === "signaled") return { exitStatus: 128 + end.signal, notice };
  // Its message tells what was exceeded instead of how the process ended.
  if (isLimited) return { exitStatus: KILLED, notice };
  if (state === "TASK_FINISHED") return { exitStatus: 0 };
  return { exitStatus: hasRun ? 1 : NEVER_RAN, notice };
}
