/**
 * A command beside a container's own, as a sibling process of the same user in the same sandbox. It
 * needs no keeper: its end matters only to the agent process that asked, and its mark makes it go
 * with its container. Source: semantics 6.8.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import type { Clock } from "../../base/ports.ts";
import {
  ContainerizerError,
  type HostUser,
  type InsideEnd,
  type InsideSpec,
} from "../containerizer.ts";
import { HELPER_PATH, type HostTools } from "../keeper/host-tools.ts";
import { switchWords } from "../keeper/keeper.ts";
import { AGENT_VARIABLE, CONTAINER_VARIABLE, planText } from "../keeper/launch-plan.ts";

export interface InsideHost {
  readonly tools: HostTools;
  readonly mark: string;
  readonly clock: Clock;
  /** Words in front, which lead to where the container's processes are. */
  readonly words: readonly string[];
  /** Options of setpriv that the container's own command has, beside those for its user. */
  readonly privileges: readonly string[];
}

/** Runs the command and resolves with its end. Errors: `ContainerizerError` when it cannot start. */
export function runSibling(
  host: InsideHost,
  spec: InsideSpec,
  user: HostUser | undefined,
): Promise<InsideEnd> {
  const { tools, mark, clock } = host;
  const plan = planText({ ...spec, tools });
  const [program = tools.shell, ...args] = [
    ...host.words,
    ...switchWords(user, tools, host.privileges),
    ...tools.prefix,
    tools.shell,
  ];
  const child = spawn(program, args, {
    cwd: spec.directory,
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { PATH: HELPER_PATH, [CONTAINER_VARIABLE]: spec.containerId, [AGENT_VARIABLE]: mark },
  });
  // A shell that is gone is noticed by its exit; a broken pipe says nothing more. There is none to one
  // that cannot be started, for want of descriptors.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(plan);
  return new Promise((resolve, reject) => {
    const kill = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
      // Who waits for a disk goes only later.
      resolve({ kind: "timedOut" });
    };
    const cancel =
      spec.timeoutMs === undefined ? () => undefined : clock.schedule(spec.timeoutMs, kill);
    child.once("error", (cause) => {
      cancel();
      reject(
        new ContainerizerError(`The command could not be started: ${cause.message}`, { cause }),
      );
    });
    child.once("exit", (code, signal) => {
      cancel();
      if (signal === null) resolve({ kind: "exited", code: code ?? 0 });
      else resolve({ kind: "signaled", signal: constants.signals[signal] });
    });
  });
}

/** It leads a group of its own, which holds whatever it has started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has just ended, or given itself rights that an agent without root has no power over.
  }
}
