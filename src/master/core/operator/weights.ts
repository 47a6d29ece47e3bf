/** Weights of roles: UPDATE_WEIGHTS. Source: semantics 4.10 (`src/master/weights_handler.cpp`). */
import { type Result, refuse } from "../../../base/result.ts";
import type { WeightInfo } from "../../../protocol/v1/types.ts";
import type { RoleWeight } from "../../../registry/core/registry-state.ts";
import type { MasterContext } from "../context.ts";
import { WEIGHT_ROLES_MAX } from "../limits.ts";
import { firstFault } from "../message-validation.ts";
import { doomOffer, endDoomedOffers, RESCINDED } from "../offers.ts";
import { faultOfNamedRole } from "./named-role.ts";
import { type OperatorRequest, plannedPolicy, settlePolicy } from "./settle.ts";

/** Refusals: `invalid`. An empty list is fine and changes nothing. */
export function updateWeights(
  ctx: MasterContext,
  infos: readonly WeightInfo[],
  request: OperatorRequest,
): Result<void> | "later" {
  const weights = infos.map(({ role, weight }) => ({ role: (role ?? "").trim(), weight }));
  const fault =
    firstFault(weights, (info) => faultOfWeight(ctx, info)) ?? faultOfNumber(ctx, weights);
  if (fault !== undefined) {
    return refuse("invalid", `Failed to validate update weights request JSON: ${fault}`);
  }
  const operation = { kind: "updateWeights", weights } as const;
  return settlePolicy(ctx, operation, request, { kind: "weights", weights });
}

/**
 * Durable: shares are other ones now, so that every offer is made anew if frameworks or tasks of
 * such a role are there to feel it.
 */
export function weightsCommitted(ctx: MasterContext, weights: readonly RoleWeight[]): void {
  ctx.allocator.updateWeights(weights);
  const roles = new Set(weights.map(({ role }) => role));
  if (!isTracked(ctx, roles)) return;
  for (const offer of ctx.state.offers.values()) doomOffer(ctx, offer, RESCINDED);
  endDoomedOffers(ctx);
}

function faultOfWeight(ctx: MasterContext, { role, weight }: RoleWeight): string | undefined {
  const bad = faultOfNamedRole(ctx, role);
  if (bad !== undefined) return bad;
  if (weight > 0 && Number.isFinite(weight)) return undefined;
  return `weight ${weight} of role '${role}' must be a number above 0`;
}

function faultOfNumber(ctx: MasterContext, weights: readonly RoleWeight[]): string | undefined {
  const roles = new Set(plannedPolicy(ctx).weights.keys());
  for (const { role } of weights) roles.add(role);
  if (roles.size <= WEIGHT_ROLES_MAX) return undefined;
  return `${roles.size} roles would have a weight; at most ${WEIGHT_ROLES_MAX} may`;
}

function isTracked({ state }: MasterContext, roles: ReadonlySet<string>): boolean {
  for (const framework of state.frameworks.values()) {
    if (framework.roles.some((role) => roles.has(role))) return true;
  }
  return [...roles].some((role) => state.tally.roles.has(role));
}
