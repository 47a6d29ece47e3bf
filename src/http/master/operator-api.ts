/** `POST /api/v1` of the master: the operator calls of reference/http-api.md 6.1 that exist so far. */

import {
  getMaintenanceSchedule,
  getMaintenanceStatus,
  getOperations,
  getQuota,
  getWeights,
} from "../../master/core/views/policy.ts";
import {
  getAgents,
  getExecutors,
  getFrameworks,
  getMaster,
  getRoles,
  getState,
  getTasks,
} from "../../master/core/views/v1.ts";
import type { MasterRuntime } from "../../master/runtime/master-runtime.ts";
import type { Codec } from "../../protocol/codec.ts";
import { responseMediaType } from "../../protocol/media-types.ts";
import type { MasterCall, MasterResponse } from "../../protocol/v1/types.ts";
import { readCall } from "../body.ts";
import type { ProcessFacts } from "../process-facts.ts";
import {
  emptyResponse,
  encodedResponse,
  methodNotAllowed,
  refusalResponse,
  textResponse,
} from "../responses.ts";
import { openEventStream } from "./event-stream.ts";

/** Answers one operator request. */
export async function handleMasterCall(
  runtime: MasterRuntime,
  codec: Codec,
  facts: ProcessFacts,
  request: Request,
): Promise<Response> {
  if (request.method !== "POST") return methodNotAllowed(request.method);
  const call = await readCall(request, codec, "mesos.v1.master.Call");
  if (!call.ok) return refusalResponse(call.error);
  if (call.value.type === undefined) {
    return textResponse(400, "Failed to validate master::Call: Expecting 'type' to be present");
  }
  const mediaType = responseMediaType(request.headers.get("accept"));
  if (!mediaType.ok) return refusalResponse(mediaType.error);
  if (call.value.type === "SUBSCRIBE") {
    if (runtime.state.isRecovered) return openEventStream(runtime, codec, request, mediaType.value);
    return textResponse(503, "Master has not finished recovery");
  }
  const missing = missingPayload(call.value);
  if (missing !== undefined) return missing;
  const answer = read(runtime, facts, call.value.type);
  if (answer === undefined) return await change(runtime, call.value);
  const response: MasterResponse = { type: call.value.type as MasterResponse["type"], ...answer };
  return encodedResponse(
    mediaType.value,
    codec.encode("mesos.v1.master.Response", mediaType.value, response),
  );
}

function missingPayload(call: MasterCall): Response | undefined {
  if (call.type === "GET_METRICS" && call.get_metrics === undefined) {
    return textResponse(
      400,
      "Failed to validate master::Call: Expecting 'get_metrics' to be present",
    );
  }
  return undefined;
}

/** Resource operations are only accepted for now: the agent carries them out (http-api 2.3). */
const ACCEPTED_CALLS: ReadonlySet<MasterCall["type"]> = new Set([
  "RESERVE_RESOURCES",
  "UNRESERVE_RESOURCES",
  "CREATE_VOLUMES",
  "DESTROY_VOLUMES",
  "GROW_VOLUME",
  "SHRINK_VOLUME",
]);

async function change(runtime: MasterRuntime, call: MasterCall): Promise<Response> {
  const outcome = await runtime.operatorCall(call, undefined);
  if (!outcome.ok) return refusalResponse(outcome.error);
  return emptyResponse(ACCEPTED_CALLS.has(call.type) ? 202 : 200);
}

function read(
  runtime: MasterRuntime,
  facts: ProcessFacts,
  type: MasterCall["type"],
): Omit<MasterResponse, "type"> | undefined {
  const { state } = runtime;
  switch (type) {
    case "GET_HEALTH":
      return { get_health: { healthy: true } };
    case "GET_VERSION":
      return { get_version: { version_info: facts.version } };
    case "GET_FLAGS":
      return {
        get_flags: { flags: Object.entries(facts.flags).map(([name, value]) => ({ name, value })) },
      };
    case "GET_METRICS":
      return {
        get_metrics: {
          metrics: Object.entries(facts.metrics()).map(([name, value]) => ({ name, value })),
        },
      };
    case "GET_STATE":
      return { get_state: getState(state) };
    case "GET_AGENTS":
      return { get_agents: getAgents(state) };
    case "GET_FRAMEWORKS":
      return { get_frameworks: getFrameworks(state) };
    case "GET_TASKS":
      return { get_tasks: getTasks(state) };
    case "GET_EXECUTORS":
      return { get_executors: getExecutors(state) };
    case "GET_ROLES":
      return { get_roles: getRoles(state) };
    case "GET_WEIGHTS":
      return { get_weights: getWeights(state) };
    case "GET_QUOTA":
      return { get_quota: getQuota(state) };
    case "GET_MAINTENANCE_SCHEDULE":
      return { get_maintenance_schedule: getMaintenanceSchedule(state) };
    case "GET_MAINTENANCE_STATUS":
      return { get_maintenance_status: getMaintenanceStatus(state) };
    case "GET_OPERATIONS":
      return { get_operations: getOperations(state) };
    case "GET_MASTER":
      return { get_master: getMaster(state) };
    default:
      return undefined;
  }
}
