/**
 * Guarantees and limits of top-level roles, what counts against them, and the headroom that is kept
 * for guarantees. Amounts are thousandths by scalar name (`ResourceKind.scalarIndex`). Everything is
 * kept up to date by events; names in which somebody who was held back may have more now are noted,
 * so that only those are looked at again. Source: semantics 4.3, 4.4.
 */
import { assert, must } from "../base/assert.ts";
import type { ScalarSummary } from "../resources/summary.ts";

/** Of each top-level role that has clients: where quota gave them less than there was. */
export interface HeldBack {
  /** Names, as bits, of which something was kept for the guarantees of others. */
  headroomMask: number;
  /** Names, as bits, of which the role's own limit allowed no more. */
  limitMask: number;
}

/** The bit of a scalar name in a mask. Names beyond the thirtieth share one, which costs only time. */
export function bitOf(index: number): number {
  return 1 << Math.min(index, 30);
}

/** A top-level role whose quota is set. */
export class QuotaRole<Top extends HeldBack> {
  readonly name: string;
  /** By name; holes are 0. */
  guarantees: readonly number[] = [];
  /** By name; holes are unlimited. */
  limits: readonly number[] = [];
  /** By name; holes are 0. */
  readonly consumed: number[] = [];
  /** Names in which the guarantee is not reached. */
  unsatisfiedCount: number = 0;
  /** The role in the tree, while it has clients. */
  top: Top | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** What is missing of the guarantee. */
  unsatisfiedOf(index: number): number {
    return Math.max(0, (this.guarantees[index] ?? 0) - (this.consumed[index] ?? 0));
  }

  /** What may still be consumed; infinity without a limit. */
  leftOf(index: number): number {
    const limit = this.limits[index];
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, limit - (this.consumed[index] ?? 0));
  }
}

/** Guarantees and limits by scalar index. */
export interface IndexedQuota {
  readonly guarantees: readonly number[];
  readonly limits: readonly number[];
}

export class Quotas<Top extends HeldBack> {
  /** Roles that were held back and may have more now. */
  readonly loosened: Set<Top> = new Set();
  /** Names, as bits, in which more than before is not kept for guarantees. */
  risenMask: number = 0;
  /** Names, as bits, of which something is held back anywhere for guarantees. */
  #headroomMask = 0;
  /** Roles from which something was held back for guarantees. */
  readonly #held = new Set<Top>();
  readonly #roles = new Map<string, QuotaRole<Top>>();
  /** Quota scalars that are free on agents that may be offered. */
  readonly #available: number[] = [];
  readonly #required: number[] = [];
  /** By role of the topmost reservation, over all agents. */
  readonly #reserved = new Map<string, number[]>();
  #unsatisfiedRoles = 0;

  get size(): number {
    return this.#roles.size;
  }

  /** Roles whose guarantee is not reached in some name: only then is headroom kept. */
  get unsatisfiedRoles(): number {
    return this.#unsatisfiedRoles;
  }

