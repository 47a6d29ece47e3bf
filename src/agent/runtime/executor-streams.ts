/**
 * The open streams of custom executors: one each, with a heartbeat that keeps the connection alive
 * through whatever lies between. Source: http-api 3.4, 5.
 */
import type { Clock } from "../../base/ports.ts";
import type { ExecutorCall, ExecutorEvent } from "../../protocol/v1/types.ts";
import { EXECUTOR_HEARTBEAT_MS } from "./limits.ts";
import type { ExecutorStream } from "./ports.ts";

interface OpenStream {
  readonly stream: ExecutorStream;
  cancelHeartbeat: () => void;
}

export class ExecutorStreams {
  readonly #clock: Clock;
  readonly #open = new Map<string, OpenStream>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the place of an earlier stream of the same executor, which is closed. */
  add(call: ExecutorCall, stream: ExecutorStream): void {
    const key = keyOf(call.framework_id.value, call.executor_id.value);
    this.#remove(key)?.close();
    this.#open.set(key, { stream, cancelHeartbeat: () => undefined });
    this.#scheduleHeartbeat(key, stream);
  }

  /** Dropped when the executor has no stream: it is told what matters when it subscribes again. */
  send(frameworkId: string, executorId: string, event: ExecutorEvent): void {
    const key = keyOf(frameworkId, executorId);
    // One that does not keep up has been cut by this.
    if (this.#open.get(key)?.stream.send(event) === false) this.#remove(key);
  }

  /** False when the stream is not the executor's current one. */
  lose(call: ExecutorCall, stream: ExecutorStream): boolean {
    const key = keyOf(call.framework_id.value, call.executor_id.value);
    if (this.#open.get(key)?.stream !== stream) return false;
    this.#remove(key);
    return true;
  }

  /** Ends the executor's stream after what was sent. */
  close(frameworkId: string, executorId: string): void {
    this.#remove(keyOf(frameworkId, executorId))?.close();
  }

  closeAll(): void {
    for (const key of [...this.#open.keys()]) this.#remove(key)?.close();
  }

  #remove(key: string): ExecutorStream | undefined {
    const open = this.#open.get(key);
    open?.cancelHeartbeat();
    this.#open.delete(key);
    return open?.stream;
  }

  #scheduleHeartbeat(key: string, stream: ExecutorStream): void {
    const open = this.#open.get(key);
    if (open?.stream !== stream) return;
    open.cancelHeartbeat = this.#clock.schedule(EXECUTOR_HEARTBEAT_MS, () => {
      if (stream.send({ type: "HEARTBEAT" })) this.#scheduleHeartbeat(key, stream);
      else if (this.#open.get(key) === open) this.#remove(key);
    });
  }
}

/** Ids hold no slash. */
function keyOf(frameworkId: string, executorId: string): string {
  return `${frameworkId}/${executorId}`;
}
