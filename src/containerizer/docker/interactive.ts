/**
 * A command inside a running container that somebody is connected to: an exec of the Engine whose
 * connection is taken over for its bytes. Source: http-api 7.3 (LAUNCH_NESTED_CONTAINER_SESSION).
 */
import type { Clock } from "../../base/ports.ts";
import type { ContainerEnd, Interaction, InteractiveSpec } from "../containerizer.ts";
import { pause, within } from "../waiting.ts";
import { type EngineConnection, EngineError } from "./engine-client.ts";
import { type CommandHost, type CommandPlace, EngineCommand } from "./engine-command.ts";
import {
  INSIDE_LAST_OUTPUT_MS,
  INSIDE_POLL_MS,
  INSIDE_POLL_MS_MAX,
  INSIDE_START_MS,
} from "./limits.ts";
import { type OutputFrame, OutputFrames } from "./output-frames.ts";

/** Resolves when it runs. Errors: `EngineError`, `ContainerizerError` when nothing is to be run. */
export async function runInteractive(
  host: CommandHost,
  place: CommandPlace,
  spec: InteractiveSpec,
): Promise<Interaction> {
  const { clock } = host;
  const { terminal } = spec;
  const command = await EngineCommand.create(host, place, {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: terminal !== undefined,
    // Engines before API 1.42 do not know it and are told once the command runs.
    ...(terminal === undefined ? {} : { ConsoleSize: [terminal.rows, terminal.columns] }),
  });
  const connection = await connected(host, command, terminal !== undefined);
  const hold = new Hold();
  const output = follow(connection, spec, hold);
  const resize = ({ columns, rows }: { columns: number; rows: number }): void => {
    // One that has ended meanwhile has no size any more.
    void command.resize(columns, rows).catch(() => undefined);
  };
  if (terminal !== undefined) resize(terminal);
  return {
    pid: command.pid,
    end: endOf(clock, command, output, hold).then(async (end) => {
      await command.end();
      hold.end();
      await within(clock, INSIDE_LAST_OUTPUT_MS, output);
      connection.close();
      return end;
    }),
    write: (data) => connection.write(data),
    closeInput: () => connection.end(),
    resize,
    // The API has no call for it; the processes are this host's.
    signal: (signal) => void command.signal(signal),
  };
}

/** Resolves when the command runs, or has ended already. Errors: `EngineError`. */
async function connected(
  { clock }: CommandHost,
  command: EngineCommand,
  isTerminal: boolean,
): Promise<EngineConnection> {
  let connection: EngineConnection | undefined;
  try {
    connection = await command.connect(isTerminal);
    // The Engine hands the connection over before it starts the command.
    const deadlineMs = clock.monotonicMs() + INSIDE_START_MS;
    while (command.pid === 0 && (await command.look()) === undefined) {
      if (clock.monotonicMs() > deadlineMs) break;
      await pause(clock, INSIDE_POLL_MS);
    }
    return connection;
  } catch (error) {
    connection?.close();
    void command.endWhenever();
    throw error;
  }
}

/** Waits for room until the command ends: it leaves little, and who does not read holds up no end. */
class Hold {
  #isOver = false;
  #go = (): void => undefined;

  wait(room: Promise<void>): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#go = resolve;
      void room.then(resolve);
    });
  }

  /** Safe to repeat. */
  end(): void {
    this.#isOver = true;
    this.#go();
  }
}

/** Hands on what comes until the connection ends. Never rejects. */
async function follow(
  { chunks }: EngineConnection,
  { terminal, onOutput }: InteractiveSpec,
  hold: Hold,
): Promise<void> {
  const frames = new OutputFrames();
  try {
    // While one is waited with no other is read, so that the Engine and then the command wait.
    for await (const chunk of chunks) {
      const pieces: readonly OutputFrame[] =
        terminal === undefined
          ? frames.take(chunk)
          : [{ output: "stdout", bytes: new Uint8Array(chunk) }];
      for (const { output, bytes } of pieces) {
        const room = onOutput(output, bytes);
        if (room !== undefined) await hold.wait(room);
      }
    }
  } catch {
    // The Engine hung up: how the command ended is asked for anyway.
  }
}

/**
 * Looked for all the time, as what the command has started may hold its output for ever; with its
 * end all of that goes. Never rejects.
 */
async function endOf(
  clock: Clock,
  command: EngineCommand,
  output: Promise<void>,
  hold: Hold,
): Promise<ContainerEnd> {
  let isSilent = false;
  void output.then(() => {
    isSilent = true;
  });
  for (let pauseMs = INSIDE_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, INSIDE_POLL_MS_MAX)) {
    try {
      const { sight } = command;
      // The Engine tells the end seconds later while somebody holds the output, and drops the rest.
      if (sight === "ended") {
        await command.killAll();
        hold.end();
      }
      const code = sight === "runs" ? undefined : await command.look();
      if (code !== undefined) return exitOf(code);
    } catch (error) {
      // While nobody has hung up, the Engine may only be slow.
      const mayAnswer = error instanceof EngineError && error.isOutage && !isSilent;
      if (!mayAnswer) return unknownEnd(error);
    }
    await (isSilent ? pause(clock, pauseMs) : within(clock, pauseMs, output));
  }
}

function unknownEnd(error: unknown): ContainerEnd {
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: "unknown", message: `the end of the command could not be learnt: ${reason}` };
}

/** The Engine tells signals as shells do. */
function exitOf(code: number): ContainerEnd {
  return code > 128 && code < 160
    ? { kind: "signaled", signal: code - 128 }
    : { kind: "exited", code };
}
