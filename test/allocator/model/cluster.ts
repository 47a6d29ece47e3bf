/**
 * What the model remembers: the facts as they were told, and nothing that could be worked out from
 * them. Names are bare strings; a client is `framework role`.
 */
import type { AgentInfoCapabilityType } from "../../../src/protocol/v1/types.ts";
import {
  type Amounts,
  addTo,
  isQuotaKey,
  isWithin,
  partOf,
  prefixesOf,
  sumsOf,
} from "./amounts.ts";

export type Vector = Readonly<Record<string, number>>;

/** What an attribute of an agent, or its place, has to be. */
export interface ModelConstraint {
  /** HOSTNAME, REGION or ZONE; all else is the name of an attribute. */
  readonly on: string;
  readonly test: "exists" | "equals" | "matches";
  readonly text: string;
  readonly isNegated: boolean;
}

export interface ModelFramework {
  readonly roles: readonly string[];
  readonly suppressed: Set<string>;
  readonly capabilities: ReadonlySet<string>;
  /** Thousandths by role; any one vector is enough, none at all asks for nothing. */
  readonly minimums: ReadonlyMap<string, readonly Vector[]>;
  /** By role: groups, of which one must hold in full. */
  readonly constraints: ReadonlyMap<string, readonly (readonly ModelConstraint[])[]>;
  isActive: boolean;
}

export interface ModelAttribute {
  readonly name: string;
  /** Undefined: not a text. */
  readonly text: string | undefined;
}

export interface ModelAgentFacts {
  readonly hostname: string;
  readonly attributes: readonly ModelAttribute[];
  readonly region: string | undefined;
  readonly zone: string;
  readonly capabilities: ReadonlySet<AgentInfoCapabilityType>;
}

export interface ModelAgent {
  facts: ModelAgentFacts;
  total: Amounts;
  isActive: boolean;
  /** By client. */
  readonly held: Map<string, Map<string, number>>;
}

export interface ModelQuota {
  readonly guarantees: Amounts;
  readonly limits: Amounts;
}

export interface ModelOffer {
  readonly frameworkId: string;
  readonly role: string;
  readonly agentId: string;
  readonly amounts: Amounts;
}

interface Refusal {
  readonly client: string;
  readonly agentId: string;
  readonly amounts: Amounts;
  readonly endMs: number;
}

export interface ModelOptions {
  readonly minimum: readonly Vector[];
  readonly intervalMs: number;
  readonly excluded: ReadonlySet<string>;
  readonly isGpuFiltered: boolean;
  /** Of the master. */
  readonly region: string | undefined;
}

/** Live refusals that are kept per client and agent. */
const REFUSALS_MAX = 32;

export class Cluster {
  readonly options: ModelOptions;
  readonly frameworks: Map<string, ModelFramework> = new Map();
  /** In the order of arrival. */
  readonly agents: Map<string, ModelAgent> = new Map();
  readonly weights: Map<string, number> = new Map();
  /** Of top-level roles. */
  readonly quotas: Map<string, ModelQuota> = new Map();
  /** Hostnames; undefined lets all in. */
  whitelist: ReadonlySet<string> | undefined = undefined;
  /** Allocations by `client …`, `role …` or `branch …`. */
  readonly #counts = new Map<string, number>();
  #refusals: Refusal[] = [];

  constructor(options: ModelOptions) {
    this.options = options;
  }

  agent(id: string): ModelAgent {
    const agent = this.agents.get(id);
    if (agent === undefined) throw new Error(`the model has no agent ${id}`);
    return agent;
  }

  /** Its resources may be offered. */
  isOpen(agentId: string): boolean {
    const { isActive, facts } = this.agent(agentId);
    return isActive && (this.whitelist === undefined || this.whitelist.has(facts.hostname));
  }

  /** What is on an agent and nobody holds; shared volumes are there whoever holds them. */
  free(agentId: string): Map<string, number> {
    const agent = this.agent(agentId);
    const free = new Map(agent.total);
    for (const held of agent.held.values()) {
      for (const [key, milli] of held) {
        if (!partOf(key).isShared) free.set(key, (free.get(key) ?? 0) - milli);
        else if (!free.has(key)) throw new Error(`agent ${agentId} lacks the shared ${key}`);
      }
    }
    for (const [key, milli] of free) {
      if (milli < 0) throw new Error(`agent ${agentId} is overcommitted in ${key}`);
      if (milli === 0) free.delete(key);
    }
    return free;
  }

