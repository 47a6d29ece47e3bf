/**
 * Starts a fetch helper, gives it its job and waits for its end. Its group is ended as a whole, so
 * that no unpacker stays behind. Errors: `ContainerizerError` with the helper's reason.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { ContainerizerError } from "../containerizer/containerizer.ts";
import { HELPER_PATH } from "../containerizer/keeper/host-tools.ts";
import { type FetchJob, GO_WORD, type HelperEvent } from "./helper-messages.ts";
import { HELPER_LINE_BYTES_MAX, HELPER_STDERR_BYTES_MAX } from "./limits.ts";

export interface HelperRun<Job extends object = FetchJob> {
  /** Program and first arguments. */
  readonly command: readonly [string, ...string[]];
  /** All of its environment beside PATH. */
  readonly environment: Readonly<Record<string, string>>;
  readonly job: Job;
  /** Open files that it gets as descriptors 3, 4, …; they stay the caller's to close. */
  readonly files: readonly number[];
  readonly onEvent: (event: HelperEvent) => void;
  /** Whether there is room for so many bytes. */
  readonly hasRoom: (bytes: number | undefined) => boolean;
}

/** First of the descriptors that are the job's. */
export const FIRST_DESCRIPTOR = 3;

/** Resolves when the helper has done all of its job. */
export function runHelper<Job extends object>(
  run: HelperRun<Job>,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.reject(stopped());
  const [program, ...args] = run.command;
  const child = spawn(program, args, {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "pipe", "pipe", ...run.files],
    env: { PATH: HELPER_PATH, ...run.environment },
  });
  const outcome = Promise.withResolvers<void>();
  let end: "done" | ContainerizerError | undefined;
  let complaint = "";
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, "SIGKILL");
    }
  };
  const onLine = (line: string): void => {
    const event = JSON.parse(line) as HelperEvent;
    if (event.kind === "done") end = "done";
    else if (event.kind === "failed") end ??= new ContainerizerError(event.message);
    else if (event.kind === "size") {
      if (run.hasRoom(event.bytes)) child.stdin?.write(`${GO_WORD}\n`);
      else {
        end = new ContainerizerError("there is no room in the cache");
        kill();
      }
    }
    run.onEvent(event);
  };
  child.stdout?.on("data", linesTo(onLine));
  child.stderr?.on("data", (chunk: Uint8Array) => {
    complaint = `${complaint}${String(chunk)}`.slice(-HELPER_STDERR_BYTES_MAX);
  });
  // A helper that is gone is noticed by its exit; a broken pipe says nothing more.
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(`${JSON.stringify(run.job)}\n`);
  signal.addEventListener("abort", kill);
  child.once("error", (error) => {
    end ??= new ContainerizerError(`The helper could not be started: ${error.message}`);
    outcome.reject(end);
  });
  child.once("close", () => {
    signal.removeEventListener("abort", kill);
    if (end === "done") outcome.resolve();
    else if (signal.aborted) outcome.reject(stopped());
    else outcome.reject(end ?? endedEarly(child.signalCode, complaint));
  });
  return outcome.promise;
}

function stopped(): ContainerizerError {
  return new ContainerizerError("Fetching was stopped");
}

function endedEarly(signal: string | null, complaint: string): ContainerizerError {
  const how = signal === null ? complaint.trim() : `killed by ${signal}`;
  return new ContainerizerError(`The helper ended early: ${how}`);
}

function linesTo(onLine: (line: string) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder();
  let text = "";
  return (chunk) => {
    text = `${text}${decoder.decode(chunk, { stream: true })}`;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      onLine(text.slice(0, end));
      text = text.slice(end + 1);
    }
    if (text.length > HELPER_LINE_BYTES_MAX) text = "";
  };
}
