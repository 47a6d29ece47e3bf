/** SUBSCRIBE of the operator API: a stream of what happens. Source: reference/http-api.md 6.3. */
import { type Document, JsonDocument, MessageDocument } from "../../master/core/views/document.ts";
import { describeSubscribed } from "../../master/core/views/v1.ts";
import { visibleEvent } from "../../master/core/views/visible-event.ts";
import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { OperatorSink } from "../../master/runtime/ports.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { MediaType } from "../../protocol/media-types.ts";
import { frameRecord, recordHeader } from "../../protocol/recordio.ts";
import type { MasterEvent } from "../../protocol/v1/types.ts";
import type { Viewer } from "../../security/viewer.ts";
import { STREAM_BUFFER_BYTES } from "../limits.ts";
import type { PacedReads } from "../paced-reads.ts";
import { RecordStream } from "../record-stream.ts";

export interface EventStreamOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly reads: PacedReads;
  readonly mediaType: MediaType;
  readonly viewer: Viewer;
}

/** Answers with a stream that begins with the whole state. */
export function openEventStream(options: EventStreamOptions, request: Request): Response {
  const { runtime, mediaType } = options;
  let body: ReadableStream<Uint8Array> | undefined;
  runtime.operatorSubscribe((streamId) => {
    const stream = new RecordStream({
      bufferBytes: STREAM_BUFFER_BYTES,
      writes: runtime.writes,
      onClosed: () => runtime.operatorStreamClosed(streamId),
    });
    request.signal.addEventListener("abort", () => stream.abort());
    body = stream.body;
    return new EventStream(options, stream, request.signal);
  });
  return new Response(body ?? null, { headers: { "Content-Type": mediaType } });
}

/** Holds back what happens while the state is being written, up to the bound of the stream. */
class EventStream implements OperatorSink {
  readonly #options: EventStreamOptions;
  readonly #stream: RecordStream;
  readonly #signal: AbortSignal;
  /** Undefined once the state is written. */
  #held: Uint8Array<ArrayBuffer>[] | undefined = [];
  #heldBytes = 0;

  constructor(options: EventStreamOptions, stream: RecordStream, signal: AbortSignal) {
    this.#options = options;
    this.#stream = stream;
    this.#signal = signal;
  }

  get encoding(): string {
    const { mediaType, viewer } = this.#options;
    return `${mediaType} ${viewer.key}`;
  }

  encode(event: MasterEvent): Uint8Array<ArrayBuffer> | undefined {
    const { runtime, viewer } = this.#options;
    const seen = visibleEvent(runtime.state, viewer, event);
    return seen === undefined ? undefined : frameRecord(this.#encodeEvent(seen));
  }

  begin(): void {
    this.#writeState().catch(() => this.#stream.cut());
  }

  write(record: Uint8Array<ArrayBuffer>): boolean {
    if (this.#held === undefined) return this.#stream.sendFramed(record);
    this.#heldBytes += record.byteLength;
    if (this.#heldBytes > STREAM_BUFFER_BYTES) {
      this.#stream.cut();
      return false;
    }
    this.#held.push(record);
    return true;
  }

  close(): void {
    this.#stream.close();
  }

  /** The length of a record stands before it, so that its pieces are gathered first. */
  async #writeState(): Promise<void> {
    const { reads, mediaType: contentType, viewer } = this.#options;
    const key = `SUBSCRIBE ${contentType} ${viewer.key}`;
    const make = (): Document => this.#document();
    const answer = await reads.respond({ key, contentType, make }, this.#signal);
    if (!answer.ok || answer.body === null)
      throw new Error(`the state is not read: ${answer.status}`);
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let byteCount = 0;
    for await (const piece of answer.body) {
      pieces.push(piece);
      byteCount += piece.byteLength;
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#stream.sendFramed(recordHeader(byteCount), ...pieces);
    for (const record of held) this.#stream.sendFramed(record);
  }

  #document(): Document {
    const { runtime, mediaType, viewer } = this.#options;
    const state = visibleState(runtime.state, viewer);
    if (mediaType === "application/json") {
      const json = new JsonDocument<MasterEvent>();
      describeSubscribed(json, state);
      return json.end();
    }
    const message = new MessageDocument<MasterEvent>();
    describeSubscribed(message, state);
    return message.encoded((part) => this.#encodeEvent(part));
  }

  #encodeEvent(event: MasterEvent): Uint8Array<ArrayBuffer> {
    const { codec, mediaType } = this.#options;
    return codec.encode("mesos.v1.master.Event", mediaType, event);
  }
}
