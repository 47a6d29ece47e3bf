/**
 * Byte streams multiplexed on a link, opened by the master's side and served by the agent (files,
 * logs). Each has its own credit window, so that a reader who stops holds up nobody else, and each
 * costs one window of memory at most.
 */
import type { StreamRequest } from "../protocol/link-frames.ts";
import { MAX_STREAMS, STREAM_PIECE_BYTES, STREAM_WINDOW_BYTES } from "../protocol/link-limits.ts";
import type { StreamFrame } from "./channel.ts";

type SendFrame = (frame: StreamFrame) => void;

/** A stream could not be opened, or its far end failed. */
class StreamError extends Error {
  override readonly name: string = "StreamError";
}

interface OpenStream {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  receivedBytes: number;
  creditedBytes: number;
}

/** The master's end: opens streams and reads them. */
export class StreamReader {
  readonly #send: SendFrame;
  readonly #streams = new Map<number, OpenStream>();
  #nextStream = 1;
  #isClosed = false;

  constructor(send: SendFrame) {
    this.#send = send;
  }

  /** Opens a stream; cancelling the result ends it at the agent. It fails with a `StreamError`. */
  open(request: StreamRequest): ReadableStream<Uint8Array> {
    if (this.#isClosed) return failedStream(LINK_LOST);
    if (this.#streams.size >= MAX_STREAMS) {
      return failedStream(`${MAX_STREAMS} streams are open to this agent; try again later`);
    }
    const stream = this.#nextStream++;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#streams.set(stream, { controller, receivedBytes: 0, creditedBytes: 0 });
          this.#send({ kind: "streamOpen", stream, request });
        },
        pull: () => this.#grant(stream),
        cancel: () => this.#forget(stream),
      },
      { highWaterMark: STREAM_WINDOW_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  /** Takes a frame of the agent. Frames of streams that are over are in flight still; ignored. */
  take(frame: StreamFrame): void {
    const open = this.#streams.get(frame.stream);
    if (open === undefined) return;
    if (frame.kind === "streamData") this.#receive(frame.stream, open, frame.data);
    if (frame.kind === "streamEnd") {
      this.#streams.delete(frame.stream);
      if (frame.error === undefined) open.controller.close();
      else open.controller.error(new StreamError(frame.error));
    }
  }

  /** The link is gone: every open stream fails, and so does each one opened later. */
  close(): void {
    this.#isClosed = true;
    for (const open of this.#streams.values()) open.controller.error(new StreamError(LINK_LOST));
    this.#streams.clear();
  }

  #receive(stream: number, open: OpenStream, data: Uint8Array): void {
    // An empty chunk would take memory and no credit.
    if (data.byteLength === 0) return;
    if (queuedBytes(open) + data.byteLength > STREAM_WINDOW_BYTES + STREAM_PIECE_BYTES) {
      open.controller.error(new StreamError("the agent sent more than it was asked for"));
      this.#forget(stream);
      return;
    }
    open.receivedBytes += data.byteLength;
    open.controller.enqueue(data);
  }

  /** Gives credit for what the consumer has really taken, in parts worth a frame. */
  #grant(stream: number): void {
    const open = this.#streams.get(stream);
    if (open === undefined) return;
    const bytes = open.receivedBytes - queuedBytes(open) - open.creditedBytes;
    if (bytes < STREAM_WINDOW_BYTES / 4) return;
    open.creditedBytes += bytes;
    this.#send({ kind: "streamCredit", stream, bytes });
  }

  #forget(stream: number): void {
    if (!this.#streams.delete(stream)) return;
    this.#send({ kind: "streamEnd", stream, error: undefined });
  }
}

const LINK_LOST = "the connection to the agent was lost";

function queuedBytes(open: OpenStream): number {
  return STREAM_WINDOW_BYTES - (open.controller.desiredSize ?? STREAM_WINDOW_BYTES);
}

function failedStream(message: string): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(new StreamError(message)),
  });
}

/**
 * Gives the bytes for a request. Once `signal` aborts it must end soon, also while it waits for
 * more; what it throws goes to the reader as it stands.
 */
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
    const served = this.#streams.get(frame.stream);
    if (frame.kind === "streamOpen") {
      if (served === undefined) this.#open(frame.stream, frame.request);
      return;
    }
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
      const error = `${MAX_STREAMS} streams are open to this agent; try again later`;
      this.#send({ kind: "streamEnd", stream, error });
      return;
    }
    const served: ServedStream = {
      abort: new AbortController(),
      creditBytes: STREAM_WINDOW_BYTES,
      onCredit: undefined,
    };
    this.#streams.set(stream, served);
    // The promise never rejects: `#serve` turns every failure into a streamEnd frame.
    void this.#serve(stream, request, served);
  }

  async #serve(stream: number, request: StreamRequest, served: ServedStream): Promise<void> {
    let error: string | undefined;
    try {
      await this.#pump(stream, request, served);
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
    }
    this.#streams.delete(stream);
    this.#send({ kind: "streamEnd", stream, error });
  }

  async #pump(stream: number, request: StreamRequest, served: ServedStream): Promise<void> {
    const { signal } = served.abort;
    for await (const chunk of this.#source(request, signal)) {
      for (let start = 0; start < chunk.byteLength; start += STREAM_PIECE_BYTES) {
        if (served.creditBytes <= 0) await creditOf(served);
        if (signal.aborted) return;
        const data = chunk.subarray(start, start + STREAM_PIECE_BYTES);
        served.creditBytes -= data.byteLength;
        this.#send({ kind: "streamData", stream, data });
      }
      if (signal.aborted) return;
    }
  }
}

/** Resolves when there is credit again, or the stream is aborted. */
function creditOf(served: ServedStream): Promise<void> {
  const { signal } = served.abort;
  return new Promise((resolve) => {
    const wake = (): void => {
      if (served.creditBytes <= 0 && !signal.aborted) return;
      served.onCredit = undefined;
      signal.removeEventListener("abort", wake);
      resolve();
    };
    served.onCredit = wake;
    signal.addEventListener("abort", wake);
    wake();
  });
}
