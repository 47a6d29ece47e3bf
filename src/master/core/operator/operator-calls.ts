/**
 * State-changing operator calls of the v1 API. Each is judged first, then made durable where it must
 * outlive the master, then takes effect, and only then answered. Source: http-api 6.2.
 */
import { brand, type FrameworkId } from "../../../base/ids.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import type { MasterCall } from "../../../protocol/v1/types.ts";
import { denialOfCall } from "../authorization.ts";
import type { MasterContext } from "../context.ts";
import { removeFramework } from "../frameworks.ts";
import type { MasterInput } from "../inputs.ts";
import { deactivate, drain, markGone, reactivate } from "./agents.ts";
import { startMaintenance, stopMaintenance, updateSchedule } from "./maintenance.ts";
import { removeQuota, setQuota, updateQuota } from "./quota.ts";
import { operatorOperation } from "./resources.ts";
import { answer, type OperatorRequest } from "./settle.ts";
import { updateWeights } from "./weights.ts";

type Input = Extract<MasterInput, { readonly kind: "operatorCall" }>;

/** What a call does: it answers at once, or leaves the answer to its commit. */
type Handler = (
  ctx: MasterContext,
  call: MasterCall,
  request: OperatorRequest,
) => Result<void> | "later";

const HANDLERS: Partial<Record<NonNullable<MasterCall["type"]>, Handler>> = {
  TEARDOWN: (ctx, call) => teardown(ctx, call.teardown?.framework_id.value),
  UPDATE_MAINTENANCE_SCHEDULE: (ctx, { update_maintenance_schedule: payload }, request) =>
    withPayload(payload, "update_maintenance_schedule", ({ schedule }) =>
      updateSchedule(ctx, schedule, request),
    ),
  START_MAINTENANCE: (ctx, { start_maintenance: payload }, request) =>
    withPayload(payload, "start_maintenance", ({ machines }) =>
      startMaintenance(ctx, machines ?? [], request),
    ),
  STOP_MAINTENANCE: (ctx, { stop_maintenance: payload }, request) =>
    withPayload(payload, "stop_maintenance", ({ machines }) =>
      stopMaintenance(ctx, machines ?? [], request),
    ),
  UPDATE_QUOTA: (ctx, { update_quota: payload }, request) =>
    withPayload(payload, "update_quota", (update) => updateQuota(ctx, update, request)),
  SET_QUOTA: (ctx, { set_quota: payload }, request) =>
    withPayload(payload, "set_quota", ({ quota_request }) => setQuota(ctx, quota_request, request)),
  REMOVE_QUOTA: (ctx, { remove_quota: payload }, request) =>
    withPayload(payload, "remove_quota", ({ role }) => removeQuota(ctx, role, request)),
  UPDATE_WEIGHTS: (ctx, { update_weights: payload }, request) =>
    withPayload(payload, "update_weights", ({ weight_infos: infos }) =>
      updateWeights(ctx, infos ?? [], request),
    ),
  DRAIN_AGENT: (ctx, { drain_agent: payload }, request) =>
    withPayload(payload, "drain_agent", (order) => drain(ctx, order, request)),
  DEACTIVATE_AGENT: (ctx, { deactivate_agent: payload }, request) =>
    withPayload(payload, "deactivate_agent", ({ agent_id: id }) =>
      deactivate(ctx, id.value, request),
    ),
  REACTIVATE_AGENT: (ctx, { reactivate_agent: payload }, request) =>
    withPayload(payload, "reactivate_agent", ({ agent_id: id }) =>
      reactivate(ctx, id.value, request),
    ),
  MARK_AGENT_GONE: (ctx, { mark_agent_gone: payload }, request) =>
    withPayload(payload, "mark_agent_gone", ({ agent_id: id }) => markGone(ctx, id.value, request)),
  RESERVE_RESOURCES: operatorOperation,
  UNRESERVE_RESOURCES: operatorOperation,
  CREATE_VOLUMES: operatorOperation,
  DESTROY_VOLUMES: operatorOperation,
  GROW_VOLUME: operatorOperation,
  SHRINK_VOLUME: operatorOperation,
};

/** Carries out one call and answers it once. */
export function operatorCall(ctx: MasterContext, input: Input): void {
  const { requestId, call, principal } = input;
  const handler = call.type === undefined ? undefined : HANDLERS[call.type];
  const outcome = !ctx.state.isRecovered
    ? refuse("notReady", "Master has not finished recovery")
    : handler === undefined
      ? refuse("notImplemented", `${call.type} is not implemented by this version of allot`)
      : (denialOfCall(ctx, principal, call) ?? handler(ctx, call, { requestId, principal }));
  if (outcome !== "later") answer(ctx, requestId, outcome);
}

function teardown(ctx: MasterContext, frameworkId: string | undefined): Result<void> {
  if (frameworkId === undefined) return missing("teardown");
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(frameworkId));
  if (framework === undefined || framework.isLeaving) {
    const message = "No framework found with specified ID; `allot frameworks` lists them";
    return refuse("invalid", message, "framework_id");
  }
  removeFramework(ctx, framework, "an operator tore it down");
  return ok(undefined);
}

function withPayload<Payload>(
  payload: Payload | undefined,
  field: string,
  act: (payload: Payload) => Result<void> | "later",
): Result<void> | "later" {
  return payload === undefined ? missing(field) : act(payload);
}

function missing(field: string): Result<void> {
  const message = `Failed to validate master::Call: Expecting '${field}' to be present`;
  return refuse("invalid", message, field);
}
