/** `POST /api/v1` of the agent: the operator calls of reference/http-api.md 7.1 that exist so far. */

import {
  getAgent,
  getExecutors,
  getFrameworks,
  getState,
  getTasks,
} from "../../agent/core/views/v1-views.ts";
import { visibleAgentState } from "../../agent/core/views/visible-state.ts";
import type { AgentRuntime } from "../../agent/runtime/agent-runtime.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Codec } from "../../protocol/codec.ts";
import { responseMediaType } from "../../protocol/media-types.ts";
import type { AgentCall, AgentResponse } from "../../protocol/v1/types.ts";
import { Viewer } from "../../security/viewer.ts";
import type { Caller } from "../authentication.ts";
import { readCall } from "../body.ts";
import { missingPayload, processCall } from "../process-calls.ts";
import type { ProcessFacts } from "../process-facts.ts";
import {
  emptyResponse,
  encodedResponse,
  methodNotAllowed,
  refusalResponse,
  textResponse,
} from "../responses.ts";
import { visibleContainers } from "./containers.ts";

/** Answers one operator request. */
export async function handleAgentCall(
  runtime: AgentRuntime,
  codec: Codec,
  facts: ProcessFacts,
  request: Request,
  caller: Caller,
): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const call = await readCall(request, codec, "mesos.v1.agent.Call");
  if (!call.ok) return refusalResponse(call.error);
  if (call.value.type === undefined) {
    return textResponse(400, "Failed to validate agent::Call: Expecting 'type' to be present");
  }
  const missing = missingPayload({ ...call.value });
  if (missing !== undefined) {
    const reason = `Expecting '${missing}' to be present`;
    return textResponse(400, `Failed to validate agent::Call: ${reason}`);
  }
  const mediaType = responseMediaType(request.headers.get("accept"));
  if (!mediaType.ok) return refusalResponse(mediaType.error);
  const answer = await answerTo(runtime, facts, call.value, caller);
  if (!answer.ok) return refusalResponse(answer.error);
  if (answer.value === "empty") return emptyResponse(200);
  return encodedResponse(
    mediaType.value,
    codec.encode("mesos.v1.agent.Response", mediaType.value, answer.value),
  );
}

async function answerTo(
  runtime: AgentRuntime,
  facts: ProcessFacts,
  call: AgentCall,
  caller: Caller,
): Promise<Result<AgentResponse | "empty">> {
  const { type } = call;
  const own = await read(runtime, call, new Viewer(facts.acls, caller.principal));
  if (own !== undefined) return ok(own);
  const common = await processCall(facts, type ?? "", call, caller);
  if (common === undefined) {
    return refuse("notImplemented", `${type} is not implemented by this version of allot`);
  }
  if (!common.ok || common.value === "empty") return common as Result<"empty">;
  return ok({ type: type as AgentResponse["type"], ...common.value });
}

async function read(
  runtime: AgentRuntime,
  call: AgentCall,
  viewer: Viewer,
): Promise<AgentResponse | undefined> {
  const state = visibleAgentState(runtime.state, viewer);
  switch (call.type) {
    case "GET_STATE":
      return getState(state);
    case "GET_TASKS":
      return getTasks(state);
    case "GET_EXECUTORS":
      return getExecutors(state);
    case "GET_FRAMEWORKS":
      return getFrameworks(state);
    case "GET_AGENT":
      return getAgent(state);
    case "GET_CONTAINERS":
      return {
        type: "GET_CONTAINERS",
        get_containers: { containers: await visibleContainers(runtime, viewer) },
      };
    default:
      return undefined;
  }
}
