/**
 * Operators' reservations and volumes: offers that are in the way are withdrawn, then the operation
 * is applied as a framework's would be. Source: semantics 5 (operator API), http-api 6.2.
 */
import { type AgentId, brand } from "../../../base/ids.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import type { MasterCall, OfferOperation } from "../../../protocol/v1/types.ts";
import { denialOfOperation, forbidden } from "../authorization.ts";
import type { MasterContext } from "../context.ts";
import { withHeldVolumes } from "../held-volumes.ts";
import { faultOfOperation, normalizeOperation } from "../operation-validation.ts";
import {
  applyOperation,
  bundlesOf,
  makeRoom,
  rescindOffersWith,
  takenFrom,
  volumeInUse,
} from "../operations.ts";
import type { OperatorRequest } from "./settle.ts";

/** Refusals: `invalid`, `forbidden`, and `conflict` when the agent's free resources do not suffice. */
export function operatorOperation(
  ctx: MasterContext,
  call: MasterCall,
  { principal }: OperatorRequest,
): Result<void> {
  const order = orderOf(call);
  if (!order.ok) return order;
  const { agentId, operation } = order.value;
  const agent = ctx.state.agents.get(agentId);
  if (agent?.linkId === undefined) {
    const message = "No agent found with specified ID; `allot agents` lists them";
    return refuse("invalid", message, "agent_id");
  }
  const info = withHeldVolumes(agent, normalizeOperation(operation, undefined));
  const candidate = { agent, framework: undefined, role: undefined, principal, operation: info };
  const invalid = (why: string): Result<void> =>
    refuse("invalid", `Invalid ${info.type} operation on agent ${agentId}: ${why}`);
  const fault = faultOfOperation(candidate);
  if (fault !== undefined) return invalid(fault);
  const denial = denialOfOperation(ctx, principal, info);
  if (denial !== undefined) return forbidden(denial);
  const bundles = bundlesOf(ctx, info, takenFrom(agent.total, agent));
  if (!bundles.ok) {
    return bundles.error.code === "conflict" ? bundles : invalid(bundles.error.message);
  }
  const { consumed } = bundles.value;
  if (info.type === "DESTROY") {
    const used = volumeInUse(agent, consumed);
    if (used !== undefined) return invalid(`volume '${used}' is used by a task`);
  }
  const room = makeRoom(ctx, agent, consumed.withoutAllocation());
  if (!room.ok) return room;
  // Every offer of a shared volume, which stays free whoever holds it.
  if (info.type === "DESTROY") rescindOffersWith(ctx, agent, consumed.withoutAllocation());
  applyOperation(ctx, agent, undefined, info, bundles.value);
  return ok(undefined);
}

interface Order {
  readonly agentId: AgentId;
  readonly operation: OfferOperation;
}

function orderOf(call: MasterCall): Result<Order> {
  const { reserve_resources, unreserve_resources, create_volumes, destroy_volumes } = call;
  const { grow_volume, shrink_volume } = call;
  switch (call.type) {
    case "RESERVE_RESOURCES":
      if (reserve_resources === undefined) break;
      return order(reserve_resources.agent_id, { type: "RESERVE", reserve: reserve_resources });
    case "UNRESERVE_RESOURCES":
      if (unreserve_resources === undefined) break;
      return order(unreserve_resources.agent_id, {
        type: "UNRESERVE",
        unreserve: unreserve_resources,
      });
    case "CREATE_VOLUMES":
      if (create_volumes === undefined) break;
      return order(create_volumes.agent_id, { type: "CREATE", create: create_volumes });
    case "DESTROY_VOLUMES":
      if (destroy_volumes === undefined) break;
      return order(destroy_volumes.agent_id, { type: "DESTROY", destroy: destroy_volumes });
    case "GROW_VOLUME":
      if (grow_volume === undefined) break;
      return order(grow_volume.agent_id, { type: "GROW_VOLUME", grow_volume });
    case "SHRINK_VOLUME":
      if (shrink_volume === undefined) break;
      return order(shrink_volume.agent_id, { type: "SHRINK_VOLUME", shrink_volume });
    default:
  }
  const field = call.type?.toLowerCase() ?? "type";
  const message = `Failed to validate master::Call: Expecting '${field}' to be present`;
  return refuse("invalid", message, field);
}

function order(
  agentId: { readonly value: string } | undefined,
  operation: OfferOperation,
): Result<Order> {
  if (agentId === undefined) {
    const remedy = "only agent default resources are supported right now";
    return refuse("invalid", `Expecting 'agent_id' to be present; ${remedy}`, "agent_id");
  }
  return ok({ agentId: brand<AgentId>(agentId.value), operation });
}
