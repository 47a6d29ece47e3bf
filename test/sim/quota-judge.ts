/**
 * Quota and shares, counted anew from the master's books: no offer may take a role beyond its limit,
 * and the allocator charges each role what it has. What may be taken back at any time counts for its
 * share and not for its quota. Source: semantics 4.2, 4.3, 8.3, DESIGN §10.
 */
import type { Allocator } from "../../src/allocator/allocator.ts";
import type { AgentEntry, MasterState } from "../../src/master/core/state.ts";
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

/** Roles that frameworks of a simulation are in, and those above them. */
const ROLES = ["*", "web", "web/db", "batch"];
const NAMES = ["cpus", "mem", "disk"];
/** Of two ways to divide the same numbers. */
const SHARE_TOLERANCE = 1e-9;

/** Checks what the allocator charges for. */
export function checkCharges(world: World, state: MasterState, allocator: Allocator): void {
  for (const role of ROLES) {
    if (role === topOf(role)) {
      const charged = allocator.quotaConsumed(role);
      for (const name of NAMES) {
        const milli = consumed(state, role, name);
        world.check(
          (charged.get(name) ?? 0) === milli,
          () => `${role} consumes ${milli} of ${name} and is charged ${charged.get(name)}`,
        );
      }
    }
    const share = shareOf(state, role);
    const counted = allocator.roleShare(role);
    world.check(
      Math.abs(share - counted) < SHARE_TOLERANCE,
      () => `the share of ${role} is ${share}, and counted as ${counted}`,
    );
  }
}

/** Of what there is the most it has of anything; a shared volume is there once on each agent. */
function shareOf(state: MasterState, role: string): number {
  const held = new Map<string, number>();
  const total = new Map<string, number>();
  for (const agent of state.agents.values()) {
    addTo(total, agent.total);
    const own = agent.total.filter(() => false);
    for (const bundle of heldOn(state, agent)) {
      const part = bundle.filter((kind) => isWithin(kind.allocationRole ?? "*", role));
      own.add(part.withoutAllocation());
    }
    addTo(held, own);
  }
  const parts = [...held].map(([name, milli]) => milli / (total.get(name) ?? milli));
  return Math.max(0, ...parts) / (state.policy.weights.get(role) ?? 1);
}

function addTo(sums: Map<string, number>, bundle: Bundle): void {
  for (const [name, milli] of bundle.scalarTotals()) {
    sums.set(name, (sums.get(name) ?? 0) + milli);
  }
}

/** Used and offered; allocated form. */
function* heldOn(state: MasterState, agent: AgentEntry): Generator<Bundle> {
  yield* agent.used.values();
  for (const offerId of agent.offers) {
    const offered = state.offers.get(offerId)?.resources;
    if (offered !== undefined) yield offered;
  }
}

function isWithin(role: string, top: string): boolean {
  return role === top || role.startsWith(`${top}/`);
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
    for (const held of heldOn(state, agent)) sum += count(held, isHeld);
  }
  return sum;
}

function topOf(role: string): string {
  return role.split("/")[0] ?? role;
}
