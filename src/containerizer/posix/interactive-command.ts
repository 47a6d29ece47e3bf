/**
 * A command beside a container's own that somebody types into and reads from, over three pipes or a
 * terminal. All that it starts carries its mark and goes when the command does.
 * Source: http-api 7.3 (LAUNCH_NESTED_CONTAINER_SESSION).
 */

import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, closeSync, constants as files, openSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { brand, type ContainerId } from "../../base/ids.ts";
import type { OpenTerminal } from "../../base/ports.ts";
import {
  type ContainerEnd,
  ContainerizerError,
  type HostUser,
  type Interaction,
  type InteractiveSpec,
} from "../containerizer.ts";
import { writeHeld } from "../held-write.ts";
import { HELPER_PATH } from "../keeper/host-tools.ts";
import { switchWords } from "../keeper/keeper.ts";
import { AGENT_VARIABLE, CONTAINER_VARIABLE, planText } from "../keeper/launch-plan.ts";
import { LAST_OUTPUT_MS, LAST_OUTPUT_ROUNDS } from "../limits.ts";
import { pause, within } from "../waiting.ts";
import { HeldTerminal } from "./held-terminal.ts";
import type { InsideHost } from "./inside-command.ts";
import { INSIDE_VARIABLE, type InsideProcesses } from "./inside-processes.ts";
import { readProcessStat } from "./process-stat.ts";

export interface InteractiveHost extends InsideHost {
  readonly openTerminal: OpenTerminal | undefined;
  readonly processes: InsideProcesses;
}

/** The other ends of the command's own input, output and errors. */
const PIPES = { redirections: "<&3 >&4 2>&5 3>&- 4>&- 5>&-", input: 3, output: 4, errors: 5 };

/** Starts the command. Errors: `ContainerizerError` when it cannot start. */
export async function runConnected(
  host: InteractiveHost,
  spec: InteractiveSpec,
  user: HostUser | undefined,
): Promise<Interaction> {
  const terminal = spec.terminal === undefined ? undefined : openTerminal(host, spec, user);
  try {
    const child = startChild(host, spec, user, terminal);
    await started(child);
    return new Connected(host, spec, child, terminal).interaction();
  } catch (cause) {
    terminal?.close();
    if (cause instanceof ContainerizerError) throw cause;
    throw new ContainerizerError(`The command could not be started: ${String(cause)}`, { cause });
  }
}

function openTerminal(
  host: InteractiveHost,
  { terminal, onOutput }: InteractiveSpec,
  user: HostUser | undefined,
): HeldTerminal {
  if (host.openTerminal === undefined || terminal === undefined) {
    throw new ContainerizerError("There are no terminals on this platform; ask without tty_info");
  }
  const opened = new HeldTerminal(host.openTerminal, host.clock, terminal, onOutput);
  try {
    if (user !== undefined) chownSync(opened.path, user.uid, user.gid);
  } catch (error) {
    opened.close();
    throw error;
  }
  return opened;
}

function startChild(
  { tools, mark, words, privileges }: InteractiveHost,
  spec: InteractiveSpec,
  user: HostUser | undefined,
  terminal: HeldTerminal | undefined,
): ChildProcess {
  // A leader of a session without a terminal gets the first one that it opens; inside namespaces
  // the shell leads none and has to be made one.
  // A /dev of its own has its own terminals, so that this one is brought along.
  const isBrought = terminal !== undefined && words.length > 0;
  const leaders = isBrought ? [...tools.prefix, tools.setsid, "--ctty"] : [];
  const redirections = redirectionsOf(terminal, isBrought);
  const plan = planText({ ...spec, tools, redirections, leaders });
  const all = [...words, ...switchWords(user, tools, privileges), ...tools.prefix, tools.shell];
  const [program = tools.shell, ...args] = all;
  const pipes = terminal === undefined ? (["pipe", "pipe", "pipe"] as const) : [];
  const opened = isBrought ? [openSync(terminal.path, files.O_RDWR | files.O_NOCTTY)] : [];
  try {
    const child = spawn(program, args, {
      cwd: spec.directory,
      detached: true,
      stdio: ["pipe", "ignore", "ignore", ...(isBrought ? opened : pipes)],
      env: {
        PATH: HELPER_PATH,
        [CONTAINER_VARIABLE]: spec.containerId,
        [AGENT_VARIABLE]: mark,
        [INSIDE_VARIABLE]: spec.sessionId,
      },
    });
    // A shell that is gone is noticed by its exit; a broken pipe says nothing more.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(plan);
    return child;
  } finally {
    for (const file of opened) closeSync(file);
  }
}

