/**
 * A never-ending RecordIO response with a bounded buffer. A reader who does not keep up is cut at
 * the bound, because the platform itself would let the buffer grow without end.
 */
import type { Flushable } from "../base/coalescer.ts";
import { frameRecord } from "../protocol/recordio.ts";

/** Pieces that wait together are passed on as one up to this size; beyond, copying costs more. */
const JOINED_BYTES_MAX = 64 * 1024;

export interface RecordStreamOptions {
  readonly bufferBytes: number;
  /** Called once when the reader goes away; not on `close`, nor when `send` cuts. */
  onClosed(): void;
  /** Bytes that wait for the reader from which on `room` asks to wait; without them it never does. */
  readonly heldBytes?: number | undefined;
  /** Says when records that were gathered are passed on; without it each goes by itself. */
  readonly writes?: { request(stream: Flushable): void } | undefined;
}

export class RecordStream implements Flushable {
  readonly body: ReadableStream<Uint8Array>;
  readonly #options: RecordStreamOptions;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Bytes queued since a record above the bound, which itself does not count. */
  #countedBytes = 0;
  /** Pieces that wait for `flush`. */
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(options: RecordStreamOptions) {
    this.#options = options;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.#lose(),
        // Called for every piece, which streams that hold nobody back are spared.
        ...(options.heldBytes === undefined ? {} : { pull: () => this.#taken() }),
      },
      { highWaterMark: options.bufferBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  /** Frames and queues one record; false when the stream is over, or has just been cut. */
  send(record: Uint8Array): boolean {
    return this.#controller !== undefined && this.sendFramed(frameRecord(record));
  }

  /** As `send`, for a record that is framed already, in pieces; they may go to several streams. */
  sendFramed(...pieces: readonly Uint8Array<ArrayBuffer>[]): boolean {
    const controller = this.#controller;
    if (controller === undefined) return false;
    const byteCount = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (!this.#hasRoom(controller, byteCount)) {
      this.cut();
      return false;
    }
    this.#gathered.push(...pieces);
    this.#gatheredBytes += byteCount;
    if (this.#options.writes === undefined) this.flush();
    else if (this.#gathered.length === pieces.length) this.#options.writes.request(this);
    return true;
  }

  /** For senders that can wait: until the reader has taken enough, or the stream is over. */
  room(): Promise<void> | undefined {
    if (!this.#isHeld()) return undefined;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Passes on what was sent. */
  flush(): void {
    const pieces = this.#gathered;
    const byteCount = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (this.#controller === undefined || byteCount === 0) return;
    if (byteCount <= JOINED_BYTES_MAX && pieces.length > 1) {
      this.#controller.enqueue(joined(pieces, byteCount));
    } else {
      for (const piece of pieces) this.#controller.enqueue(piece);
    }
  }

  /** Breaks the response off, with what is queued: the reader does not keep up. Safe to repeat. */
  cut(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.error(new Error("the subscriber does not keep up with its events"));
    this.#taken();
  }

  /** Ends the response after what is queued. Safe to repeat. */
  close(): void {
    this.flush();
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.close();
    this.#taken();
  }

  /** The connection broke. Safe to repeat. */
  abort(): void {
    this.#lose();
  }

  /** Any record fits into an empty buffer, and then as much again as fits without it. */
  #hasRoom(controller: ReadableStreamDefaultController<Uint8Array>, byteCount: number): boolean {
    const { bufferBytes } = this.#options;
    const queuedBytes = this.#queuedBytes(controller);
    if (queuedBytes === 0) {
      this.#countedBytes = byteCount > bufferBytes ? 0 : byteCount;
      return true;
    }
    // Readers take the oldest first, so that what is left of the newest bytes counts.
    const countedBytes = Math.min(queuedBytes, this.#countedBytes) + byteCount;
    if (countedBytes > bufferBytes) return false;
    this.#countedBytes = countedBytes;
    return true;
  }

  #queuedBytes(controller: ReadableStreamDefaultController<Uint8Array>): number {
    return this.#options.bufferBytes - (controller.desiredSize ?? 0) + this.#gatheredBytes;
  }

  #isHeld(): boolean {
    const { heldBytes } = this.#options;
    const controller = this.#controller;
    if (controller === undefined || heldBytes === undefined) return false;
    return this.#queuedBytes(controller) >= heldBytes;
  }

  #taken(): void {
    if (this.#isHeld()) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #lose(): void {
    if (this.#controller === undefined) return;
    this.#controller = undefined;
    this.#taken();
    this.#options.onClosed();
  }
}

function joined(pieces: readonly Uint8Array[], byteCount: number): Uint8Array {
  const whole = new Uint8Array(byteCount);
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.byteLength;
  }
  return whole;
}
