/**
 * How much of what counts for quota goes into an offer: as far as the role's guarantee and limit and
 * the headroom kept for others allow. Source: semantics 4.4.
 */
import type { Bundle } from "../resources/bundle.ts";
import type { ScalarSummary } from "../resources/summary.ts";
import { type Minimum, meetsWithin } from "./minimum.ts";
import { bitOf, type QuotaRole, type Quotas } from "./quotas.ts";
import type { Branch } from "./role-tree.ts";

export class Shrinker {
  readonly #quotas: Quotas<Branch>;
  /** By scalar index, thousandths; what the names of one candidate are allowed. */
  #allowed = new Float64Array(0);

  constructor(quotas: Quotas<Branch>) {
    this.#quotas = quotas;
  }

  /**
   * Stage 2: the candidate as far as limit and headroom of the role allow; undefined when less than
   * the minimum is left.
   */
  extra(top: Branch, candidate: Bundle, minimum: Minimum): Bundle | undefined {
    const quotas = this.#quotas;
    const { quota } = top;
    const isHeadroomKept = quotas.unsatisfiedRoles > 0;
    if (quota === undefined && !isHeadroomKept) return candidate;
    const summary = candidate.summary();
    const isCut = this.#allow(summary, (index, milli) => this.#within(top, index, milli));
    if (!isCut) return candidate;
    if (!meetsWithin(minimum, summary, this.#allowed)) return undefined;
    return candidate.shrunk(this.#allowed);
  }

  /**
   * Stage 1: what is missing of the guarantee, and beyond it what limit and headroom allow;
   * undefined when nothing goes to the guarantee.
   */
  guaranteed(top: Branch, quota: QuotaRole<Branch>, candidate: Bundle): Bundle | undefined {
    const summary = candidate.summary();
    if (summary.hasIndivisibleQuota) return this.#guaranteedWhole(top, quota, candidate);
    let guaranteedSum = 0;
    const isCut = this.#allow(summary, (index, milli) => {
      const guaranteed = Math.min(milli, quota.unsatisfiedOf(index));
      guaranteedSum += guaranteed;
      return guaranteed + this.#within(top, index, milli - guaranteed, guaranteed);
    });
    if (guaranteedSum === 0) return undefined;
    return isCut ? candidate.shrunk(this.#allowed) : candidate;
  }

  /**
   * Whether an agent with these sums has enough for anybody without a guarantee or minimum of its
   * own, by headroom. Notes what is kept back when it has not.
   */
  isWorthwhile(summary: ScalarSummary, minimum: Minimum): boolean {
    if (this.#quotas.unsatisfiedRoles === 0) return true;
    const kept: number[] = [];
    this.#allow(summary, (index, milli) => {
      const slack = this.#quotas.slackOf(index);
      if (slack < milli) kept.push(index);
      return Math.min(milli, slack);
    });
    if (meetsWithin(minimum, summary, this.#allowed)) return true;
    for (const index of kept) this.#quotas.keptBack(index, undefined);
    return false;
  }

  /** Where something is taken whole, the guarantee is served first and the rest shrunk apart. */
  #guaranteedWhole(top: Branch, quota: QuotaRole<Branch>, candidate: Bundle): Bundle | undefined {
    this.#allow(candidate.summary(), (index) => quota.unsatisfiedOf(index));
    const offer = candidate.shrunk(this.#allowed);
    const guaranteed = quotaMilliByIndex(offer.summary());
    if (guaranteed.size === 0) return undefined;
    const rest = candidate.clone();
    rest.subtract(offer);
    this.#allow(rest.summary(), (index, milli) =>
      this.#within(top, index, milli, guaranteed.get(index) ?? 0),
    );
    offer.add(rest.shrunk(this.#allowed));
    return offer;
  }

  /**
   * How much of `milli` limit and headroom allow, `guaranteed` being taken besides. Notes where
   * something is kept back.
   */
  #within(top: Branch, index: number, milli: number, guaranteed = 0): number {
    const quotas = this.#quotas;
    let allowed = milli;
    if (top.quota !== undefined) {
      const left = Math.max(0, top.quota.leftOf(index) - guaranteed);
      if (left < milli) top.limitMask |= bitOf(index);
      allowed = Math.min(allowed, left);
    }
    if (quotas.unsatisfiedRoles === 0) return allowed;
    const slack = quotas.slackOf(index);
    if (slack < milli) quotas.keptBack(index, top);
    return Math.min(allowed, slack);
  }

  /** Fills `#allowed` for the names of a summary; true when some name is allowed less than all. */
  #allow(
    { indexes, quotaMilli }: ScalarSummary,
    allowedOf: (index: number, milli: number) => number,
  ): boolean {
    let isCut = false;
    for (let place = 0; place < indexes.length; place++) {
      const index = indexes[place] ?? 0;
      const milli = quotaMilli[place] ?? 0;
      if (index >= this.#allowed.length) this.#widen(index);
      const allowed = milli === 0 ? 0 : allowedOf(index, milli);
      this.#allowed[index] = allowed;
      if (allowed < milli) isCut = true;
    }
    return isCut;
  }

  #widen(index: number): void {
    const wider = new Float64Array(index * 2 + 4);
    wider.set(this.#allowed);
    this.#allowed = wider;
  }
}

function quotaMilliByIndex({ indexes, quotaMilli }: ScalarSummary): Map<number, number> {
  const amounts = new Map<number, number>();
  for (const [place, index] of indexes.entries()) {
    const milli = quotaMilli[place] ?? 0;
    if (milli > 0) amounts.set(index, milli);
  }
  return amounts;
}
