/**
 * One allocation run of the model: first the roles whose guarantees are not met, then everybody,
 * each time agent by agent, role by role, framework by framework. Source: semantics 4.4.
 */
import {
  type Amounts,
  addTo,
  excess,
  isQuotaKey,
  only,
  partOf,
  prefixesOf,
  shrink,
  sumsOf,
  topOf,
} from "./amounts.ts";
import type { Cluster, ModelOffer } from "./cluster.ts";
import { mayUse } from "./matching.ts";
import { frameworksInOrder, rolesInOrder } from "./ranking.ts";

export class Run {
  readonly #cluster: Cluster;
  readonly #nowMs: number;
  readonly #offers: ModelOffer[] = [];
  /** Shared volumes that are in an offer of this run, as `agent key`. */
  readonly #offeredShared = new Set<string>();

  constructor(cluster: Cluster, nowMs: number) {
    this.#cluster = cluster;
    this.#nowMs = nowMs;
  }

  /** The offers of the run; they count as held from now on. */
  offers(agentIds: readonly string[]): readonly ModelOffer[] {
    const open = agentIds.filter((id) => this.#isOpen(id));
    for (const agentId of open) this.#meetGuarantees(agentId);
    for (const agentId of open) this.#shareRest(agentId);
    return this.#offers;
  }

  #isOpen(agentId: string): boolean {
    const { isActive, facts } = this.#cluster.agent(agentId);
    const { whitelist } = this.#cluster;
    return isActive && (whitelist === undefined || whitelist.has(facts.hostname));
  }

  #meetGuarantees(agentId: string): void {
    for (const role of rolesInOrder(this.#cluster)) {
      const quota = this.#cluster.quotas.get(role);
      if (quota === undefined) continue;
      for (const frameworkId of frameworksInOrder(this.#cluster, role)) {
        const unmet = excess(quota.guarantees, this.#cluster.consumed(role));
        if (unmet.size === 0) break;
        const available = this.#available(agentId, frameworkId, role, (owner) => owner === role);
        const forQuota = only(available, isQuotaKey);
        const guaranteed = shrink(forQuota, unmet, false);
        if (guaranteed.size === 0) continue;
        const beyond = excess(forQuota, guaranteed);
        const extra = this.#withinBounds(role, beyond, guaranteed);
        const offer = only(available, (key) => !isQuotaKey(key));
        addTo(offer, guaranteed);
        addTo(offer, extra);
        this.#offer({ agentId, frameworkId, role, amounts: offer });
      }
    }
  }

  #shareRest(agentId: string): void {
    for (const role of rolesInOrder(this.#cluster)) {
      for (const frameworkId of frameworksInOrder(this.#cluster, role)) {
        const available = this.#available(agentId, frameworkId, role, (owner) =>
          prefixesOf(role).includes(owner),
        );
        const extra = this.#withinBounds(role, only(available, isQuotaKey), new Map());
        const offer = only(available, (key) => !isQuotaKey(key));
        addTo(offer, extra);
        this.#offer({ agentId, frameworkId, role, amounts: offer });
      }
    }
  }

  /** What of an agent's resources is free, for this role, and understood by the framework. */
  #available(
    agentId: string,
    frameworkId: string,
    role: string,
    isOwnerServed: (owner: string) => boolean,
  ): Amounts {
    const agent = this.#cluster.agent(agentId);
    const framework = this.#cluster.frameworks.get(frameworkId);
    if (framework === undefined) return new Map();
    if (!mayUse(this.#cluster.options, agent, framework, role)) return new Map();
    const { capabilities } = framework;
    return only(this.#cluster.free(agentId), (key) => {
      const { stack, isRevocable, isShared } = partOf(key);
      const owner = stack.at(-1);
      if (owner !== undefined && !isOwnerServed(owner)) return false;
      if (isRevocable && !capabilities.has("REVOCABLE_RESOURCES")) return false;
      if (isShared && !capabilities.has("SHARED_RESOURCES")) return false;
      if (isShared && this.#offeredShared.has(`${agentId} ${key}`)) return false;
      return stack.length <= 1 || capabilities.has("RESERVATION_REFINEMENT");
    });
  }

  /** As much of `amounts` as the limits of the role allow and the guarantees of others leave. */
  #withinBounds(role: string, amounts: Amounts, guaranteed: Amounts): Map<string, number> {
    const top = topOf(role);
    const quota = this.#cluster.quotas.get(top);
    const consumed = this.#cluster.consumed(top);
    addTo(consumed, sumsOf(guaranteed));
    const limits = [...(quota?.limits ?? [])].map(([name, milli]): [string, number] => [
      name,
      Math.max(0, milli - (consumed.get(name) ?? 0)),
    ]);
    return shrink(shrink(amounts, new Map(limits), true), this.#headroom(guaranteed), false);
  }

  /** What nobody holds and no guarantee waits for, after `guaranteed` is given to its role. */
  #headroom(guaranteed: Amounts): Map<string, number> {
    const available = new Map<string, number>();
    for (const agentId of this.#cluster.agents.keys())
      addTo(available, sumsOf(only(this.#cluster.free(agentId), isQuotaKey)));
    const required = new Map<string, number>();
    for (const [role, { guarantees }] of this.#cluster.quotas)
      addTo(required, excess(guarantees, this.#cluster.consumed(role)));
    // What is given away now comes off both sides.
    const given = sumsOf(guaranteed);
    return excess(excess(available, given), excess(required, given));
  }

  #offer(offer: ModelOffer): void {
    const { agentId, frameworkId, role, amounts } = offer;
    if (amounts.size === 0 || !this.#isEnough(offer)) return;
    const client = `${frameworkId} ${role}`;
    if (this.#cluster.isRefused(client, agentId, amounts, this.#nowMs)) return;
    this.#cluster.hold(agentId, client, amounts);
    for (const key of amounts.keys()) {
      if (partOf(key).isShared) this.#offeredShared.add(`${agentId} ${key}`);
    }
    this.#offers.push(offer);
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