  /** Somebody who was held back might get more. O(1). */
  get isLoosened(): boolean {
    return this.loosened.size > 0 || (this.risenMask & this.#headroomMask) !== 0;
  }

  /** Something of a name was kept from a role (or from a whole agent) for guarantees. */
  keptBack(index: number, top: Top | undefined): void {
    const bit = bitOf(index);
    this.#headroomMask |= bit;
    if (top === undefined) return;
    top.headroomMask |= bit;
    this.#held.add(top);
  }

  /**
   * Roles that might get more than was held back from them, and whether agents might; they are
   * taken off the record.
   */
  takeLoosened(): {
    readonly tops: readonly Top[];
    readonly areAgentsToo: boolean;
  } {
    const areAgentsToo = (this.risenMask & this.#headroomMask) !== 0;
    if (areAgentsToo) {
      this.#headroomMask = 0;
      for (const top of this.#held) {
        if ((top.headroomMask & this.risenMask) !== 0) this.loosened.add(top);
        else this.#headroomMask |= top.headroomMask;
      }
    }
    this.risenMask = 0;
    const tops = [...this.loosened];
    for (const top of tops) this.forget(top);
    return { tops, areAgentsToo };
  }

  /** The role is to be looked at anew, or has no clients any more. */
  forget(top: Top): void {
    top.headroomMask = 0;
    top.limitMask = 0;
    this.#held.delete(top);
    this.loosened.delete(top);
  }

  role(name: string): QuotaRole<Top> | undefined {
    return this.#roles.get(name);
  }

  *roles(): Generator<QuotaRole<Top>> {
    yield* this.#roles.values();
  }

  /** `consumed` by name is what the role has consumed up to now. Returns the role. */
  set(name: string, quota: IndexedQuota, consumed: readonly number[]): QuotaRole<Top> {
    this.delete(name);
    const role = new QuotaRole<Top>(name);
    role.guarantees = quota.guarantees;
    role.limits = quota.limits;
    this.#roles.set(name, role);
    for (const [index, milli] of consumed.entries()) role.consumed[index] = milli ?? 0;
    for (const index of quota.guarantees.keys()) {
      const unsatisfied = role.unsatisfiedOf(index);
      if (unsatisfied === 0) continue;
      role.unsatisfiedCount += 1;
      this.#changeRequired(index, unsatisfied);
    }
    if (role.unsatisfiedCount > 0) this.#unsatisfiedRoles += 1;
    return role;
  }

  delete(name: string): void {
    const role = this.#roles.get(name);
    if (role === undefined) return;
    this.#roles.delete(name);
    for (const index of role.guarantees.keys()) {
      const unsatisfied = role.unsatisfiedOf(index);
      if (unsatisfied === 0) continue;
      this.#changeRequired(index, -unsatisfied);
      this.risenMask |= bitOf(index);
    }
    if (role.unsatisfiedCount > 0) this.#unsatisfiedRoles -= 1;
  }

  /** What may be offered of a name without touching what is kept for guarantees. */
  slackOf(index: number): number {
    return Math.max(0, (this.#available[index] ?? 0) - (this.#required[index] ?? 0));
  }

  /** Something becomes held (`sign` 1) or free (-1); `isAvailable`: on an agent that is offered. */
  moved(
    role: QuotaRole<Top> | undefined,
    { indexes, quotaMilli }: ScalarSummary,
    sign: 1 | -1,
    isAvailable: boolean,
  ): void {
    for (let place = 0; place < indexes.length; place++) {
      const milli = sign * (quotaMilli[place] ?? 0);
      if (milli === 0) continue;
      const index = indexes[place] ?? 0;
      let risen = 0;
      if (isAvailable) {
        this.#available[index] = (this.#available[index] ?? 0) - milli;
        risen -= milli;
      }
      if (role !== undefined) risen -= this.#consume(role, index, milli);
      if (risen > 0) this.risenMask |= bitOf(index);
    }
  }

  /** Free resources of an agent become offered (`sign` 1), or are not any more (-1). */
  availableChanged({ indexes, quotaMilli }: ScalarSummary, sign: 1 | -1): void {
    for (let place = 0; place < indexes.length; place++) {
      const milli = sign * (quotaMilli[place] ?? 0);
      if (milli === 0) continue;
      const index = indexes[place] ?? 0;
      this.#available[index] = (this.#available[index] ?? 0) + milli;
      if (milli > 0) this.risenMask |= bitOf(index);
    }
  }

  /** Reservations for a role come (`milli` above 0) or go. */
  reservedChanged(roleName: string, index: number, milli: number): void {
    const known = this.#reserved.get(roleName);
    const amounts = known ?? [];
    if (known === undefined) this.#reserved.set(roleName, amounts);
    amounts[index] = (amounts[index] ?? 0) + milli;
    assert(amounts[index] >= 0, () => `no less than nothing is reserved to ${roleName}`);
    if (amounts.every((sum) => (sum ?? 0) === 0)) this.#reserved.delete(roleName);
    const role = this.#roles.get(roleName.split("/")[0] ?? "");
    if (role === undefined) return;
    if (this.#consume(role, index, milli) < 0) this.risenMask |= bitOf(index);
  }

  /** What is reserved to a role and those below it, by name; holes are 0. */
  reservedWithin(roleName: string): number[] {
    const sums: number[] = [];
    for (const [role, amounts] of this.#reserved) {
      if (role !== roleName && !role.startsWith(`${roleName}/`)) continue;
      for (const [index, milli] of amounts.entries())
        sums[index] = (sums[index] ?? 0) + (milli ?? 0);
    }
    return sums;
  }

  /** Asserts that counters equal a recount; both by name, holes are 0. */
  assertInvariants(
    available: readonly number[],
    consumedOf: (role: string) => readonly number[],
  ): void {
    const required: number[] = [];
    let unsatisfiedRoles = 0;
    for (const role of this.#roles.values()) {
      assertSame(role.consumed, consumedOf(role.name), `consumed by ${role.name}`);
      let count = 0;
      for (const index of role.guarantees.keys()) {
        const unsatisfied = role.unsatisfiedOf(index);
        if (unsatisfied > 0) count += 1;
        required[index] = (required[index] ?? 0) + unsatisfied;
      }
      assert(count === role.unsatisfiedCount, () => `guarantee of ${role.name} is counted`);
      if (count > 0) unsatisfiedRoles += 1;
    }
    assert(unsatisfiedRoles === this.#unsatisfiedRoles, "unsatisfied roles are counted");
    assertSame(this.#required, required, "required for guarantees");
    assertSame(this.#available, available, "available to offers");
  }

  /** Returns by how much what is required for guarantees grows. */
  #consume(role: QuotaRole<Top>, index: number, milli: number): number {
    const before = role.unsatisfiedOf(index);
    role.consumed[index] = (role.consumed[index] ?? 0) + milli;
    assert(role.consumed[index] >= 0, () => `${role.name} consumes no less than nothing`);
    const { top } = role;
    if (milli < 0 && top !== undefined) {
      const mask = top.headroomMask | top.limitMask;
      if ((mask & bitOf(index)) !== 0) this.loosened.add(top);
    }
    const after = role.unsatisfiedOf(index);
    if (before === after) return 0;
    // What was kept from everybody may now be what this role's guarantee lacks.
    const isKept = (this.#headroomMask & bitOf(index)) !== 0;
    if (after > before && isKept && top !== undefined) this.loosened.add(top);
    this.#changeRequired(index, after - before);
    if (before === 0) this.#count(role, 1);
    else if (after === 0) this.#count(role, -1);
    return after - before;
  }

  #count(role: QuotaRole<Top>, by: 1 | -1): void {
    if (role.unsatisfiedCount === 0) this.#unsatisfiedRoles += 1;
    role.unsatisfiedCount += by;
    if (role.unsatisfiedCount === 0) this.#unsatisfiedRoles -= 1;
  }

  #changeRequired(index: number, milli: number): void {
    this.#required[index] = (this.#required[index] ?? 0) + milli;
    assert(must(this.#required[index], "required") >= 0, "no less than nothing is required");
  }
}

function assertSame(kept: readonly number[], counted: readonly number[], what: string): void {
  for (let index = 0; index < Math.max(kept.length, counted.length); index++) {
    const isSame = (kept[index] ?? 0) === (counted[index] ?? 0);
    assert(isSame, () => `${what}: ${kept[index]} of name ${index} equals ${counted[index]}`);
  }
}
