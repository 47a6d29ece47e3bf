/**
 * A command inside a running container that somebody is connected to: an exec of the Engine whose
 * connection is taken over for its bytes. Source: http-api 7.3 (LAUNCH_NESTED_CONTAINER_SESSION).
 */
import type { Clock } from "../../base/ports.ts";
import type { ContainerEnd, Interaction, InteractiveSpec } from "../containerizer.ts";
import { endMarked, signalMarked } from "../posix/marked-processes.ts";
import type { Engine } from "./engine.ts";
import type { EngineConnection } from "./engine-client.ts";
import { environmentOf, wordsOf } from "./inside.ts";
import { INSIDE_POLL_MS, INSIDE_POLL_MS_MAX } from "./limits.ts";
import { OutputFrames } from "./output-frames.ts";

/**
 * Resolves when it runs; `mark` as for `runInside`. Errors: `EngineError`, `ContainerizerError` when
 * nothing is to be run.
 */
export async function runInteractive(
  engine: Engine,
  clock: Clock,
  engineId: string,
  spec: InteractiveSpec,
  mark: string,
): Promise<Interaction> {
  const { terminal } = spec;
  const insideId = await engine.createInside(engineId, {
    Cmd: wordsOf(spec.command),
    Env: environmentOf(spec.environment, mark),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: terminal !== undefined,
    // Engines before API 1.42 do not know it and are told once the command runs.
    ...(terminal === undefined ? {} : { ConsoleSize: [terminal.rows, terminal.columns] }),
  });
  const connection = await engine.connectInside(insideId, terminal !== undefined);
  const pid = (await engine.inspectInside(insideId)).at("Pid").number() ?? 0;
  const resize = ({ columns, rows }: { columns: number; rows: number }): void => {
    // One that has ended meanwhile has no size any more.
    void engine.resizeInside(insideId, columns, rows).catch(() => undefined);
  };
  if (terminal !== undefined) resize(terminal);
  return {
    pid,
    end: follow(connection, spec).then(async () => {
      const end = await endOf(engine, clock, insideId);
      // All that it started goes with it.
      await endMarked(clock, mark);
      return end;
    }),
    write: (data) => connection.write(data),
    closeInput: () => connection.end(),
    resize,
    // The API has no call for it; the processes are this host's.
    signal: (signal) => void signalMarked(clock, mark, signal),
  };
}

/** Hands on what comes until the connection ends. Never rejects. */
async function follow(
  { chunks }: EngineConnection,
  { terminal, onOutput }: InteractiveSpec,
): Promise<void> {
  const frames = new OutputFrames();
  try {
    for await (const chunk of chunks) {
      if (terminal !== undefined) onOutput("stdout", new Uint8Array(chunk));
      else for (const { output, bytes } of frames.take(chunk)) onOutput(output, bytes);
    }
  } catch {
    // The Engine hung up: how the command ended is asked for next.
  }
}

/** Never rejects. */
async function endOf(engine: Engine, clock: Clock, insideId: string): Promise<ContainerEnd> {
  try {
    for (let pauseMs = INSIDE_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, INSIDE_POLL_MS_MAX)) {
      const answer = await engine.inspectInside(insideId);
      const code = answer.at("ExitCode").number();
      if (!answer.at("Running").isTrue() && code !== undefined) return exitOf(code);
      await new Promise<void>((resolve) => clock.schedule(pauseMs, resolve));
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "unknown", message: `the end of the command could not be learnt: ${reason}` };
  }
}

/** The Engine tells signals as shells do. */
function exitOf(code: number): ContainerEnd {
  return code > 128 && code < 160
    ? { kind: "signaled", signal: code - 128 }
    : { kind: "exited", code };
}
