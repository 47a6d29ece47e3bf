/**
 * Programs that change a network, each behind the lock of the network it is about: one that outlives
 * its agent is waited for by the next agent before anything is undone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Clock } from "../../../base/ports.ts";
import { ContainerizerError } from "../../containerizer.ts";
import { findProgram, HELPER_PATH } from "../../keeper/host-tools.ts";
import { CNI_DEADLINE_MS, CNI_OUTPUT_CHARACTERS } from "../../limits.ts";

export interface HelperCall {
  /** Path of the program and its arguments. */
  readonly words: readonly string[];
  /** File, made where it is missing, that one program at a time holds. */
  readonly lock: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface HelperEnd {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves with the end. Errors: `ContainerizerError` when it cannot start, or takes too long. */
export function runLocked(clock: Clock, call: HelperCall): Promise<HelperEnd> {
  const flock = requiredProgram("flock", "util-linux");
  const child = spawn(flock, [call.lock, ...call.words], {
    cwd: "/",
    // A group of its own, which can be ended as a whole.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: HELPER_PATH, ...call.environment },
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // One that reads nothing is noticed by its end; there is no pipe to one that cannot be started.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(call.input ?? "");
  return new Promise((resolve, reject) => {
    const name = call.words[0] ?? "";
    const cancel = clock.schedule(CNI_DEADLINE_MS, () => {
      if (child.pid !== undefined) endGroup(child.pid);
      reject(new ContainerizerError(`${name} took longer than ${CNI_DEADLINE_MS / 1000} s`));
    });
    child.once("error", (error) => {
      cancel();
      reject(new ContainerizerError(`${name} could not be started: ${error.message}`));
    });
    child.once("close", (code) => {
      cancel();
      resolve({ code: code ?? undefined, stdout: stdout(), stderr: stderr() });
    });
  });
}

/** Errors: `ContainerizerError` naming what to install. */
export function requiredProgram(name: string, packageName: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new ContainerizerError(
    `The program ${name} is missing in ${HELPER_PATH}: install ${packageName}`,
  );
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

function collect(stream: ChildProcess["stdout"]): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    text = `${text}${chunk}`.slice(0, CNI_OUTPUT_CHARACTERS);
  });
  return () => text;
}
