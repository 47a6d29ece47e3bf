/**
 * One cycle of the model: passes until one makes no offer; in each pass first the roles whose
 * guarantees are not met, then everybody, each time agent by agent and client by client. Source:
 * semantics 4.4 and the rules in `src/allocator/allocator.ts`.
 */
import {
  type Amounts,
  addTo,
  excess,
  isQuotaKey,
  isWithin,
  only,
  partOf,
  shrink,
  sumsOf,
  topOf,
} from "./amounts.ts";
import {
  type Cluster,
  frameworkOf,
  type ModelFramework,
  type ModelOffer,
  roleOf,
} from "./cluster.ts";
import { isHungry, mismatchOf } from "./matching.ts";
import { clientsInOrder } from "./ranking.ts";

/** Decides what one client is offered of an agent, given all that it may have of it. */
type Stage = (role: string, available: Amounts) => Amounts | undefined;

export class Run {
  readonly #cluster: Cluster;
  readonly #nowMs: number;
  readonly #offers: ModelOffer[] = [];
  /** Shared volumes that are in an offer of this pass, as `agent key`. */
  #offeredShared = new Set<string>();

  constructor(cluster: Cluster, nowMs: number) {
    this.#cluster = cluster;
    this.#nowMs = nowMs;
  }

  /** The offers of the cycle; they count as held from now on. */
  offers(agentIds: readonly string[]): readonly ModelOffer[] {
    const open = agentIds.filter((id) => this.#cluster.isOpen(id));
    let before: number;
    do {
      before = this.#offers.length;
      this.#offeredShared = new Set();
      for (const agentId of open) this.#serve(agentId, this.#stage1);
      for (const agentId of open) this.#serve(agentId, this.#stage2);
    } while (this.#offers.length > before);
    return this.#offers;
  }

  #serve(agentId: string, stage: Stage): void {
    for (const client of clientsInOrder(this.#cluster)) {
      const role = roleOf(client);
      const available = this.#available(agentId, client);
      const amounts = stage(role, available);
      if (amounts === undefined) continue;
      this.#offer({ agentId, frameworkId: frameworkOf(client), role, amounts });
    }
  }

  /** A part of what the guarantee still lacks, and what else there is for the role. */
  readonly #stage1: Stage = (role, available) => {
    const quota = this.#cluster.quotas.get(topOf(role));
    if (quota === undefined) return undefined;
    const unsatisfied = excess(quota.guarantees, this.#cluster.consumed(topOf(role)));
    if (unsatisfied.size === 0) return undefined;
    const quotaScalars = only(available, isQuotaKey);
    const guaranteed = shrink(quotaScalars, unsatisfied);
    if (guaranteed.size === 0) return undefined;
    const offer = only(available, (key) => !isQuotaKey(key));
    addTo(offer, guaranteed);
    addTo(offer, this.#withinBounds(role, excess(quotaScalars, guaranteed), guaranteed));
    return offer;
  };

  readonly #stage2: Stage = (role, available) => {
    const offer = only(available, (key) => !isQuotaKey(key));
    addTo(offer, this.#withinBounds(role, only(available, isQuotaKey), new Map()));
    return offer;
  };

  /** What of an agent's resources is free, for this role, and understood by the framework. */
  #available(agentId: string, client: string): Amounts {
    const agent = this.#cluster.agent(agentId);
    const framework = this.#cluster.frameworks.get(frameworkOf(client));
    const role = roleOf(client);
    if (framework === undefined || !isHungry(framework, role)) return new Map();
    const mismatch = mismatchOf(this.#cluster.options, agent, framework, role);
    if (mismatch !== undefined) return new Map();
    return this.#understood(agentId, framework, role);
  }

  #understood(agentId: string, { capabilities }: ModelFramework, role: string): Amounts {
    return only(this.#cluster.free(agentId), (key) => {
      const { stack, isRevocable, isShared } = partOf(key);
      if (!isForRole(key, role)) return false;
      if (isRevocable && !capabilities.has("REVOCABLE_RESOURCES")) return false;
      if (isShared && !capabilities.has("SHARED_RESOURCES")) return false;
      if (isShared && this.#offeredShared.has(`${agentId} ${key}`)) return false;
      return stack.length <= 1 || capabilities.has("RESERVATION_REFINEMENT");
    });
  }

  /** As much of `amounts` as the limits of the role allow and the guarantees of all leave. */
  #withinBounds(role: string, amounts: Amounts, guaranteed: Amounts): Map<string, number> {
    const consumed = this.#cluster.consumed(topOf(role));
    addTo(consumed, sumsOf(guaranteed));
    const limits = this.#cluster.quotas.get(topOf(role))?.limits ?? new Map<string, number>();
    const bounds = new Map<string, number>();
    const slack = this.#slack();
    for (const name of sumsOf(amounts).keys()) {
      const limit = limits.get(name) ?? Number.POSITIVE_INFINITY;
      const room = Math.max(0, limit - (consumed.get(name) ?? 0));
      bounds.set(name, Math.min(room, slack.get(name) ?? 0));
    }
    return shrink(amounts, bounds);
  }

  /** What can be offered now and no guarantee waits for. */
  #slack(): Map<string, number> {
    const available = new Map<string, number>();
    for (const agentId of this.#cluster.agents.keys()) {
      if (!this.#cluster.isOpen(agentId)) continue;
      addTo(available, sumsOf(only(this.#cluster.free(agentId), isQuotaKey)));
    }
    const required = new Map<string, number>();
    for (const [role, { guarantees }] of this.#cluster.quotas)
      addTo(required, excess(guarantees, this.#cluster.consumed(role)));
    return excess(available, required);
  }

  #offer(offer: ModelOffer): void {
    const { agentId, frameworkId, role, amounts } = offer;
    if (!hasUnshared(amounts) || !this.#isEnough(offer)) return;
    const client = `${frameworkId} ${role}`;
    if (this.#cluster.isRefused(client, agentId, amounts, this.#nowMs)) return;
    this.#cluster.hold(agentId, client, amounts);
    for (const key of amounts.keys()) {
      if (partOf(key).isShared) this.#offeredShared.add(`${agentId} ${key}`);
    }
    this.#offers.push(offer);
  }

  /** The first rule that keeps an agent from a client, hungry or not; `possible` when none does. */
  why(agentId: string, client: string): string {
    const agent = this.#cluster.agent(agentId);
    const frameworkId = frameworkOf(client);
    const role = roleOf(client);
    const framework = this.#cluster.frameworks.get(frameworkId);
    if (framework === undefined) throw new Error(`the model has no framework ${frameworkId}`);
    if (!agent.isActive) return "agentInactive";
    if (!this.#cluster.isOpen(agentId)) return "notWhitelisted";
    const mismatch = mismatchOf(this.#cluster.options, agent, framework, role);
    if (mismatch !== undefined) return mismatch;
    const free = only(this.#cluster.free(agentId), (key) => !partOf(key).isShared);
    if (free.size === 0) return "nothingFree";
    const amounts = this.#understood(agentId, framework, role);
    const isForOthers = [...free.keys()].some((key) => !isForRole(key, role));
    if (!hasUnshared(amounts)) return isForOthers ? "reservedToOthers" : "frameworkCapability";
    const isWanted = (offer: Amounts): boolean =>
      hasUnshared(offer) && this.#isEnough({ agentId, frameworkId, role, amounts: offer });
    if (!isWanted(amounts)) return "tooSmall";
    if (!isWanted(this.#withinLimit(role, amounts))) return "quotaLimit";
    const offer = this.#stage1(role, amounts) ?? this.#stage2(role, amounts);
    if (offer === undefined || !isWanted(offer)) return "headroom";
    const isRefused = this.#cluster.isRefused(client, agentId, offer, this.#nowMs);
    return isRefused ? "filtered" : "possible";
  }

  #withinLimit(role: string, amounts: Amounts): Map<string, number> {
    const top = topOf(role);
    const consumed = this.#cluster.consumed(top);
    const limits = this.#cluster.quotas.get(top)?.limits ?? new Map<string, number>();
    const room = new Map<string, number>();
    for (const name of sumsOf(amounts).keys()) {
      const limit = limits.get(name) ?? Number.POSITIVE_INFINITY;
      room.set(name, Math.max(0, limit - (consumed.get(name) ?? 0)));
    }
    const within = only(amounts, (key) => !isQuotaKey(key));
    addTo(within, shrink(only(amounts, isQuotaKey), room));
    return within;
  }

  #isEnough({ frameworkId, role, amounts }: ModelOffer): boolean {
    const framework = this.#cluster.frameworks.get(frameworkId);
    const minimum = framework?.minimums.get(role) ?? this.#cluster.options.minimum;
    if (minimum.length === 0) return true;
    const sums = sumsOf(amounts);
    return minimum.some((vector) =>
      Object.entries(vector).every(([name, milli]) => (sums.get(name) ?? 0) >= milli),
    );
  }
}

/** Unreserved, or reserved to the role or one above it. */
function isForRole(key: string, role: string): boolean {
  const owner = partOf(key).stack.at(-1);
  return owner === undefined || isWithin(role, owner);
}

function hasUnshared(amounts: Amounts): boolean {
  return [...amounts.keys()].some((key) => !partOf(key).isShared);
}
