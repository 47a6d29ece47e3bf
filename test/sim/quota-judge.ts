/**
 * Limits of quota, counted anew from the master's books whenever an offer is made: no offer may take
 * a role beyond its limit. Source: semantics 4.3, DESIGN §10.
 */
import type { MasterState } from "../../src/master/core/state.ts";
import type { Offer } from "../../src/protocol/v1/types.ts";
import type { Bundle } from "../../src/resources/bundle.ts";
import type { ResourceKind } from "../../src/resources/kinds.ts";
import type { World } from "./world.ts";

/** Checks one offer that was just made. `quotas` is what the registry holds. */
export function checkLimits(
  world: World,
  state: MasterState,
  quotas: ReadonlyMap<string, { readonly limits: Readonly<Record<string, number>> }>,
  offer: Offer,
): void {
  const top = topOf(offer.allocation_info?.role ?? "*");
  const limits = quotas.get(top)?.limits ?? {};
  for (const [name, limit] of Object.entries(limits)) {
    const isConcerned = (offer.resources ?? []).some(
      (one) =>
        one.name === name &&
        (one.role ?? "*") === "*" &&
        (one.reservations ?? []).length === 0 &&
        one.revocable === undefined,
    );
    if (!isConcerned) continue;
    const milli = consumed(state, top, name);
    world.check(
      milli <= limit,
      () => `${top} was offered ${name} and has ${milli} of its limit ${limit}`,
    );
  }
}

/** All reservations of the role and below, and what of the rest is offered to it or used by it. */
function consumed(state: MasterState, top: string, name: string): number {
  const isReserved = (kind: ResourceKind): boolean =>
    kind.reservations.length > 0 && topOf(kind.reservationRole) === top && !kind.isRevocable;
  const isHeld = (kind: ResourceKind): boolean =>
    kind.reservations.length === 0 &&
    topOf(kind.allocationRole ?? "*") === top &&
    !kind.isRevocable;
  const count = (bundle: Bundle, isCounted: (kind: ResourceKind) => boolean): number =>
    bundle.filter(isCounted).scalarMilli(name);
  let sum = 0;
  for (const agent of state.agents.values()) {
    sum += count(agent.total, isReserved);
    for (const used of agent.used.values()) sum += count(used, isHeld);
    for (const offerId of agent.offers) {
      const offered = state.offers.get(offerId)?.resources;
      if (offered !== undefined) sum += count(offered, isHeld);
    }
  }
  return sum;
}

function topOf(role: string): string {
  return role.split("/")[0] ?? role;
}
