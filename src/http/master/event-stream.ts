/** SUBSCRIBE of the operator API: a stream of what happens. Source: reference/http-api.md 6.3. */
import { subscribedEvent } from "../../master/core/views/v1.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { OperatorSink } from "../../master/runtime/ports.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { MediaType } from "../../protocol/media-types.ts";
import { frameRecord } from "../../protocol/recordio.ts";
import type { MasterEvent } from "../../protocol/v1/types.ts";
import { STREAM_BUFFER_BYTES } from "../limits.ts";
import { RecordStream } from "../record-stream.ts";

/** Answers with a stream that begins with the whole state. */
export function openEventStream(
  runtime: MasterRuntime,
  codec: Codec,
  request: Request,
  mediaType: MediaType,
): Response {
  const encode = (event: MasterEvent): Uint8Array<ArrayBuffer> =>
    frameRecord(codec.encode("mesos.v1.master.Event", mediaType, event));
  let body: ReadableStream<Uint8Array> | undefined;
  runtime.operatorSubscribe((streamId): OperatorSink => {
    const stream = new RecordStream({
      bufferBytes: STREAM_BUFFER_BYTES,
      onClosed: () => runtime.operatorStreamClosed(streamId),
    });
    request.signal.addEventListener("abort", () => stream.abort());
    body = stream.body;
    return {
      encoding: mediaType,
      encode,
      encodeSnapshot: (state) => encode(subscribedEvent(state)),
      write: (record) => stream.sendFramed(record),
      close: () => stream.close(),
    };
  });
  return new Response(body ?? null, { headers: { "Content-Type": mediaType } });
}
