/**
 * What must hold of the offers of a cycle whatever the order in which they were made: limits,
 * guarantees held back, and refusals. Knows the facts before and after, not how offers are made, so
 * that a mistake which allocator and model share is seen all the same. Semantics 4.3–4.5.
 */
import { type Amounts, addTo, excess, isQuotaKey, only, sumsOf, topOf } from "./amounts.ts";
import type { Cluster, ModelOffer } from "./cluster.ts";

export class Promises {
  readonly #cluster: Cluster;
  /** By name, what guarantees lacked and more than could be given to them; before the cycle. */
  readonly #shortBefore: Amounts;

  /** To be made just before the cycle. */
  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#shortBefore = this.#shortfall();
  }

  /** To be called just after it, with its offers. Throws an error that names the broken promise. */
  check(offers: readonly ModelOffer[]): void {
    for (const offer of offers) this.#checkLimit(offer);
    for (const [name, milli] of this.#shortfall()) {
      if (milli > (this.#shortBefore.get(name) ?? 0))
        throw new Error(`${milli} thousandths of ${name} were given away that were guaranteed`);
    }
  }

  #checkLimit({ role, amounts }: ModelOffer): void {
    const top = topOf(role);
    const limits = this.#cluster.quotas.get(top)?.limits ?? new Map<string, number>();
    const consumed = this.#cluster.consumed(top);
    for (const name of sumsOf(only(amounts, isQuotaKey)).keys()) {
      const limit = limits.get(name) ?? Number.POSITIVE_INFINITY;
      if ((consumed.get(name) ?? 0) > limit)
        throw new Error(`${top} is beyond its limit of ${name}`);
    }
  }

  /** By name, how much of what guarantees lack is not there to be offered. */
  #shortfall(): Map<string, number> {
    const available = new Map<string, number>();
    for (const agentId of this.#cluster.agents.keys()) {
      if (!this.#cluster.isOpen(agentId)) continue;
      addTo(available, sumsOf(only(this.#cluster.free(agentId), isQuotaKey)));
    }
    const required = new Map<string, number>();
    for (const [role, { guarantees }] of this.#cluster.quotas)
      addTo(required, excess(guarantees, this.#cluster.consumed(role)));
    return excess(required, available);
  }
}
