/** `POST /api/v1/executor` of the agent: reference/http-api.md 2.2 (order of checks) and 5. */
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import type { ExecutorStream } from "../../agent/runtime/ports.ts";
import type { Codec } from "../../protocol/codec.ts";
import { type MediaType, responseMediaType } from "../../protocol/media-types.ts";
import type { ExecutorCall } from "../../protocol/v1/types.ts";
import type { Caller } from "../authentication.ts";
import { readCall } from "../body.ts";
import { STREAM_BUFFER_BYTES } from "../limits.ts";
import { RecordStream } from "../record-stream.ts";
import { emptyResponse, methodNotAllowed, refusalResponse, textResponse } from "../responses.ts";

/** Answers one request of a custom executor. */
export async function handleExecutorCall(
  runtime: AgentRuntime,
  codec: Codec,
  request: Request,
  { claims }: Caller,
): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const call = await readCall(request, codec, "mesos.v1.executor.Call");
  if (!call.ok) return refusalResponse(call.error);
  if (call.value.type === undefined) {
    return textResponse(400, "Failed to validate Executor::Call: Expecting 'type' to be present");
  }
  if (call.value.type === "HEARTBEAT") return emptyResponse(202);
  const payload = missingPayload(call.value);
  if (payload !== undefined) {
    return textResponse(
      400,
      `Failed to validate Executor::Call: Expecting '${payload}' to be present`,
    );
  }
  if (call.value.type === "SUBSCRIBE") {
    const mediaType = responseMediaType(request.headers.get("accept"));
    if (!mediaType.ok) return refusalResponse(mediaType.error);
    if (!isOwn(runtime, call.value, claims)) return textResponse(403, FOREIGN);
    return await openStream(runtime, codec, call.value, mediaType.value, request.signal);
  }
  if (runtime.state.phase === "recovering") {
    return textResponse(503, "Agent has not finished recovery");
  }
  if (!isOwn(runtime, call.value, claims)) return textResponse(403, FOREIGN);
  const outcome = await runtime.executorCall(call.value, undefined);
  if (outcome.ok) return emptyResponse(202);
  const { code, message, field } = outcome.error;
  if (code !== "invalid" || field === undefined) return refusalResponse(outcome.error);
  return textResponse(400, `Failed to validate Executor::Call: ${message}`);
}

const FOREIGN = "The token in the request is not the executor's own";

/** An unknown executor has no token to compare with; the call itself is refused then. */
function isOwn(
  { state }: AgentRuntime,
  { framework_id: { value: fid }, executor_id: { value: eid } }: ExecutorCall,
  claims: Caller["claims"],
): boolean {
  const executor = state.frameworks.get(fid)?.executors.get(eid);
  if (claims === undefined || executor === undefined) return true;
  return claims.fid === fid && claims.eid === eid && claims.cid === executor.containerId;
}

function missingPayload(call: ExecutorCall): string | undefined {
  if (call.type === "SUBSCRIBE" && call.subscribe === undefined) return "subscribe";
  if (call.type === "UPDATE" && call.update === undefined) return "update";
  if (call.type === "MESSAGE" && call.message === undefined) return "message";
  return undefined;
}

async function openStream(
  runtime: AgentRuntime,
  codec: Codec,
  call: ExecutorCall,
  mediaType: MediaType,
  signal: AbortSignal,
): Promise<Response> {
  const records = new RecordStream({
    bufferBytes: STREAM_BUFFER_BYTES,
    onClosed: () => runtime.executorDisconnected(call, stream),
  });
  const stream: ExecutorStream = {
    send: (event) => records.send(codec.encode("mesos.v1.executor.Event", mediaType, event)),
    close: () => records.close(),
  };
  signal.addEventListener("abort", () => records.abort());
  const outcome = await runtime.executorCall(call, stream);
  if (!outcome.ok) return refusalResponse(outcome.error);
  return new Response(records.body, { headers: { "Content-Type": mediaType } });
}
