/** `POST /api/v1` of the master: reference/http-api.md 2.2 (order of checks) and 6. */

import { visibleState } from "../../master/core/views/visible-state.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { type MediaType, responseMediaType } from "../../protocol/media-types.ts";
import type { MasterCall, MasterResponse } from "../../protocol/v1/types.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Caller } from "../authentication.ts";
import { readCall } from "../body.ts";
import type { PacedReads } from "../paced-reads.ts";
import { processCall } from "../process-calls.ts";
import type { ProcessFacts } from "../process-facts.ts";
import {
  emptyResponse,
  encodedResponse,
  methodNotAllowed,
  refusalResponse,
  textResponse,
} from "../responses.ts";
import { openEventStream } from "./event-stream.ts";
import { longRead } from "./long-reads.ts";
import { readState } from "./operator-reads.ts";

type CallType = NonNullable<MasterCall["type"]>;

export interface OperatorApiOptions {
  readonly runtime: MasterRuntime;
  readonly codec: Codec;
  readonly facts: ProcessFacts;
  readonly reads: PacedReads;
}

/** Answers one operator request. */
export async function handleMasterCall(
  options: OperatorApiOptions,
  request: Request,
  caller: Caller,
): Promise<Response> {
  const { runtime, codec } = options;
  if (!runtime.state.isRecovered) return textResponse(503, "Master has not finished recovery");
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const decoded = await readCall(request, codec, "mesos.v1.master.Call");
  if (!decoded.ok) return refusalResponse(decoded.error);
  const call = decoded.value;
  const { type } = call;
  const fault = faultOfCall(call);
  if (fault !== undefined || type === undefined) {
    return textResponse(400, `Failed to validate master::Call: ${fault ?? ""}`);
  }
  const mediaType = responseMediaType(request.headers.get("accept"));
  if (!mediaType.ok) return refusalResponse(mediaType.error);
  if (type === "UNKNOWN") return textResponse(501, "Call type UNKNOWN means nothing");
  return await options.facts.live.timed("operator", type, () =>
    answerCall(options, call, { type, mediaType: mediaType.value, request, caller }),
  );
}

interface Asked {
  readonly type: CallType;
  readonly mediaType: MediaType;
  readonly request: Request;
  readonly caller: Caller;
}

async function answerCall(
  { runtime, codec, facts, reads }: OperatorApiOptions,
  call: MasterCall,
  { type, mediaType, request, caller }: Asked,
): Promise<Response> {
  const viewer = new Viewer(facts.acls, caller.principal);
  if (type === "SUBSCRIBE") {
    return openEventStream({ runtime, codec, reads, mediaType, viewer }, request);
  }
  const answer = (payload: Omit<MasterResponse, "type">): Response =>
    encode(codec, mediaType, { type: type as MasterResponse["type"], ...payload });
  const long = longRead(type);
  if (long !== undefined) {
    const make = () => long({ runtime, codec, mediaType, viewer });
    const read = { key: `${type} ${mediaType} ${viewer.key}`, contentType: mediaType, make };
    return await reads.respond(read, request.signal);
  }
  const read = readState(() => visibleState(runtime.state, viewer), type);
  if (read !== undefined) return answer(read);
  const common = await processCall(facts, type, call, caller);
  if (common === undefined) return await change(runtime, call, caller);
  if (!common.ok) return refusalResponse(common.error);
  return common.value === "empty" ? emptyResponse(200) : answer(common.value);
}

function encode(codec: Codec, mediaType: MediaType, response: MasterResponse): Response {
  const body = codec.encode("mesos.v1.master.Response", mediaType, response);
  return encodedResponse(mediaType, body);
}

/** Calls that are complete with their type. All others carry a message named after it. */
const BARE_CALLS: ReadonlySet<CallType> = new Set<CallType>([
  "UNKNOWN",
  "GET_HEALTH",
  "GET_FLAGS",
  "GET_VERSION",
  "GET_LOGGING_LEVEL",
  "GET_STATE",
  "GET_AGENTS",
  "GET_FRAMEWORKS",
  "GET_EXECUTORS",
  "GET_OPERATIONS",
  "GET_TASKS",
  "GET_ROLES",
  "GET_WEIGHTS",
  "GET_MASTER",
  "SUBSCRIBE",
  "GET_MAINTENANCE_STATUS",
  "GET_MAINTENANCE_SCHEDULE",
  "GET_QUOTA",
]);

function faultOfCall(call: MasterCall): string | undefined {
  if (call.type === undefined) return "Expecting 'type' to be present";
  if (BARE_CALLS.has(call.type)) return undefined;
  const field = call.type.toLowerCase();
  const isThere = (call as Readonly<Record<string, unknown>>)[field] !== undefined;
  return isThere ? undefined : `Expecting '${field}' to be present`;
}

/** Resource operations are only accepted for now: the agent carries them out (http-api 2.3). */
const ACCEPTED_CALLS: ReadonlySet<CallType> = new Set<CallType>([
  "RESERVE_RESOURCES",
  "UNRESERVE_RESOURCES",
  "CREATE_VOLUMES",
  "DESTROY_VOLUMES",
  "GROW_VOLUME",
  "SHRINK_VOLUME",
]);

/** Carries out a call that changes something and answers without a body. */
export async function change(
  runtime: MasterRuntime,
  call: MasterCall,
  { principal }: Caller,
): Promise<Response> {
  const outcome = await runtime.operatorCall(call, principal);
  if (!outcome.ok) return refusalResponse(outcome.error);
  return emptyResponse(call.type !== undefined && ACCEPTED_CALLS.has(call.type) ? 202 : 200);
}