  hold(agentId: string, client: string, amounts: Amounts): void {
    const { held } = this.agent(agentId);
    const own = held.get(client) ?? new Map<string, number>();
    addTo(own, amounts);
    held.set(client, own);
    const role = roleOf(client);
    const names = [`client ${client}`, `role ${role}`];
    for (const path of prefixesOf(role)) names.push(`branch ${path}`);
    for (const name of names) this.#counts.set(name, this.countOf(name) + 1);
  }

  /** Something comes back; refused, when `refuseMs` is more than 0 and the framework still asks. */
  recover(offer: ModelOffer, refuseMs: number, nowMs: number): void {
    const { frameworkId, role, agentId, amounts } = offer;
    const client = `${frameworkId} ${role}`;
    const { held } = this.agent(agentId);
    const own = held.get(client) ?? new Map<string, number>();
    for (const [key, milli] of amounts) {
      const left = (own.get(key) ?? 0) - milli;
      if (left > 0) own.set(key, left);
      else own.delete(key);
    }
    if (own.size === 0) held.delete(client);
    const framework = this.frameworks.get(frameworkId);
    if (refuseMs > 0 && framework?.isActive === true && framework.roles.includes(role)) {
      const endMs = nowMs + Math.max(refuseMs, this.options.intervalMs);
      this.#refusals.push({ client, agentId, amounts, endMs });
      this.#forgetOne(client, agentId, nowMs);
    }
  }

  /** Of too many live refusals of one client and agent the one that ends first is forgotten. */
  #forgetOne(client: string, agentId: string, nowMs: number): void {
    const own = this.#refusals.filter(
      (refusal) =>
        refusal.client === client && refusal.agentId === agentId && refusal.endMs > nowMs,
    );
    if (own.length <= REFUSALS_MAX) return;
    const first = own.reduce((a, b) => (b.endMs < a.endMs ? b : a));
    this.#refusals = this.#refusals.filter((refusal) => refusal !== first);
  }

  isRefused(client: string, agentId: string, amounts: Amounts, nowMs: number): boolean {
    return this.#refusals.some(
      (refusal) =>
        refusal.client === client &&
        refusal.agentId === agentId &&
        refusal.endMs > nowMs &&
        [...amounts].every(([key, milli]) => (refusal.amounts.get(key) ?? 0) >= milli),
    );
  }

  clearRefusals(isCleared: (frameworkId: string, role: string, agentId: string) => boolean): void {
    this.#refusals = this.#refusals.filter(
      ({ client, agentId }) => !isCleared(frameworkOf(client), roleOf(client), agentId),
    );
  }

  countOf(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** To be called after each event: what nobody has a part in any more starts from nothing later. */
  forgetCounts(): void {
    const names = new Set<string>();
    for (const client of this.clients()) {
      names.add(`client ${client}`).add(`role ${roleOf(client)}`);
      for (const path of prefixesOf(roleOf(client))) names.add(`branch ${path}`);
    }
    for (const name of [...this.#counts.keys()]) if (!names.has(name)) this.#counts.delete(name);
  }

  /** Frameworks in roles they subscribe to or hold something for. */
  clients(): Set<string> {
    const clients = new Set<string>();
    for (const [id, { roles }] of this.frameworks)
      for (const role of roles) clients.add(`${id} ${role}`);
    for (const { held } of this.agents.values())
      for (const client of held.keys()) clients.add(client);
    return clients;
  }

  /** What counts against the quota of `role`: its reservations, and what of the rest is held. */
  consumed(role: string): Map<string, number> {
    const sums = new Map<string, number>();
    for (const agent of this.agents.values()) {
      for (const [key, milli] of agent.total) {
        const { stack, isRevocable } = partOf(key);
        const owner = stack.at(-1);
        if (owner === undefined || isRevocable || !isWithin(owner, role)) continue;
        addTo(sums, sumsOf(new Map([[key, milli]])));
      }
      for (const [client, held] of agent.held) {
        if (!isWithin(roleOf(client), role)) continue;
        addTo(sums, sumsOf(new Map([...held].filter(([key]) => isQuotaKey(key)))));
      }
    }
    return sums;
  }
}

export function roleOf(client: string): string {
  return client.split(" ")[1] ?? "";
}

export function frameworkOf(client: string): string {
  return client.split(" ")[0] ?? "";
}
