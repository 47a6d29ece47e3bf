/**
 * Copies what a container writes into `stdout` and `stderr` of its sandbox, from the log that the
 * Engine keeps. The log outlives the agent, and how far it was copied is on disk: after a restart
 * of either the copy goes on at the very byte. Source: semantics 7.5, 7.15.
 */
import { join } from "node:path";
import type { Clock, Log } from "../../base/ports.ts";
import type { LogBounds } from "../log-bounds.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./engine-client.ts";
import {
  LAST_OUTPUT_DEADLINE_MS,
  LOOKUP_DEADLINE_MS,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from "./limits.ts";
import { LogBacklog } from "./log-backlog.ts";
import { LogFrames, type OutputName, sinceOf } from "./log-frames.ts";
import { LOG_START, LogPositionFile, readLogPosition } from "./log-position.ts";
import { OutputFile } from "./output-file.ts";

export interface ContainerOutputOptions {
  readonly engine: Engine;
  readonly engineId: string;
  /** Sandbox with its output files. */
  readonly directory: string;
  /** Where the position is kept. */
  readonly positionPath: string;
  readonly bounds: LogBounds;
  /** Size at which the Engine's log goes on in another file, as far as it is known. */
  readonly logFileBytes: () => number | undefined;
  /** What is left of an ended container's output is given up when nothing of it came for so long. */
  readonly silenceMs?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class ContainerOutput {
  readonly #options: ContainerOutputOptions;
  readonly #outputs: Readonly<Record<OutputName, OutputFile>>;
  readonly #position: LogPositionFile;
  #stream: { close(): void } | undefined;
  #following: Promise<void> = Promise.resolve();
  #isEnding = false;
  /** When a piece came last, or was first waited for. */
  #movedMs = 0;
  #isClosed = false;
  #wake: () => void = () => undefined;

  /** Opens the files. Throws what the system throws. */
  constructor(options: ContainerOutputOptions) {
    const { directory, positionPath } = options;
    this.#options = options;
    const position = readLogPosition(positionPath);
    this.#position = new LogPositionFile(positionPath);
    this.#outputs = {
      stdout: new OutputFile(join(directory, "stdout"), position?.stdout ?? LOG_START),
      stderr: new OutputFile(join(directory, "stderr"), position?.stderr ?? LOG_START),
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
    this.#movedMs = clock.monotonicMs();
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        // The stream that follows may end before the last messages are through: look once more.
        await this.#copy("rest");
        break;
      } catch (error) {
        const isHopeless = error instanceof EngineError && error.fault === "refused";
        if (isHopeless || this.#silentMs > this.#silenceMs) {
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
    // What was written while nobody looked may be in several files.
    let isBehind = this.#options.logFileBytes() !== undefined;
    while (!this.#isEnding) {
      try {
        this.#movedMs = this.#options.clock.monotonicMs();
        if (isBehind) await this.#copy("missed");
        const copied = await this.#copy("following");
        isBehind = copied.isBehind;
        if (copied.count > 0) pauseMs = RETRY_MS_MIN;
        if (isBehind) continue;
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

  /**
   * Copies to the end of the log (`rest`, `missed`), or until hung up or too far behind (`following`).
   * Returns the number of messages that were new.
   */
  async #copy(
    what: "rest" | "missed" | "following",
  ): Promise<{ readonly count: number; readonly isBehind: boolean }> {
    const { engine, engineId, clock, logFileBytes } = this.#options;
    const { stdout, stderr } = this.#outputs;
    const isFollowing = what === "following";
    const isUnwanted = (): boolean => what !== "rest" && this.#isEnding;
    const deadlineMs = isFollowing ? LOOKUP_DEADLINE_MS : this.#silenceMs;
    const stream = await engine.logs(engineId, { isFollowing, since: this.#since(), deadlineMs });
    const cancel = isFollowing ? () => undefined : this.#hangUpOnSilence(stream);
    this.#stream = stream;
    if (isUnwanted()) stream.close();
    stdout.resume();
    stderr.resume();
    const frames = new LogFrames();
    const backlog = new LogBacklog((isFollowing && logFileBytes()) || Number.POSITIVE_INFINITY);
    let count = 0;
    let isBehind = false;
    try {
      for await (const chunk of stream.chunks) {
        const messages = frames.take(chunk);
        isBehind = backlog.isTooLong(messages, clock.wallMs());
        if (isBehind) break;
        for (const message of messages) {
          if (this.#outputs[message.output].take(message)) count += 1;
        }
        stdout.flush();
        stderr.flush();
        this.#keepPosition();
        this.#rotate();
        this.#movedMs = clock.monotonicMs();
      }
    } catch (error) {
      // Hanging up is how it is ended.
      if (!isUnwanted()) throw error;
    } finally {
      cancel();
      stream.close();
    }
    return { count, isBehind };
  }

  get #silenceMs(): number {
    return this.#options.silenceMs ?? LAST_OUTPUT_DEADLINE_MS;
  }

  get #silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#movedMs;
  }

  /** A long log may take as long as it moves. The returned function ends the waiting. */
  #hangUpOnSilence(stream: { close(): void }): () => void {
    const { clock } = this.#options;
    let cancel = (): void => undefined;
    const look = (): void => {
      const leftMs = this.#silenceMs - this.#silentMs;
      if (leftMs <= 0) stream.close();
      else cancel = clock.schedule(leftMs, look);
    };
    look();
    return () => cancel();
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

  /** Only what is on disk by its position is put aside: an agent that dies then loses nothing. */
  #rotate(): void {
    const { bounds, engineId, log } = this.#options;
    for (const name of ["stdout", "stderr"] as const) {
      try {
        if (this.#outputs[name].rotate(bounds.maxBytes[name], bounds.files)) this.#keepPosition();
      } catch (error) {
        log.write("warning", "a log cannot be rotated", { engineId, name, error });
      }
    }
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
