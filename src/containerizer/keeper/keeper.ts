/**
 * Starts keepers and speaks with them until their command runs; afterwards a keeper needs nobody.
 * The order is what makes "checkpoint first" safe: the keeper's own record is on disk before it
 * says `ready`, and without `go` the command never starts, whatever happens to the agent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setImmediate as afterOthers } from "node:timers/promises";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock } from "../../base/ports.ts";
import { excerpt } from "../../base/text.ts";
import type { CommandInfo } from "../../protocol/v1/types.ts";
import {
  ContainerizerError,
  type ContainerRootfs,
  type HostUser,
  type WrittenFolder,
} from "../containerizer.ts";
import type { Placement } from "../launcher.ts";
import { LAST_WORDS_MS, LAUNCH_DEADLINE_MS, WORDS_LENGTH_MAX } from "../limits.ts";
import type { HeldFolder } from "../posix/held-folder.ts";
import { TurnQueue } from "../turn-queue.ts";
import { HELPER_PATH, type HostTools } from "./host-tools.ts";
import { innerTools, rootWords } from "./inner-tools.ts";
import { INIT_SCRIPT, KEEPER_SCRIPT } from "./keeper-script.ts";
import { AGENT_VARIABLE, CONTAINER_VARIABLE, planText } from "./launch-plan.ts";
import { placeScript } from "./placed-script.ts";
import type { KeeperRecords } from "./records.ts";
import { SECCOMP_SCRIPT, seccompWords } from "./seccomp-script.ts";

export interface KeeperSpec {
  readonly containerId: ContainerId;
  readonly command: CommandInfo;
  readonly environment: Readonly<Record<string, string>>;
  readonly sandbox: HeldFolder;
  /** Whom the command runs as; undefined for the agent's own user. */
  readonly user: HostUser | undefined;
  readonly placement: Placement;
  /** Lines of shell for the container's init; only with namespaces. */
  readonly setup: readonly string[];
  /** Programs in front of the command which still have the agent's rights. */
  readonly commandWords: readonly string[];
  /** Options of setpriv, beside those for the user. */
  readonly privileges: readonly string[];
  /** Program that decides which system calls the command may make; undefined for all. */
  readonly seccomp: Uint8Array | undefined;
  /** Texts that isolators want to find again, by name. */
  readonly kept: Readonly<Record<string, string>>;
  /** Where the command sees a root of its own, with tools in it; only with namespaces. */
  readonly rootfs?: ContainerRootfs | undefined;
  readonly written?: readonly WrittenFolder[] | undefined;
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
  readonly #initScript: string;
  readonly #seccompScript: string;
  readonly #spawns = new TurnQueue(1);

  constructor(options: KeepersOptions) {
    this.#options = options;
    this.#script = placeScript(options.runtimeDir, "keeper", KEEPER_SCRIPT);
    this.#initScript = placeScript(options.runtimeDir, "init", INIT_SCRIPT);
    this.#seccompScript = placeScript(options.runtimeDir, "seccomp", SECCOMP_SCRIPT);
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
    const inner = spec.rootfs === undefined ? tools : innerTools(tools);
    records.create(spec.containerId, {
      plan: planText({ ...spec, tools: inner }),
      setup: spec.setup,
      rootfs: spec.rootfs,
      written: spec.written ?? [],
      privileges: spec.privileges,
      seccomp: spec.seccomp,
      kept: spec.kept,
    });
    const [program = tools.shell, ...args] = this.#words(spec, folder);
    const child = spawn(program, args, {
      cwd: spec.sandbox.path,
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

  /** Words that lead into the root and behind the filter of system calls that a container has. */
  enterWords(rootfs: ContainerRootfs | undefined, seccompPath: string | undefined): string[] {
    if (seccompPath !== undefined) return seccompWords(this.#seccompScript, seccompPath, rootfs);
    return rootfs === undefined ? [] : rootWords(rootfs);
  }

  #words(spec: KeeperSpec, folder: string): string[] {
    const { tools, records } = this.#options;
    const { keeperWords, keeperCgroup, cgroup, namespaceWords } = spec.placement;
    const mode = tools.canResetSignals ? "background" : "foreground";
    const hasInit = namespaceWords.length > 0;
    const inner = spec.rootfs === undefined ? tools : innerTools(tools);
    return [
      ...keeperWords,
      tools.shell,
      this.#script,
      folder,
      records.exitsFolder,
      spec.containerId,
      mode,
      keeperCgroup,
      cgroup,
      hasInit ? "init" : "",
      ...namespaceWords,
      ...(hasInit ? [tools.shell, this.#initScript, folder, spec.sandbox.realPath, mode] : []),
      // A session of its own, so that a command that signals its group cannot end its keeper.
      tools.setsid,
      ...spec.commandWords,
      ...this.enterWords(spec.rootfs, records.confinementOf(spec.containerId).seccompPath),
      // Only the command changes its user, so that a task cannot forge its own end.
      ...switchWords(spec.user, inner, spec.privileges),
      ...inner.prefix,
      inner.shell,
    ];
  }
}

function nextTurn(): Promise<void> {
  return afterOthers();
}

/**
 * Words in front of a program that is to run as the user, with these further options of setpriv.
 * Errors: `ContainerizerError`.
 */
export function switchWords(
  user: HostUser | undefined,
  tools: HostTools,
  privileges: readonly string[] = [],
): string[] {
  if (user === undefined && privileges.length === 0) return [];
  if (tools.setpriv === undefined) {
    const what = user === undefined ? "Cannot set privileges" : `Cannot run as user ${user.name}`;
    throw new ContainerizerError(`${what}: the program setpriv is missing, install util-linux`);
  }
  const change =
    user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, tools.groupsOption];
  return [...tools.prefix, tools.setpriv, ...change, ...privileges];
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
    child.on("close", () => this.#fail("its keeper ended early"));
    // A keeper that was killed may have left somebody behind who holds the pipe.
    child.on("exit", () => {
      clock.schedule(LAST_WORDS_MS, () => this.#fail("its keeper was killed"));
    });
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
          const words = excerpt(this.#heard.replace(/^ready\n/, "").trim(), WORDS_LENGTH_MAX);
          const reason = words === "" ? this.#failure : words;
          throw new ContainerizerError(`The container could not be started: ${reason}`);
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
