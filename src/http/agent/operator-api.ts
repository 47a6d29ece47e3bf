/**
 * `POST /api/v1` of the agent, in the order of checks of reference/http-api.md 2.2: what the calls
 * are is in 7.1 to 7.4. Those about containers may come, and be answered, in streams.
 */
import {
  getAgent,
  getExecutors,
  getFrameworks,
  getOperations,
  getState,
  getTasks,
} from "../../agent/core/views/v1-views.ts";
import { visibleAgentState } from "../../agent/core/views/visible-state.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
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
import { type AnswerForm, answerForm, RECORD_IO } from "./answer-form.ts";
import { answerAttachInput, answerContainerCall } from "./container-api.ts";
import { containerCallOf } from "./container-calls.ts";
import { visibleContainers } from "./containers.ts";
import { imageCall } from "./image-calls.ts";
import type { ProcessIoOptions } from "./process-io.ts";
import { providerCall } from "./provider-calls.ts";

export interface OperatorApiOptions extends ProcessIoOptions {
  readonly facts: ProcessFacts;
}

/** Answers one operator request. */
export async function handleAgentCall(
  options: OperatorApiOptions,
  request: Request,
  caller: Caller,
): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed(request.method);
  if (request.headers.get("content-type") === RECORD_IO) {
    return await answerAttachInput(options, request, caller);
  }
  const call = await readCall(request, options.codec, "mesos.v1.agent.Call");
  if (!call.ok) return refusalResponse(call.error);
  if (request.headers.has("message-content-type")) {
    const text = "Expecting 'Message-Content-Type' to be not set for requests that do not stream";
    return textResponse(415, text);
  }
  const form = answerForm(request.headers);
  if (!form.ok) return refusalResponse(form.error);
  const fault = faultOf(call.value);
  if (fault !== undefined) return fault;
  const isStreamed = STREAMED.has(call.value.type ?? "");
  if (form.value.isRecordIo && !isStreamed) {
    const text = `Streaming response is not supported for ${call.value.type ?? ""} call`;
    return textResponse(406, text);
  }
  return await answer(options, { call: call.value, form: form.value, request, caller });
}

/** Calls that are answered with a stream. */
const STREAMED: ReadonlySet<string> = new Set([
  "LAUNCH_NESTED_CONTAINER_SESSION",
  "ATTACH_CONTAINER_OUTPUT",
]);

/** Calls that carry nothing, or need not. */
const PAYLOAD_FREE: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "GET_HEALTH",
  "GET_FLAGS",
  "GET_VERSION",
  "GET_LOGGING_LEVEL",
  "GET_STATE",
  "GET_CONTAINERS",
  "GET_FRAMEWORKS",
  "GET_EXECUTORS",
  "GET_OPERATIONS",
  "GET_TASKS",
  "GET_AGENT",
  "GET_RESOURCE_PROVIDERS",
  "PRUNE_IMAGES",
]);

function faultOf(call: AgentCall): Response | undefined {
  const { type } = call;
  if (type === undefined) {
    return textResponse(400, "Failed to validate agent::Call: Expecting 'type' to be present");
  }
  const payload = { ...call } as Readonly<Record<string, unknown>>;
  const missing =
    missingPayload(payload) ??
    (PAYLOAD_FREE.has(type) || payload[type.toLowerCase()] !== undefined
      ? undefined
      : type.toLowerCase());
  if (missing !== undefined) {
    const reason = `Expecting '${missing}' to be present`;
    return textResponse(400, `Failed to validate agent::Call: ${reason}`);
  }
  if (type !== "ATTACH_CONTAINER_INPUT") return undefined;
  return textResponse(415, `Expecting 'Content-Type' of ${RECORD_IO} for ${type} call`);
}

interface Asked {
  readonly call: AgentCall;
  readonly form: AnswerForm;
  readonly request: Request;
  readonly caller: Caller;
}

async function answer(options: OperatorApiOptions, asked: Asked): Promise<Response> {
  const { call, form, request, caller } = asked;
  const { codec } = options;
  const containerCall = containerCallOf(call);
  if (!containerCall.ok) return refusalResponse(containerCall.error);
  if (containerCall.value !== undefined) {
    const wanted = { type: call.type, call: containerCall.value, form, request, caller };
    return await answerContainerCall(options, wanted);
  }
  const outcome = await answerTo(options, call, caller);
  if (!outcome.ok) return refusalResponse(outcome.error);
  if (outcome.value === "empty") return emptyResponse(200);
  const { mediaType } = form;
  return encodedResponse(
    mediaType,
    codec.encode("mesos.v1.agent.Response", mediaType, outcome.value),
  );
}

async function answerTo(
  { runtime, facts }: OperatorApiOptions,
  call: AgentCall,
  caller: Caller,
): Promise<Result<AgentResponse | "empty">> {
  const { type } = call;
  const own = await read({ runtime, facts }, call, new Viewer(facts.acls, caller.principal));
  if (own !== undefined) return ok(own);
  const common =
    (await imageCall(runtime, facts.acls, call, caller)) ??
    providerCall(facts.acls, call, caller) ??
    (await processCall(facts, type ?? "", call, caller));
  if (common === undefined) {
    return refuse("notImplemented", `${type} is not implemented by this version of allot`);
  }
  if (!common.ok || common.value === "empty") return common as Result<"empty">;
  return ok({ type: type as AgentResponse["type"], ...common.value });
}

async function read(
  { runtime }: Pick<OperatorApiOptions, "runtime" | "facts">,
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
    case "GET_OPERATIONS":
      return getOperations(state, viewer);
    case "GET_AGENT":
      return getAgent(state);
    case "GET_CONTAINERS":
      return {
        type: "GET_CONTAINERS",
        get_containers: {
          containers: (
            await visibleContainers(runtime, viewer, {
              isNestedShown: call.get_containers?.show_nested === true,
              isStandaloneShown: call.get_containers?.show_standalone === true,
            })
          ).map(({ container }) => container),
        },
      };
    default:
      return undefined;
  }
}
