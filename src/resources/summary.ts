/**
 * Sums over the scalars of a content, and what sorts of kinds are in it: what sharing and quota have
 * to know of resources, worked out once per content. Source: semantics 4.2–4.4.
 */
import type { ResourceKind } from "./kinds.ts";

/** All arrays have one place per scalar name present, in order of first sight. Not to be changed. */
export interface ScalarSummary {
  /** Numbers of the names (`ResourceKind.scalarIndex`). */
  readonly indexes: readonly number[];
  /** Thousandths, shared volumes left out. */
  readonly milli: readonly number[];
  /** Thousandths of what counts for quota: unreserved and not revocable. */
  readonly quotaMilli: readonly number[];
  /** Thousandths of shared volumes, each once. */
  readonly sharedMilli: readonly number[];
  readonly hasShared: boolean;
  readonly hasUnshared: boolean;
  readonly hasReservations: boolean;
  readonly hasRevocable: boolean;
  /** Something is reserved more than once. */
  readonly hasRefined: boolean;
  /** Some of what counts for quota is taken whole or not at all. */
  readonly hasIndivisibleQuota: boolean;
}

/** Counts for the quota of the role that it is allocated to. */
export function isQuotaScalar(kind: ResourceKind): boolean {
  return kind.scalarIndex >= 0 && kind.reservations.length === 0 && !kind.isRevocable;
}

interface Amount {
  readonly kind: ResourceKind;
  readonly amount: number;
}

/** `amount` is in thousandths, or in copies where `kind.unitMilli` is set. */
export function summarize(amounts: readonly Amount[]): ScalarSummary {
  const indexes: number[] = [];
  const milli: number[] = [];
  const quotaMilli: number[] = [];
  const sharedMilli: number[] = [];
  let sharedCount = 0;
  let hasReservations = false;
  let hasRevocable = false;
  let hasRefined = false;
  let hasIndivisibleQuota = false;
  for (const { kind, amount } of amounts) {
    if (kind.isShared) sharedCount++;
    if (kind.reservations.length > 0) hasReservations = true;
    if (kind.reservations.length > 1) hasRefined = true;
    if (kind.isRevocable) hasRevocable = true;
    if (kind.scalarIndex < 0) continue;
    let place = indexes.indexOf(kind.scalarIndex);
    if (place < 0) {
      place = indexes.push(kind.scalarIndex) - 1;
      milli.push(0);
      quotaMilli.push(0);
      sharedMilli.push(0);
    }
    const size = kind.unitMilli === undefined ? amount : amount * kind.unitMilli;
    if (kind.isShared) {
      sharedMilli[place] = (sharedMilli[place] ?? 0) + (kind.unitMilli ?? 0);
      continue;
    }
    milli[place] = (milli[place] ?? 0) + size;
    if (!isQuotaScalar(kind)) continue;
    quotaMilli[place] = (quotaMilli[place] ?? 0) + size;
    if (kind.isIndivisible) hasIndivisibleQuota = true;
  }
  const hasUnshared = amounts.length > sharedCount;
  const sorts = { hasReservations, hasRevocable, hasRefined, hasIndivisibleQuota };
  const hasShared = sharedCount > 0;
  return { indexes, milli, quotaMilli, sharedMilli, hasShared, hasUnshared, ...sorts };
}
