/**
 * Byte streams multiplexed on a link, opened by the master's side and served by the agent (files,
 * logs). Each has its own credit window, so that a reader who stops holds up nobody else.
 */
import type { StreamRequest } from "../protocol/link-frames.ts";
import { MAX_STREAMS, STREAM_WINDOW_BYTES } from "../protocol/link-limits.ts";
import type { StreamFrame } from "./channel.ts";

type SendFrame = (frame: StreamFrame) => void;

/** A stream could not be opened, or its far end failed. */
export class StreamError extends Error {
  override readonly name: string = "StreamError";
}

/** The master's end: opens streams and reads them. */
export class StreamReader {
  readonly #send: SendFrame;
  readonly #controllers = new Map<number, ReadableStreamDefaultController<Uint8Array>>();
  #nextStream = 1;

  constructor(send: SendFrame) {
    this.#send = send;
  }

  /** Opens a stream; cancelling the result ends it at the agent. Errors: `StreamError`. */
  open(request: StreamRequest): ReadableStream<Uint8Array> {
    if (this.#controllers.size >= MAX_STREAMS) {
      throw new StreamError(`more than ${MAX_STREAMS} streams are open to this agent; try again later`);
    }
    const stream = this.#nextStream++;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controllers.set(stream, controller);
          this.#send({ kind: "streamOpen", stream, request });
        },
        cancel: () => {
          this.#controllers.delete(stream);
          this.#send({ kind: "streamEnd", stream, error: undefined });
        },
      },
      { highWaterMark: STREAM_WINDOW_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    ).pipeThrough(this.#creditor(stream));
  }

  take(frame: StreamFrame): void {
    const controller = this.#controllers.get(frame.stream);
    if (controller === undefined) return;
    if (frame.kind === "streamData") controller.enqueue(frame.data);
    if (frame.kind === "streamEnd") {
      this.#controllers.delete(frame.stream);
      if (frame.error === undefined) controller.close();
      else controller.error(new StreamError(frame.error));
    }
  }

  /** The link is gone: every open stream fails. */
  close(): void {
    for (const controller of this.#controllers.values()) {
      controller.error(new StreamError("the connection to the agent was lost"));
    }
    this.#controllers.clear();
  }

  /** Grants the agent new credit for each chunk that the consumer has really taken. */
  #creditor(stream: number): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream<Uint8Array, Uint8Array>(
      {
        transform: (chunk, controller) => {
          controller.enqueue(chunk);
          this.#send({ kind: "streamCredit", stream, bytes: chunk.byteLength });
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
  }
}

/** Gives the bytes for a request; ends early when `signal` aborts. Throws with a clear message. */
export type StreamSource = (
  request: StreamRequest,
  signal: AbortSignal,
) => AsyncIterable<Uint8Array>;

interface ServedStream {
  readonly abort: AbortController;
  creditBytes: number;
  onCredit: (() => void) | undefined;
}

/** The agent's end: serves streams from a source. */
export class StreamServer {
  readonly #send: SendFrame;
  readonly #source: StreamSource;
  readonly #streams = new Map<number, ServedStream>();

  constructor(send: SendFrame, source: StreamSource) {
    this.#send = send;
    this.#source = source;
  }

  take(frame: StreamFrame): void {
    if (frame.kind === "streamOpen") {
      this.#open(frame.stream, frame.request);
      return;
    }
    const served = this.#streams.get(frame.stream);
    if (served === undefined) return;
    if (frame.kind === "streamEnd") served.abort.abort();
    if (frame.kind === "streamCredit") {
      served.creditBytes += frame.bytes;
      served.onCredit?.();
    }
  }

  /** The link is gone: every source is told to stop. */
  close(): void {
    for (const served of this.#streams.values()) served.abort.abort();
  }

  #open(stream: number, request: StreamRequest): void {
    if (this.#streams.size >= MAX_STREAMS) {
      this.#send({ kind: "streamEnd", stream, error: `more than ${MAX_STREAMS} streams are open` });
      return;
    }
    const served: ServedStream = {
      abort: new AbortController(),
      creditBytes: STREAM_WINDOW_BYTES,
      onCredit: undefined,
    };
    this.#streams.set(stream, served);
    // The promise never rejects: `#pump` turns every failure into a streamEnd frame.
    void this.#pump(stream, request, served);
  }

  async #pump(stream: number, request: StreamRequest, served: ServedStream): Promise<void> {
    let error: string | undefined;
    try {
      for await (const chunk of this.#source(request, served.abort.signal)) {
        await this.#credit(served);
        if (served.abort.signal.aborted) break;
        served.creditBytes -= chunk.byteLength;
        this.#send({ kind: "streamData", stream, data: chunk });
      }
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
    }
    this.#streams.delete(stream);
    this.#send({ kind: "streamEnd", stream, error });
  }

  #credit(served: ServedStream): Promise<void> {
    if (served.creditBytes > 0 || served.abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        served.onCredit = undefined;
        served.abort.signal.removeEventListener("abort", wake);
        resolve();
      };
      served.onCredit = wake;
      served.abort.signal.addEventListener("abort", wake);
    });
  }
}
