/**
 * What an error of the operating system says. That something is not there is an answer; that nothing
 * can be opened just now is none, and whoever takes it for one reports tasks as lost that run.
 */

import { closeSync, openSync } from "node:fs";
import type { Clock } from "../base/ports.ts";
import { SHORTAGE_PAUSE_MS_MAX, SHORTAGE_PAUSE_MS_MIN } from "./limits.ts";
import { pause } from "./waiting.ts";

/** No such file or folder; the process or cgroup behind it has ended. */
const ABSENCES: readonly unknown[] = ["ENOENT", "ENOTDIR", "ESRCH", "ENODEV"];
/** Of descriptors, of the process or of the host, and of memory. */
const SHORTAGES: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM"];

export function isAbsence(error: unknown): boolean {
  return ABSENCES.includes(codeOf(error));
}

export function isShortage(error: unknown): boolean {
  if (SHORTAGES.includes(codeOf(error))) return true;
  return error instanceof Error && error.cause !== undefined && isShortage(error.cause);
}

/** Whether nothing can be opened now, which the runtime takes for a refusal where it is a socket. */
export function isShortOfDescriptors(): boolean {
  try {
    closeSync(openSync("/", "r"));
    return false;
  } catch (error) {
    return isShortage(error);
  }
}

/** True for an error with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = codeOf(error);
  return typeof code === "string" && codes.includes(code);
}

/** Does `work`, which is safe to repeat, again and again for as long as the host is short. */
export async function despiteShortage<T>(clock: Clock, work: () => T | Promise<T>): Promise<T> {
  for (let pauseMs = SHORTAGE_PAUSE_MS_MIN; ; pauseMs *= 2) {
    try {
      return await work();
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
    await pause(clock, Math.min(pauseMs, SHORTAGE_PAUSE_MS_MAX));
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
