/** `POST /api/v1/scheduler`: reference/http-api.md 2.2 (order of checks) and 4. */

import type { StreamId } from "../../base/ids.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { type MediaType, responseMediaType } from "../../protocol/media-types.ts";
import type {
  SchedulerCall,
  SchedulerCallSubscribe,
  SchedulerEvent,
} from "../../protocol/v1/types.ts";
import { validateSchedulerCall } from "../../protocol/validation/scheduler-call.ts";
import type { Caller } from "../authentication.ts";
import { readCall } from "../body.ts";
import { STREAM_BUFFER_BYTES } from "../limits.ts";
import type { LiveMetrics } from "../metrics/live-metrics.ts";
import { RecordStream } from "../record-stream.ts";
import { emptyResponse, methodNotAllowed, refusalResponse, textResponse } from "../responses.ts";

const STREAM_ID_HEADER = "Mesos-Stream-Id";

export interface SchedulerApiOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly live: LiveMetrics;
}

/** Answers one request of a scheduler. */
export async function handleSchedulerCall(
  options: SchedulerApiOptions,
  request: Request,
  { principal }: Caller,
): Promise<Response> {
  const { codec, live } = options;
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const decoded = await readCall(request, codec, "mesos.v1.scheduler.Call");
  if (!decoded.ok) return refusalResponse(decoded.error);
  const call = validateSchedulerCall(decoded.value, principal);
  if (!call.ok) return refusalResponse(call.error);
  return await live.timed("scheduler", call.value.type, () =>
    answerCall(options, call.value, request, principal),
  );
}

async function answerCall(
  { runtime, codec }: SchedulerApiOptions,
  call: SchedulerCall,
  request: Request,
  principal: string | undefined,
): Promise<Response> {
  const streamId = request.headers.get(STREAM_ID_HEADER) ?? undefined;
  if (call.type === "SUBSCRIBE" && call.subscribe !== undefined) {
    const mediaType = responseMediaType(request.headers.get("accept"));
    if (!mediaType.ok) return refusalResponse(mediaType.error);
    if (streamId !== undefined) {
      return textResponse(
        400,
        `Subscribe calls should not include the '${STREAM_ID_HEADER}' header`,
      );
    }
    const subscription = { subscribe: { ...call.subscribe }, principal };
    return openStream(runtime, codec, request, subscription, mediaType.value);
  }
  if (call.type === "RECONCILE_OPERATIONS") {
    const mediaType = responseMediaType(request.headers.get("accept"));
    if (!mediaType.ok) return refusalResponse(mediaType.error);
  }
  const outcome = await runtime.call(call, streamId, principal);
  if (!outcome.ok) return refusalResponse(outcome.error);
  return emptyResponse(call.type === "UPDATE_FRAMEWORK" ? 200 : 202);
}

interface Subscription extends Caller {
  readonly subscribe: SchedulerCallSubscribe;
}

function openStream(
  runtime: MasterRuntime,
  codec: Codec,
  request: Request,
  { subscribe, principal }: Subscription,
  mediaType: MediaType,
): Response {
  let body: ReadableStream<Uint8Array> | undefined;
  const makeSink = (
    streamId: StreamId,
  ): { send(event: SchedulerEvent): boolean; close(): void } => {
    const stream = new RecordStream({
      bufferBytes: STREAM_BUFFER_BYTES,
      writes: runtime.writes,
      onClosed: () => runtime.streamClosed(streamId),
    });
    request.signal.addEventListener("abort", () => stream.abort());
    body = stream.body;
    return {
      send: (event) => stream.send(codec.encode("mesos.v1.scheduler.Event", mediaType, event)),
      close: () => stream.close(),
    };
  };
  const streamId = runtime.subscribe(makeSink, subscribe, principal);
  return new Response(body ?? null, {
    headers: { "Content-Type": mediaType, [STREAM_ID_HEADER]: streamId },
  });
}