function redirectionsOf(terminal: HeldTerminal | undefined, isBrought: boolean): string {
  if (terminal === undefined) return PIPES.redirections;
  return isBrought ? "<&3 >&3 2>&3 3>&-" : `<>${terminal.path} >&0 2>&0`;
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

class Connected {
  readonly #host: InteractiveHost;
  readonly #spec: InteractiveSpec;
  readonly #insideId: ContainerId;
  readonly #child: ChildProcess;
  readonly #terminal: HeldTerminal | undefined;
  readonly #input: Writable | undefined;
  readonly #outputs: Readable[] = [];
  readonly #outputEnds: Promise<void>[] = [];
  #isOver = false;
  /** Pieces of output. */
  #heard = 0;

  constructor(
    host: InteractiveHost,
    spec: InteractiveSpec,
    child: ChildProcess,
    terminal: HeldTerminal | undefined,
  ) {
    this.#host = host;
    this.#spec = spec;
    this.#insideId = brand<ContainerId>(spec.sessionId);
    this.#child = child;
    this.#terminal = terminal;
    const first = readProcessStat(child.pid ?? 0);
    if (first !== undefined) host.processes.begin(this.#insideId, first);
    if (terminal !== undefined) return;
    this.#input = (child.stdio[PIPES.input] as Writable | null | undefined) ?? undefined;
    // Whoever does not read what is written has ended, or is about to.
    this.#input?.on("error", () => undefined);
    this.#follow(PIPES.output, "stdout");
    this.#follow(PIPES.errors, "stderr");
  }

  interaction(): Interaction {
    return {
      pid: this.#child.pid ?? 0,
      end: this.#end(),
      write: (data) => {
        if (this.#terminal !== undefined) return this.#terminal.write(data);
        return this.#input === undefined ? undefined : writeHeld(this.#input, data);
      },
      closeInput: () => this.#input?.end(),
      resize: (size) => this.#terminal?.resize(size),
      signal: (signal) => void this.#host.processes.signal(this.#insideId, signal),
    };
  }

  #follow(descriptor: number, stream: "stdout" | "stderr"): void {
    const source = this.#child.stdio[descriptor] as Readable | null | undefined;
    if (source === null || source === undefined) return;
    this.#outputs.push(source);
    source.on("data", (chunk: Uint8Array) => {
      this.#heard += 1;
      const room = this.#spec.onOutput(stream, new Uint8Array(chunk));
      if (room === undefined || this.#isOver) return;
      // The pipe fills, and then the command waits.
      source.pause();
      void room.then(() => source.resume());
    });
    this.#outputEnds.push(
      new Promise((resolve) => {
        source.once("end", resolve);
        source.once("error", () => resolve());
        source.once("close", () => resolve());
      }),
    );
  }

  async #end(): Promise<ContainerEnd> {
    const end = await new Promise<ContainerEnd>((resolve) => {
      this.#child.once("exit", (code, signal) => {
        if (signal === null) resolve({ kind: "exited", code: code ?? 0 });
        else resolve({ kind: "signaled", signal: constants.signals[signal] });
      });
    });
    const { processes } = this.#host;
    await processes.end(this.#insideId);
    processes.forget(this.#insideId);
    // What is in the pipes is little, and nobody who does not read may hold up the end.
    this.#isOver = true;
    for (const output of this.#outputs) output.resume();
    await this.#lastOutput();
    this.#terminal?.close();
    this.#input?.destroy();
    // Who has left the session and still holds them would be read for ever.
    for (const output of this.#outputs) output.destroy();
    return end;
  }

  /** What was written is on its way; a terminal does not say when all of it has come. */
  async #lastOutput(): Promise<void> {
    const end = Promise.all(this.#outputEnds);
    for (let round = 0; round < LAST_OUTPUT_ROUNDS; round += 1) {
      const heard = this.#heard;
      if (this.#terminal !== undefined) return pause(this.#host.clock, LAST_OUTPUT_MS);
      await within(this.#host.clock, LAST_OUTPUT_MS, end);
      // A busy host needs longer; who has left the session and writes on is not waited for.
      if (this.#heard === heard) return;
    }
  }
}
