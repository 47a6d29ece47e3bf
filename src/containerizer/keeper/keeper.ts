/**
 * Starts keepers and speaks with them until their command runs; afterwards a keeper needs nobody.
 * The order is what makes "checkpoint first" safe: the keeper's own record is on disk before it
 * says `ready`, and without `go` the command never starts, whatever happens to the agent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as afterOthers } from "node:timers/promises";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import type { CommandInfo } from "../../protocol/v1/types.ts";
import { ContainerizerError } from "../containerizer.ts";
import { LAUNCH_DEADLINE_MS } from "../limits.ts";
import type { HostUser } from "../posix/host-users.ts";
import { TurnQueue } from "../turn-queue.ts";
import { HELPER_PATH, type HostTools } from "./host-tools.ts";
import { KEEPER_SCRIPT } from "./keeper-script.ts";
import { AGENT_VARIABLE, CONTAINER_VARIABLE, planText } from "./launch-plan.ts";
import type { KeeperRecords } from "./records.ts";

export interface KeeperSpec {
  readonly containerId: ContainerId;
  readonly command: CommandInfo;
  readonly environment: Readonly<Record<string, string>>;
  /** Sandbox; exists. */
  readonly directory: string;
  /** Whom the command runs as; undefined for the agent's own user. */
  readonly user: HostUser | undefined;
}

/** A keeper that has opened the sandbox and waits for its order. */
export interface WaitingKeeper {
  readonly pid: number;
  /** Starts the command; resolves when its process exists and is on record. */
  go(): Promise<void>;
  /** The command is not to be started; the keeper ends by itself. Safe to repeat. */
  abandon(): void;
  /** Calls back when the keeper has ended, which it does after writing the end down. */
  onEnd(callback: () => void): void;
}

export interface KeepersOptions {
  readonly runtimeDir: string;
  readonly records: KeeperRecords;
  readonly tools: HostTools;
  /** Tells this agent's processes from those of others on the host. */
  readonly mark: string;
  readonly clock: Clock;
}

/** Starts keepers of one agent. */
export class Keepers {
  readonly #options: KeepersOptions;
  readonly #script: string;
  readonly #spawns = new TurnQueue(1);

  /** Writes the script into the runtime folder, under a name made from its text. */
  constructor(options: KeepersOptions) {
    this.#options = options;
    const hash = createHash("sha256").update(KEEPER_SCRIPT).digest("hex").slice(0, 12);
    this.#script = join(options.runtimeDir, `keeper-${hash}.sh`);
    if (existsSync(this.#script)) return;
    writeFileSync(`${this.#script}.new`, KEEPER_SCRIPT, { mode: 0o755 });
    renameSync(`${this.#script}.new`, this.#script);
  }

  /**
   * Starts a keeper and resolves when it is on record and waits. Errors: `ContainerizerError`; then
   * nothing runs.
   */
  async start(spec: KeeperSpec): Promise<WaitingKeeper> {
    const { records, tools, mark } = this.#options;
    const folder = records.folderOf(spec.containerId);
    // Making a process holds everything up for a millisecond or more: one per turn of the loop.
    await this.#spawns.run(nextTurn);
    records.create(spec.containerId, planText({ ...spec, tools }));
    const child = spawn(tools.shell, this.#arguments(spec, folder), {
      cwd: spec.directory,
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: HELPER_PATH, [CONTAINER_VARIABLE]: spec.containerId, [AGENT_VARIABLE]: mark },
    });
    const dialogue = new Dialogue(child, this.#options.clock);
    await dialogue.expect("ready");
    const pid = child.pid;
    if (pid === undefined) throw new ContainerizerError("The keeper has no process id");
    return {
      pid,
      go: async () => {
        child.stdin?.write("go\n");
        await dialogue.expect("started");
        dialogue.close();
        records.removePlan(spec.containerId);
      },
      abandon: () => dialogue.close(),
      onEnd: (callback) => {
        if (child.exitCode !== null || child.signalCode !== null) callback();
        else child.once("exit", callback);
      },
    };
  }

  #arguments(spec: KeeperSpec, folder: string): string[] {
    const { tools, records } = this.#options;
    const mode = tools.canResetSignals ? "background" : "foreground";
    return [
      this.#script,
      folder,
      records.exitsFolder,
      spec.containerId,
      mode,
      // A session of its own, so that a command that signals its group cannot end its keeper.
      tools.setsid,
      // Only the command changes its user, so that a task cannot forge its own end.
      ...switchWords(spec.user, tools),
      tools.shell,
    ];
  }
}

function nextTurn(): Promise<void> {
  return afterOthers();
}

/** Words in front of a program that is to run as the user. Errors: `ContainerizerError`. */
export function switchWords(user: HostUser | undefined, tools: HostTools): string[] {
  if (user === undefined) return [];
  if (tools.setpriv === undefined) {
    throw new ContainerizerError(
      `Cannot run as user ${user.name}: the program setpriv is missing, install util-linux`,
    );
  }
  return [tools.setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
}

/** The few lines spoken with a keeper; any silence, end or other word is an error. */
class Dialogue {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #heard = "";
  #failure: string | undefined;
  #wake: () => void = () => undefined;

  constructor(child: ChildProcess, clock: Clock) {
    this.#child = child;
    this.#clock = clock;
    child.stdout?.on("data", (chunk: Uint8Array) => {
      this.#heard += String(chunk);
      this.#wake();
    });
    child.on("error", (error) => this.#fail(error.message));
    child.on("exit", () => this.#fail("its keeper ended early"));
    // A keeper that is gone is noticed by its exit; a broken pipe says nothing more.
    child.stdin?.on("error", () => undefined);
  }

  async expect(word: "ready" | "started"): Promise<void> {
    const cancel = this.#clock.schedule(LAUNCH_DEADLINE_MS, () => {
      this.#fail(`its keeper was silent for ${LAUNCH_DEADLINE_MS / 1000} s`);
    });
    try {
      while (!this.#heard.includes(`${word}\n`)) {
        if (this.#failure !== undefined) {
          this.close();
          throw new ContainerizerError(`The container could not be started: ${this.#failure}`);
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      cancel();
    }
  }

  /** Lets go of the pipes and of the event loop; without `go` before, the keeper gives up. */
  close(): void {
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#child.unref();
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#wake();
  }
}
