/**
 * What an agent could offer, by role and by what a framework understands; worked out once per visit
 * of the agent and shared by all frameworks that see the same. Source: semantics 3.5, 3.6, 4.4.
 */
import type { FrameworkInfoCapabilityType } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import type { AgentRecord } from "./agents.ts";
import type { Client, Minimum } from "./role-tree.ts";

const REVOCABLE = 1;
const SHARED = 2;
const REFINEMENT = 4;
const GPU = 8;

/** The capabilities that decide what a framework may be offered, as bits. */
export function capabilityBits(capabilities: ReadonlySet<FrameworkInfoCapabilityType>): number {
  let bits = 0;
  if (capabilities.has("REVOCABLE_RESOURCES")) bits |= REVOCABLE;
  if (capabilities.has("SHARED_RESOURCES")) bits |= SHARED;
  if (capabilities.has("RESERVATION_REFINEMENT")) bits |= REFINEMENT;
  if (capabilities.has("GPU_RESOURCES")) bits |= GPU;
  return bits;
}

/** Whether the framework may use an agent's GPUs. */
export function isGpuCapable(capabilities: number): boolean {
  return (capabilities & GPU) !== 0;
}

/** Part of an agent that may be offered; unallocated form, kept unchanged. */
export interface Candidate {
  readonly resources: Bundle;
  readonly quantities: ReadonlyMap<string, number>;
  /** Enough by the general minimum. */
  readonly isEnough: boolean;
}

/** Candidates of one agent, valid until something on it is taken. */
export class Candidates {
  readonly #minimum: Minimum;
  readonly #known = new Map<number | string, Candidate>();

  /** `minimum` applies to frameworks that bring none of their own. */
  constructor(minimum: Minimum) {
    this.#minimum = minimum;
  }

  clear(): void {
    this.#known.clear();
  }

  /** What `client` could get of `agent`, or undefined when that is not worth an offer. */
  find(agent: AgentRecord, shared: Bundle, client: Client): Candidate | undefined {
    const candidate = this.#candidate(agent, shared, client);
    if (candidate.resources.isEmpty()) return undefined;
    const isEnough =
      client.minimum === undefined
        ? candidate.isEnough
        : meetsMinimum(candidate.quantities, client.minimum);
    return isEnough ? candidate : undefined;
  }

  /** False when nobody without a minimum of its own can be offered anything of the agent. */
  isWorthwhile(agent: AgentRecord): boolean {
    const quantities = agent.free.scalarTotals();
    for (const [name, milli] of agent.shared.scalarTotals()) {
      quantities.set(name, (quantities.get(name) ?? 0) + milli);
    }
    return meetsMinimum(quantities, this.#minimum);
  }

  #candidate(agent: AgentRecord, shared: Bundle, client: Client): Candidate {
    const bits = client.capabilities;
    const role = client.role.name;
    const key = agent.hasReservations ? `${bits} ${role}` : bits;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const isOfferable = (kind: ResourceKind): boolean =>
      isForRole(kind.reservationRole, role) && isUnderstood(kind, bits);
    const resources = agent.free.filter(isOfferable);
    if (!shared.isEmpty()) resources.add(shared.filter(isOfferable));
    const quantities = resources.scalarTotals();
    const candidate = { resources, quantities, isEnough: meetsMinimum(quantities, this.#minimum) };
    this.#known.set(key, candidate);
    return candidate;
  }
}

/** Reserved resources go to their role and all below it. */
function isForRole(reservationRole: string, role: string): boolean {
  return (
    reservationRole === "*" || reservationRole === role || role.startsWith(`${reservationRole}/`)
  );
}

function isUnderstood(kind: ResourceKind, bits: number): boolean {
  if (kind.isRevocable && (bits & REVOCABLE) === 0) return false;
  if (kind.isShared && (bits & SHARED) === 0) return false;
  return kind.reservations.length <= 1 || (bits & REFINEMENT) !== 0;
}

/** An empty list asks for nothing; otherwise one of its entries has to be there in full. */
function meetsMinimum(quantities: ReadonlyMap<string, number>, minimum: Minimum): boolean {
  if (minimum.length === 0) return true;
  return minimum.some((entry) =>
    Object.entries(entry).every(([name, milli]) => (quantities.get(name) ?? 0) >= milli),
  );
}
