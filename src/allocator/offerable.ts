/**
 * What a client could be offered of an agent if quota were no matter, worked out once per turn of
 * the agent for all clients that see the same. Source: semantics 2.9, 2.10, 3.5, 3.6, 4.4.
 */
import type { FrameworkInfoCapabilityType } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import type { AgentRecord } from "./agents.ts";
import { type Minimum, meets } from "./minimum.ts";
import type { Client } from "./role-tree.ts";

const REVOCABLE = 1;
const SHARED = 2;
const REFINEMENT = 4;
/** What decides which resources of an agent a client sees. */
const SIGHT = REVOCABLE | SHARED | REFINEMENT;
const NO_ROLES: readonly string[] = [];
const GPU = 8;
const REGION_AWARE = 16;
const MULTI_ROLE = 32;
const HIERARCHICAL = 64;

/** What a framework understands and its role is like, as bits. */
export function clientBits(
  capabilities: ReadonlySet<FrameworkInfoCapabilityType>,
  role: string,
): number {
  let bits = role.includes("/") ? HIERARCHICAL : 0;
  if (capabilities.has("REVOCABLE_RESOURCES")) bits |= REVOCABLE;
  if (capabilities.has("SHARED_RESOURCES")) bits |= SHARED;
  if (capabilities.has("RESERVATION_REFINEMENT")) bits |= REFINEMENT;
  if (capabilities.has("GPU_RESOURCES")) bits |= GPU;
  if (capabilities.has("REGION_AWARE")) bits |= REGION_AWARE;
  if (capabilities.has("MULTI_ROLE")) bits |= MULTI_ROLE;
  return bits;
}

/** What decides about all agents. */
export interface AgentRules {
  readonly isGpuFiltered: boolean;
  readonly masterRegion: string | undefined;
}

/** Sets the bits that the agent needs and refuses; true when they are others than before. */
export function setAgentBits(
  agent: AgentRecord,
  { isGpuFiltered, masterRegion }: AgentRules,
): boolean {
  const { region, capabilities } = agent;
  const isRemote = region !== undefined && masterRegion !== undefined && region !== masterRegion;
  let needed = isRemote ? REGION_AWARE : 0;
  if (isGpuFiltered && agent.total.scalarMilli("gpus") > 0) needed |= GPU;
  let refused = 0;
  if (capabilities?.has("MULTI_ROLE") === false) refused |= MULTI_ROLE;
  if (capabilities?.has("HIERARCHICAL_ROLE") === false) refused |= HIERARCHICAL;
  const isSame = needed === agent.neededBits && refused === agent.refusedBits;
  agent.neededBits = needed;
  agent.refusedBits = refused;
  return !isSame;
}

/** Whether the agent may be offered to the client at all. */
export function mayUse(agent: AgentRecord, client: Client): boolean {
  const { bits, constraint } = client;
  if ((agent.neededBits & ~bits) !== 0 || (agent.refusedBits & bits) !== 0) return false;
  return constraint === undefined || constraint.admits(agent);
}

/** Which rule keeps the agent from the client; undefined when it may be offered (`mayUse`). */
export function refusalOf(
  agent: AgentRecord,
  client: Client,
): "agentCapability" | "gpuRule" | "remoteRegion" | "constraint" | undefined {
  if (mayUse(agent, client)) return undefined;
  const missing = agent.neededBits & ~client.bits;
  if ((agent.refusedBits & client.bits) !== 0) return "agentCapability";
  if ((missing & GPU) !== 0) return "gpuRule";
  return (missing & REGION_AWARE) !== 0 ? "remoteRegion" : "constraint";
}

/** Part of an agent that may be offered; unallocated form, not to be changed. */
export interface Candidate {
  readonly resources: Bundle;
  /** Enough by the general minimum. */
  readonly isEnough: boolean;
}

/** Candidates of one agent, valid until something on it is taken. */
export class Offerable {
  readonly #minimum: Minimum;
  readonly #known = new Map<number | string, Candidate>();
  /** What everybody sees, where everybody sees the same. */
  #only: Candidate | undefined = undefined;
  /** The one before, which is the same for agents that are alike. */
  #lastOnly: Candidate | undefined = undefined;
  #agent: AgentRecord | undefined = undefined;
  /** Shared volumes that may still be offered. */
  #shared: Bundle | undefined = undefined;
  #reservationRoles: readonly string[] = NO_ROLES;

  /** `minimum` applies to frameworks that bring none of their own. */
  constructor(minimum: Minimum) {
    this.#minimum = minimum;
  }

  /**
   * To be called when a turn begins, and after each offer. `shared` are the shared volumes that may
   * still be offered.
   */
  look(agent: AgentRecord, shared: Bundle | undefined): void {
    this.#agent = agent;
    this.#shared = shared;
    this.#only = undefined;
    if (this.#known.size > 0) this.#known.clear();
    const { hasReservations, hasRevocable } = agent.free.summary();
    const hasShared = shared?.isEmpty() === false;
    const isPlain = !hasReservations && !hasShared;
    this.#reservationRoles = isPlain ? NO_ROLES : reservationRolesOf(agent.free, shared);
    if (!isPlain || hasRevocable) return;
    if (this.#lastOnly?.resources.isCopyOf(agent.free) !== true) {
      // A copy, since the agent's own changes as soon as it is taken.
      const resources = agent.free.clone();
      this.#lastOnly = { resources, isEnough: meets(this.#minimum, resources.summary()) };
    }
    this.#only = this.#lastOnly;
  }

  /** What `client` could get; without anything unshared when there is nothing for it. */
  candidateFor(client: Client): Candidate {
    if (this.#only !== undefined) return this.#only;
    const bits = client.bits & SIGHT;
    const { role } = client;
    const owners = this.#reservationRoles.filter((owner) => isWithin(role, owner));
    const key = owners.length === 0 ? bits : `${bits} ${owners.join(" ")}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#candidate(bits, role);
      this.#known.set(key, known);
    }
    return known;
  }

  #candidate(bits: number, role: string): Candidate {
    const isOfferable = (kind: ResourceKind): boolean => {
      const { reservationRole } = kind;
      return (reservationRole === "*" || isWithin(role, reservationRole)) && isSeen(kind, bits);
    };
    const resources = this.#agent?.free.filter(isOfferable);
    if (resources === undefined) throw new Error("no agent is looked at");
    if (this.#shared?.isEmpty() === false) resources.add(this.#shared.filter(isOfferable));
    return { resources, isEnough: meets(this.#minimum, resources.summary()) };
  }
}

/** Whether `role` is `owner` or below it: reserved resources go to their role and all below. */
export function isWithin(role: string, owner: string): boolean {
  return role === owner || (role.startsWith(owner) && role[owner.length] === "/");
}

function isSeen(kind: ResourceKind, bits: number): boolean {
  if (kind.isRevocable && (bits & REVOCABLE) === 0) return false;
  if (kind.isShared && (bits & SHARED) === 0) return false;
  return kind.reservations.length <= 1 || (bits & REFINEMENT) !== 0;
}

/** Roles that some of the resources are reserved to, each once. */
function reservationRolesOf(...bundles: readonly (Bundle | undefined)[]): string[] {
  const roles = new Set<string>();
  for (const bundle of bundles) {
    for (const { reservationRole } of bundle?.presentKinds() ?? []) roles.add(reservationRole);
  }
  roles.delete("*");
  return [...roles];
}
