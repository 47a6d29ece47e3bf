/**
 * Copies what a container writes into `stdout` and `stderr` of its sandbox, from the log that the
 * Engine keeps. The log outlives the agent, and how far it was copied is on disk: after a restart
 * of either the copy goes on at the very byte. Source: semantics 7.5, 7.15.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Log } from "../../base/ports.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./engine-client.ts";
import {
  LAST_OUTPUT_DEADLINE_MS,
  LOOKUP_DEADLINE_MS,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from "./limits.ts";
import { LogFrames, type LogMessage, type OutputName, sinceOf } from "./log-frames.ts";
import {
  LOG_START,
  LogPositionFile,
  type OutputPosition,
  readLogPosition,
} from "./log-position.ts";

export interface ContainerOutputOptions {
  readonly engine: Engine;
  readonly engineId: string;
  /** Sandbox with its output files. */
  readonly directory: string;
  /** Where the position is kept. */
  readonly positionPath: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class ContainerOutput {
  readonly #options: ContainerOutputOptions;
  readonly #outputs: Readonly<Record<OutputName, Output>>;
  readonly #position: LogPositionFile;
  #stream: { close(): void } | undefined;
  #following: Promise<void> = Promise.resolve();
  #isEnding = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  /** Opens the files. Throws what the system throws. */
  constructor(options: ContainerOutputOptions) {
    const { directory, positionPath } = options;
    this.#options = options;
    const position = readLogPosition(positionPath);
    this.#position = new LogPositionFile(positionPath);
    this.#outputs = {
      stdout: new Output(join(directory, "stdout"), position?.stdout ?? LOG_START),
      stderr: new Output(join(directory, "stderr"), position?.stderr ?? LOG_START),
    };
    this.#keepPosition();
  }

  /** Copies as it comes, until `finish` or `close`. */
  follow(): void {
    this.#following = this.#followOn();
  }

  /** The container is over: copies the rest. Never rejects; what cannot be had is logged. */
  async finish(): Promise<void> {
    await this.#stopFollowing();
    const { engineId, clock, log } = this.#options;
    const deadlineMs = clock.monotonicMs() + LAST_OUTPUT_DEADLINE_MS;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        // The stream that follows may end before the last messages are through: look once more.
        await this.#copy(false);
        break;
      } catch (error) {
        const isHopeless = error instanceof EngineError && error.fault === "refused";
        if (isHopeless || clock.monotonicMs() > deadlineMs) {
          log.write("error", "the last output of a container is lost", { engineId, error });
          break;
        }
        await this.#pause(pauseMs);
      }
    }
    this.#closeFiles();
  }

  /** Stops; a later one goes on where this one was. */
  async close(): Promise<void> {
    await this.#stopFollowing();
    this.#closeFiles();
  }

  async #followOn(): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    while (!this.#isEnding) {
      try {
        if ((await this.#copy(true)) > 0) pauseMs = RETRY_MS_MIN;
      } catch (error) {
        if (this.#isUnreadable(error)) return;
        this.#options.log.write("warning", "copying a container's output is interrupted", {
          engineId: this.#options.engineId,
          error,
        });
      }
      if (!this.#isEnding) await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
    }
  }

  /** With some log drivers nothing can be read, and asking again does not help. */
  #isUnreadable(error: unknown): boolean {
    if (!(error instanceof EngineError) || error.fault !== "refused") return false;
    this.#options.log.write("warning", "a container's output cannot be read", {
      engineId: this.#options.engineId,
      error,
    });
    return true;
  }

  /** Copies to the end of the log, or until hung up. Returns the number of messages that were new. */
  async #copy(isFollowing: boolean): Promise<number> {
    const { engine, engineId } = this.#options;
    const { stdout, stderr } = this.#outputs;
    const deadlineMs = isFollowing ? LOOKUP_DEADLINE_MS : LAST_OUTPUT_DEADLINE_MS;
    const stream = await engine.logs(engineId, { isFollowing, since: this.#since(), deadlineMs });
    const cancel = isFollowing
      ? () => undefined
      : this.#options.clock.schedule(LAST_OUTPUT_DEADLINE_MS, () => stream.close());
    this.#stream = stream;
    if (isFollowing && this.#isEnding) stream.close();
    stdout.resume();
    stderr.resume();
    const frames = new LogFrames();
    let count = 0;
    try {
      for await (const chunk of stream.chunks) {
        for (const message of frames.take(chunk)) {
          if (this.#outputs[message.output].take(message)) count += 1;
        }
        stdout.flush();
        stderr.flush();
        this.#keepPosition();
      }
    } catch (error) {
      // Hanging up is how following is ended.
      if (!(isFollowing && this.#isEnding)) throw error;
    } finally {
      cancel();
      stream.close();
    }
    return count;
  }

  /** The earlier of both, since one output may have been silent for long. */
  #since(): string | undefined {
    const times = [this.#outputs.stdout.position.time, this.#outputs.stderr.position.time].sort();
    const [first = ""] = times;
    return first === "" ? undefined : sinceOf(first);
  }

  #keepPosition(): void {
    this.#position.write({
      stdout: this.#outputs.stdout.position,
      stderr: this.#outputs.stderr.position,
    });
  }

  async #stopFollowing(): Promise<void> {
    this.#isEnding = true;
    this.#stream?.close();
    this.#wake();
    await this.#following;
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(pauseMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #closeFiles(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outputs.stdout.close();
    this.#outputs.stderr.close();
    this.#position.close();
  }
}

/** One of the two files, and what of its output is in it. */
class Output {
  readonly #file: number;
  /** What is in the file for good. */
  #position: OutputPosition;
  /** The same once everything that waits is written. */
  #ahead: OutputPosition;
  /** Messages of the position's time that a new stream will tell again. */
  #repeats = 0;
  /** Bytes of messages to come that are in the file already. */
  #surplus = 0;
  #waiting: Uint8Array[] = [];

  constructor(path: string, position: OutputPosition) {
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
    // The sandbox is the task's: no link or pipe of its making is written to.
    this.#file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
    const stat = fstatSync(this.#file);
    if (!stat.isFile() || stat.nlink > 1) {
      closeSync(this.#file);
      throw new Error(`${path} is no file of its own`);
    }
    const isNew = position.time === "" && position.fileBytes === 0;
    this.#position = isNew ? { ...position, fileBytes: stat.size } : position;
    this.#ahead = this.#position;
  }

  get position(): OutputPosition {
    return this.#position;
  }

  /** A stream begins at the position's time. */
  resume(): void {
    this.#waiting = [];
    this.#ahead = this.#position;
    this.#repeats = this.#position.count;
    // Whatever is there beyond the position was written when the copy was last interrupted.
    this.#surplus = Math.max(0, fstatSync(this.#file).size - this.#position.fileBytes);
  }

  /** False for a message that is in the file already. */
  take({ time, bytes }: LogMessage): boolean {
    const { time: lastTime, count } = this.#ahead;
    if (time < this.#position.time) return false;
    if (time === this.#position.time && this.#repeats > 0) {
      this.#repeats -= 1;
      return false;
    }
    this.#ahead = { ...this.#ahead, time, count: time === lastTime ? count + 1 : 1 };
    const skipped = Math.min(this.#surplus, bytes.length);
    this.#surplus -= skipped;
    if (skipped < bytes.length) this.#waiting.push(bytes.subarray(skipped));
    return true;
  }

  /** Writes what was taken. Throws what the system throws; the file then holds a part. */
  flush(): void {
    let data: Uint8Array = Buffer.concat(this.#waiting);
    while (data.length > 0) data = data.subarray(writeSync(this.#file, data));
    this.#waiting = [];
    this.#position = { ...this.#ahead, fileBytes: fstatSync(this.#file).size - this.#surplus };
  }

  close(): void {
    closeSync(this.#file);
  }
}
