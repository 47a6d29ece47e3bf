/**
 * Copies one growing file of a sandbox to a writer: while the task runs as it grows, at the end
 * whatever is left. Each byte is written once, whatever breaks in between, because reading goes on
 * at the count of bytes written.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ClientError } from "../client/client-error.ts";
import type { FileRequest, MasterClient } from "../client/master-client.ts";
import { FOLLOW_PAUSE_MS_MAX, FOLLOW_PAUSE_MS_MIN, MISSING_MS_MAX, REST_MS_MAX } from "./limits.ts";

/** Takes bytes; the next ones come when the promise resolves. */
export type Writer = (bytes: Uint8Array) => Promise<void>;

export class FileFollower {
  readonly #client: MasterClient;
  readonly #file: Pick<FileRequest, "agentId" | "path">;
  readonly #write: Writer;
  readonly #stopping = new AbortController();
  #offset = 0;
  #following: Promise<void> | undefined;

  constructor(client: MasterClient, file: Pick<FileRequest, "agentId" | "path">, write: Writer) {
    this.#client = client;
    this.#file = file;
    this.#write = write;
  }

  /** Starts to follow; a failing writer is reported by `finish`. Safe to repeat. */
  start(): void {
    if (this.#following !== undefined) return;
    this.#following = this.#follow();
    this.#following.catch(() => this.#stopping.abort());
  }

  /**
   * Stops following and writes what is left, up to the end of the file. `isExpected` says that a
   * missing file is a passing state rather than the absence of output. False: the end could not
   * be read, for want of an answer. Throws what the writer throws.
   */
  async finish(isExpected: boolean): Promise<boolean> {
    this.#stopping.abort();
    await this.#following;
    const startedMs = Date.now();
    for (;;) {
      try {
        await this.#copy({ isFollowing: false });
        return true;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        const isMissing = error.status === 404;
        if (isMissing && !isExpected && this.#offset === 0) return true;
        if (!isMissing && !error.isRetriable) return false;
        const patienceMs = isMissing ? MISSING_MS_MAX : REST_MS_MAX;
        if (Date.now() - startedMs > patienceMs) return isMissing && this.#offset === 0;
        await sleep(FOLLOW_PAUSE_MS_MIN);
      }
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    let pauseMs = FOLLOW_PAUSE_MS_MIN;
    while (!signal.aborted) {
      const before = this.#offset;
      try {
        await this.#copy({ isFollowing: true, signal });
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
      }
      pauseMs =
        this.#offset > before ? FOLLOW_PAUSE_MS_MIN : Math.min(pauseMs * 2, FOLLOW_PAUSE_MS_MAX);
      // An aborted pause is how following ends.
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #copy(how: Pick<FileRequest, "isFollowing" | "signal">): Promise<void> {
    const request = { ...this.#file, ...how, offset: this.#offset };
    for await (const chunk of this.#client.readFile(request)) {
      await this.#write(chunk);
      this.#offset += chunk.length;
    }
  }
}

/** Virtual path of a command task's file; its executor has the id of the task (http-api 11). */
export function sandboxPath(
  frameworkId: string,
  executorId: string,
  name: "stdout" | "stderr",
): string {
  return `/frameworks/${frameworkId}/executors/${executorId}/runs/latest/${name}`;
}

/** The same for a task under an executor that may run several. */
export function taskSandboxPath(
  frameworkId: string,
  executorId: string,
  taskId: string,
  name: "stdout" | "stderr",
): string {
  return `/frameworks/${frameworkId}/executors/${executorId}/runs/latest/tasks/${taskId}/${name}`;
}
