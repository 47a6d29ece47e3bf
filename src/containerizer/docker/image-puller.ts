/**
 * Makes an image be there: looks for it, and pulls it when it is missing or a pull is asked for. One
 * pull serves all who wait for the same; it may take as long as it moves. Source: semantics 7.15.
 */
import type { Clock, Log } from "../../base/ports.ts";
import { ContainerizerError } from "../containerizer.ts";
import {
  formatImageReference,
  type ImageReference,
  parseImageReference,
} from "../image-reference.ts";
import { Answer } from "./answer.ts";
import type { Engine } from "./engine.ts";
import { EngineError, linesOf } from "./engine-client.ts";
import { PULL_REPORT_MS } from "./limits.ts";
import { PullProgress } from "./pull-progress.ts";
import { registryAuth } from "./registry-auth.ts";

export interface ImagePullerOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  /** A pull that moves nothing for so long is given up. */
  readonly stallMs: number;
  /** Text of `--docker_config`. */
  readonly dockerConfig: string | undefined;
}

export interface ImageWish {
  readonly image: string;
  readonly isPullForced: boolean;
  /** May hold credentials. */
  readonly sandbox: string;
}

interface Pull {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiting: number;
}

export class ImagePuller {
  readonly #options: ImagePullerOptions;
  readonly #pulls = new Map<string, Pull>();

  constructor(options: ImagePullerOptions) {
    this.#options = options;
  }

  /** Number of pulls under way. */
  get pullsCount(): number {
    return this.#pulls.size;
  }

  /**
   * Resolves to the full name of the image once the Engine has it. Errors: `ContainerizerError`
   * naming the image; `EngineError` when the Engine does not answer, or `signal` fired.
   */
  async ensure({ image, isPullForced, sandbox }: ImageWish, signal: AbortSignal): Promise<string> {
    const reference = parseImageReference(image);
    if (reference === undefined) {
      throw new ContainerizerError(
        `container.docker.image ${JSON.stringify(image)} is no name of an image`,
      );
    }
    const name = formatImageReference(reference);
    const isThere = !isPullForced && (await this.#options.engine.hasImage(name, signal));
    if (!isThere) await this.#pullTogether(reference, sandbox, signal);
    return name;
  }

  async #pullTogether(
    reference: ImageReference,
    sandbox: string,
    signal: AbortSignal,
  ): Promise<void> {
    const auth = registryAuth(reference.registry, sandbox, this.#options.dockerConfig);
    const key = JSON.stringify([formatImageReference(reference), auth]);
    const pull = this.#pulls.get(key) ?? this.#begin(key, reference, auth);
    pull.waiting += 1;
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(new EngineError("aborted", "the pull was given up"));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await Promise.race([pull.done, givenUp]);
    } finally {
      signal.removeEventListener("abort", giveUp);
      pull.waiting -= 1;
      if (pull.waiting === 0) this.#giveUp(key, pull);
    }
  }

  #begin(key: string, reference: ImageReference, auth: string | undefined): Pull {
    const abort = new AbortController();
    const done = this.#pull(reference, auth, abort.signal);
    const pull = { done, abort, waiting: 0 };
    this.#pulls.set(key, pull);
    // Those who wait are told through their own promises; none may be waiting any more.
    done.catch(() => undefined).finally(() => this.#giveUp(key, pull));
    return pull;
  }

  /** The Engine stops a pull when nobody listens any more; who comes next has one of their own. */
  #giveUp(key: string, pull: Pull): void {
    if (this.#pulls.get(key) === pull) this.#pulls.delete(key);
    pull.abort.abort();
  }

  async #pull(
    reference: ImageReference,
    auth: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { engine, clock, log, stallMs } = this.#options;
    const { name, tag, digest } = reference;
    const image = formatImageReference(reference);
    const progress = new PullProgress();
    const stalled = new AbortController();
    let cancelStall = clock.schedule(stallMs, () => stalled.abort());
    const either = AbortSignal.any([signal, stalled.signal]);
    const startMs = clock.monotonicMs();
    let reportMs = startMs;
    try {
      const query = { fromImage: name, tag: digest ?? tag ?? "latest" };
      const stream = await engine.pull(query, auth, either);
      const hangUp = (): void => stream.close();
      either.addEventListener("abort", hangUp, { once: true });
      if (either.aborted) hangUp();
      for await (const line of linesOf(stream.chunks)) {
        if (!progress.take(answerOf(line))) continue;
        cancelStall();
        cancelStall = clock.schedule(stallMs, () => stalled.abort());
        if (clock.monotonicMs() - reportMs < PULL_REPORT_MS) continue;
        reportMs = clock.monotonicMs();
        log.write("info", "pulling an image", { image, progress: progress.describe() });
      }
      if (stalled.signal.aborted) throw new EngineError("aborted", "stalled");
    } catch (error) {
      if (signal.aborted) throw new EngineError("aborted", "the pull was given up");
      const why = stalled.signal.aborted
        ? `nothing moved for ${stallMs / 1000} s (${progress.describe()}); is the registry reachable from this host?`
        : error instanceof Error
          ? error.message
          : String(error);
      throw pullError(image, why, error);
    } finally {
      cancelStall();
    }
    if (progress.error !== undefined) throw pullError(image, progress.error, undefined);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    log.write("info", "pulled an image", { image, tookMs });
  }
}

function pullError(image: string, why: string, cause: unknown): ContainerizerError {
  return new ContainerizerError(`Failed to pull Docker image ${image}: ${why}`, { cause });
}

function answerOf(line: string): Answer {
  try {
    return new Answer(JSON.parse(line));
  } catch {
    // A line that is no JSON tells nothing of the progress.
    return new Answer(undefined);
  }
}
