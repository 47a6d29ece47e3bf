/**
 * A never-ending RecordIO response with a bounded buffer. A reader who does not keep up is cut at
 * the bound, because the platform itself would let the buffer grow without end.
 */
import { frameRecord } from "../protocol/recordio.ts";

export class RecordStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #bufferBytes: number;
  readonly #onClosed: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Bytes queued since a record above the bound, which itself does not count. */
  #countedBytes = 0;

  /** `onClosed` is called once when the reader goes away; not on `close`, nor when `send` cuts. */
  constructor(options: { readonly bufferBytes: number; readonly onClosed: () => void }) {
    this.#bufferBytes = options.bufferBytes;
    this.#onClosed = options.onClosed;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.#lose(),
      },
      { highWaterMark: this.#bufferBytes, size: (chunk) => chunk?.byteLength ?? 0 },
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
    for (const piece of pieces) controller.enqueue(piece);
    return true;
  }

  /** Breaks the response off, with what is queued: the reader does not keep up. Safe to repeat. */
  cut(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.error(new Error("the subscriber does not keep up with its events"));
  }

  /** Ends the response after what is queued. Safe to repeat. */
  close(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.close();
  }

  /** The connection broke. Safe to repeat. */
  abort(): void {
    this.#lose();
  }

  /** Any record fits into an empty buffer, and then as much again as fits without it. */
  #hasRoom(controller: ReadableStreamDefaultController<Uint8Array>, byteCount: number): boolean {
    const queuedBytes = this.#bufferBytes - (controller.desiredSize ?? 0);
    if (queuedBytes === 0) {
      this.#countedBytes = byteCount > this.#bufferBytes ? 0 : byteCount;
      return true;
    }
    // Readers take the oldest first, so that what is left of the newest bytes counts.
    const countedBytes = Math.min(queuedBytes, this.#countedBytes) + byteCount;
    if (countedBytes > this.#bufferBytes) return false;
    this.#countedBytes = countedBytes;
    return true;
  }

  #lose(): void {
    if (this.#controller === undefined) return;
    this.#controller = undefined;
    this.#onClosed();
  }
}
