/**
 * What the end of a command's process means for its task: one rule for the built-in command
 * executor and for an agent that learns of the end only after its own restart.
 * Source: semantics 6.6, 7.2.
 */
import type { ContainerInfo, TaskState } from "./v1/types.ts";

/** How a process ended, or that nobody saw it end. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signaled"; readonly signal: number }
  | { readonly kind: "unknown"; readonly message: string };

/** Why the end was brought about from outside, as far as it was. */
export type EndCause = "none" | "killed" | "maxCompletionTime";

/** What a task's end is said of: Mesos speaks of the container where Docker runs it. */
export type EndSubject = "Command" | "Container";

/** The subject for a task in such a container. */
export function endSubjectOf(container: ContainerInfo | undefined): EndSubject {
  return container?.type === "DOCKER" ? "Container" : "Command";
}

/** Terminal state and message of a command task whose process is over. */
export interface TaskEnd {
  readonly state: Extract<TaskState, "TASK_FINISHED" | "TASK_FAILED" | "TASK_KILLED">;
  readonly message: string;
}

/** Texts of `strsignal` for the signals that end processes in practice. */
const SIGNAL_TEXTS: Readonly<Record<number, string>> = {
  1: "Hangup",
  2: "Interrupt",
  3: "Quit",
  4: "Illegal instruction",
  5: "Trace/breakpoint trap",
  6: "Aborted",
  7: "Bus error",
  8: "Floating point exception",
  9: "Killed",
  10: "User defined signal 1",
  11: "Segmentation fault",
  12: "User defined signal 2",
  13: "Broken pipe",
  14: "Alarm clock",
  15: "Terminated",
  24: "CPU time limit exceeded",
  25: "File size limit exceeded",
  31: "Bad system call",
};

/** Maps the end of a command's process; a killed one is KILLED even with exit status 0. */
export function taskEndOf(end: ProcessEnd, cause: EndCause, subject: EndSubject): TaskEnd {
  return { state: stateOf(end, cause), message: describeProcessEnd(end, subject) };
}

/** `Command exited with status 3` or `Command terminated with signal Killed`. */
export function describeProcessEnd(end: ProcessEnd, subject: EndSubject): string {
  switch (end.kind) {
    case "exited":
      return `${subject} exited with status ${end.code}`;
    case "signaled":
      return `${subject} terminated with signal ${SIGNAL_TEXTS[end.signal] ?? String(end.signal)}`;
    case "unknown":
      return end.message;
  }
}

/** The process end that a status message tells of, or undefined when it tells of none. */
export function parseProcessEnd(
  message: string,
): Exclude<ProcessEnd, { readonly kind: "unknown" }> | undefined {
  const status = /^(?:Command|Container) exited with status (\d{1,3})\b/.exec(message)?.[1];
  if (status !== undefined) return { kind: "exited", code: Number(status) };
  const text = /^(?:Command|Container) terminated with signal (.+)$/.exec(message)?.[1];
  if (text === undefined) return undefined;
  const named = Object.entries(SIGNAL_TEXTS).find(([, known]) => known === text)?.[0];
  const signal = Number(named ?? text);
  return Number.isInteger(signal) && signal > 0 ? { kind: "signaled", signal } : undefined;
}

/** The raw wait status of `waitpid`, as EXITED executor messages carry it; -1 when unknown. */
export function rawWaitStatus(end: ProcessEnd): number {
  switch (end.kind) {
    case "exited":
      return end.code << 8;
    case "signaled":
      return end.signal;
    case "unknown":
      return -1;
  }
}

function stateOf(end: ProcessEnd, cause: EndCause): TaskEnd["state"] {
  if (cause === "maxCompletionTime") return "TASK_FAILED";
  if (cause === "killed") return "TASK_KILLED";
  return end.kind === "exited" && end.code === 0 ? "TASK_FINISHED" : "TASK_FAILED";
}
