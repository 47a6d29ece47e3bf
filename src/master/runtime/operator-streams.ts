/**
 * The open event streams of operators. An event is encoded once for all streams of an encoding, and
 * not at all while nobody listens. Which stream gets what is the core's decision.
 */
import type { StreamId } from "../../base/ids.ts";
import type { MasterEvent } from "../../protocol/v1/types.ts";
import type { OperatorSink } from "./ports.ts";

export class OperatorStreams {
  /** Opened, and not begun: what happens before their snapshot is in it. */
  readonly #waiting = new Map<StreamId, OperatorSink>();
  readonly #sinks = new Map<StreamId, OperatorSink>();
  readonly #onCut: (streamId: StreamId) => void;

  /** `onCut` hears of each stream that did not keep up. */
  constructor(onCut: (streamId: StreamId) => void) {
    this.#onCut = onCut;
  }

  /** The stream gets nothing before its snapshot. */
  open(streamId: StreamId, sink: OperatorSink): void {
    this.#waiting.set(streamId, sink);
  }

  /** Forgets a stream whose reader is gone; false when it was not there. */
  forget(streamId: StreamId): boolean {
    return this.#waiting.delete(streamId) || this.#sinks.delete(streamId);
  }

  /** To one stream that has begun. */
  send(streamId: StreamId, event: MasterEvent): void {
    const sink = this.#sinks.get(streamId);
    if (sink !== undefined) this.#write(streamId, sink, sink.encode(event));
  }

  /** The stream gets its snapshot, and from here on what happens. */
  begin(streamId: StreamId): void {
    const sink = this.#waiting.get(streamId);
    if (sink === undefined) return;
    this.#waiting.delete(streamId);
    this.#sinks.set(streamId, sink);
    sink.begin();
  }

  /** To every stream that has begun. */
  publish(event: MasterEvent): void {
    const records = new Map<string, Uint8Array<ArrayBuffer> | undefined>();
    for (const [streamId, sink] of this.#sinks) {
      const { encoding } = sink;
      if (!records.has(encoding)) records.set(encoding, sink.encode(event));
      this.#write(streamId, sink, records.get(encoding));
    }
  }

  /** Ends a response after what is queued. */
  close(streamId: StreamId): void {
    (this.#sinks.get(streamId) ?? this.#waiting.get(streamId))?.close();
    this.forget(streamId);
  }

  closeAll(): void {
    for (const streams of [this.#waiting, this.#sinks]) {
      for (const sink of streams.values()) sink.close();
      streams.clear();
    }
  }

  #write(
    streamId: StreamId,
    sink: OperatorSink,
    record: Uint8Array<ArrayBuffer> | undefined,
  ): void {
    if (record === undefined || sink.write(record)) return;
    this.#sinks.delete(streamId);
    this.#onCut(streamId);
  }
}
