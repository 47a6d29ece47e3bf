/**
 * The host's programs that keepers need, found and tried once per agent. All come with every
 * distribution (util-linux, coreutils or busybox); what differs is how much they can do.
 */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { HELPER_DEADLINE_MS } from "../limits.ts";

export interface HostTools {
  readonly shell: string;
  readonly env: string;
  readonly setsid: string;
  /** Undefined when the host has none; needed only to run tasks as other users. */
  readonly setpriv: string | undefined;
  readonly getent: string | undefined;
  readonly bash: string;
  /** `env --default-signal` works (coreutils 8.31 or newer). */
  readonly canResetSignals: boolean;
  /** Which program can give a process an `argv[0]` of our choice. */
  readonly argv0: "env" | "bash" | "none";
  /** Words in front of `shell`, `env`, `setpriv` and `setsid`, as far as they do not start by themselves. */
  readonly prefix: readonly string[];
  /** How setpriv comes to a user's further groups. */
  readonly groupsOption: "--init-groups" | "--clear-groups";
}

/** Search path of the agent's own helpers; a task's PATH has no say in it. */
export const HELPER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Finds the programs. `shell` overrides the choice of shell, which is dash where present, since it
 * is the smallest. Errors: `ContainerizerError` naming the program that is missing.
 */
export async function findHostTools(shell?: string): Promise<HostTools> {
  const env = required("env");
  const bash = findProgram("bash");
  const [canResetSignals, hasArgv0] = await Promise.all([
    succeeds(env, ["--default-signal", "true"]),
    succeeds(env, ["--argv0=x", "true"]),
  ]);
  return {
    shell: shell ?? findProgram("dash") ?? "/bin/sh",
    env,
    setsid: required("setsid"),
    setpriv: findProgram("setpriv"),
    getent: findProgram("getent"),
    bash: bash ?? "",
    canResetSignals,
    argv0: hasArgv0 ? "env" : bash === undefined ? "none" : "bash",
    prefix: [],
    groupsOption: "--init-groups",
  };
}

/** Runs a helper; resolves to its output, or undefined when it failed or took too long. */
export function runHelper(
  file: string,
  args: readonly string[],
  folder: string = "/",
  deadlineMs: number = HELPER_DEADLINE_MS,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: deadlineMs, env: { PATH: HELPER_PATH }, cwd: folder };
    execFile(file, [...args], options, (error, stdout) => {
      resolve(error === null ? String(stdout) : undefined);
    });
  });
}

async function succeeds(file: string, args: readonly string[]): Promise<boolean> {
  return (await runHelper(file, args)) !== undefined;
}

function required(name: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new ContainerizerError(
    `The program ${name} is missing in ${HELPER_PATH}: install coreutils and util-linux`,
  );
}

/** Path of a helper; undefined when this host has none. */
export function findProgram(name: string): string | undefined {
  return HELPER_PATH.split(":")
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
