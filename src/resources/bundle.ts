/**
 * An amount of resources of any number of kinds, with exact arithmetic (DESIGN §3): scalars are
 * integers in thousandths, ranges are intervals, sets are sets of strings. `add` and `subtract`
 * work in place and allocate nothing for scalars whose kinds both sides have.
 *
 * A shared resource is counted: each `add` of it is one more user, its size stays the same.
 */
import { assert } from "../base/assert.ts";
import type { Resource } from "../protocol/v1/types.ts";
import {
  containsIntervals,
  countIntervals,
  type Intervals,
  normalizeIntervals,
  subtractIntervals,
  unionIntervals,
} from "./intervals.ts";
import type { ResourceKind, ResourceKinds } from "./kinds.ts";

/** Thousandths of a scalar value, rounded to the nearest as Mesos does. */
export function toMilli(value: number): number {
  return Math.round(value * 1000);
}

export class Bundle {
  readonly kinds: ResourceKinds;
  /** Thousandths by kind; never zero. For a shared kind the size of one copy. */
  readonly #scalars = new Map<number, number>();
  readonly #ranges = new Map<number, Intervals>();
  readonly #sets = new Map<number, ReadonlySet<string>>();
  /** Users of each shared kind that is present; at least 1. */
  readonly #users = new Map<number, number>();

  private constructor(kinds: ResourceKinds) {
    this.kinds = kinds;
  }

  static empty(kinds: ResourceKinds): Bundle {
    return new Bundle(kinds);
  }

  /** From validated messages in any reservation format; equal kinds are merged. */
  static from(kinds: ResourceKinds, resources: readonly Resource[]): Bundle {
    const bundle = new Bundle(kinds);
    for (const resource of resources) bundle.#addMessage(resource);
    return bundle;
  }

  clone(): Bundle {
    const copy = new Bundle(this.kinds);
    for (const [kind, milli] of this.#scalars) copy.#scalars.set(kind, milli);
    for (const [kind, intervals] of this.#ranges) copy.#ranges.set(kind, intervals);
    for (const [kind, items] of this.#sets) copy.#sets.set(kind, items);
    for (const [kind, users] of this.#users) copy.#users.set(kind, users);
    return copy;
  }

  isEmpty(): boolean {
    return this.#scalars.size === 0 && this.#ranges.size === 0 && this.#sets.size === 0;
  }

  /** Adds `other` to this bundle. */
  add(other: Bundle): void {
    for (const [kind, milli] of other.#scalars) this.#addScalar(kind, milli, other.#users.get(kind));
    for (const [kind, intervals] of other.#ranges) this.#addRanges(kind, intervals);
    for (const [kind, items] of other.#sets) this.#addSet(kind, items);
  }

  /** Takes `other` away from this bundle, which must contain it. */
  subtract(other: Bundle): void {
    assert(this.contains(other), () => `${this.describe()} does not contain ${other.describe()}`);
    for (const [kind, milli] of other.#scalars) this.#subtractScalar(kind, milli, other.#users.get(kind));
    for (const [kind, intervals] of other.#ranges) {
      const left = subtractIntervals(this.#ranges.get(kind) ?? [], intervals);
      if (left.length === 0) this.#ranges.delete(kind);
      else this.#ranges.set(kind, left);
    }
    for (const [kind, items] of other.#sets) {
      const left = new Set([...(this.#sets.get(kind) ?? [])].filter((item) => !items.has(item)));
      if (left.size === 0) this.#sets.delete(kind);
      else this.#sets.set(kind, left);
    }
  }

  /** True when `other` could be subtracted. */
  contains(other: Bundle): boolean {
    for (const [kind, milli] of other.#scalars) {
      if (!this.#containsScalar(kind, milli, other.#users.get(kind))) return false;
    }
    for (const [kind, intervals] of other.#ranges) {
      const own = this.#ranges.get(kind);
      if (own === undefined || !containsIntervals(own, intervals)) return false;
    }
    for (const [kind, items] of other.#sets) {
      const own = this.#sets.get(kind);
      if (own === undefined) return false;
      for (const item of items) if (!own.has(item)) return false;
    }
    return true;
  }

  equals(other: Bundle): boolean {
    return this.contains(other) && other.contains(this);
  }

  /** Thousandths of all scalars of that name together; each shared volume once. */
  scalarMilli(name: string): number {
    let sum = 0;
    for (const [kind, milli] of this.#scalars) {
      if (this.kinds.get(kind).name === name) sum += milli;
    }
    return sum;
  }

  /** Names of the scalars present, each once, in order of kind. */
  scalarNames(): readonly string[] {
    return [...new Set([...this.#scalars.keys()].map((kind) => this.kinds.get(kind).name))];
  }

  /** Thousandths of each scalar name. */
  scalarTotals(): Map<string, number> {
    const totals = new Map<string, number>();
    for (const [kind, milli] of this.#scalars) {
      const { name } = this.kinds.get(kind);
      totals.set(name, (totals.get(name) ?? 0) + milli);
    }
    return totals;
  }

  /** Every kind that is present, in no particular order. */
  *presentKinds(): Generator<ResourceKind> {
    for (const kind of this.#allKinds()) yield this.kinds.get(kind);
  }

  /** The part whose kinds satisfy `predicate`; a new bundle. */
  filter(predicate: (kind: ResourceKind) => boolean): Bundle {
    return this.#mapped((kind) => (predicate(this.kinds.get(kind)) ? kind : undefined));
  }

  /** The same amounts, allocated to `role`; a new bundle. */
  withAllocation(role: string): Bundle {
    return this.#mapped((kind) => this.kinds.allocate(kind, role));
  }

  /** The same amounts, allocated to nobody; a new bundle. */
  withoutAllocation(): Bundle {
    return this.#mapped((kind) => this.kinds.unallocate(kind));
  }

  /** Roles that parts of this bundle are allocated to, each once. */
  allocationRoles(): readonly string[] {
    const roles = new Set<string>();
    for (const { allocationRole } of this.presentKinds()) {
      if (allocationRole !== undefined) roles.add(allocationRole);
    }
    return [...roles];
  }

  /** As messages in post-refinement form, in order of kind; a shared resource once per user. */
  toResources(): Resource[] {
    const resources: Resource[] = [];
    for (const kind of this.#allKinds().sort((a, b) => a - b)) {
      const resource = this.#toMessage(kind);
      const copies = this.#users.get(kind) ?? 1;
      for (let copy = 0; copy < copies; copy++) resources.push(resource);
    }
    return resources;
  }

  /** Short text for assertions and logs. */
  describe(): string {
    const parts = this.#allKinds().map((kind) => {
      const { name, reservationRole, allocationRole } = this.kinds.get(kind);
      const owner = `${reservationRole}${allocationRole === undefined ? "" : `→${allocationRole}`}`;
      return `${name}(${owner}):${this.#describeValue(kind)}`;
    });
    return `{${parts.join(";")}}`;
  }

  #describeValue(kind: number): string {
    const milli = this.#scalars.get(kind);
    if (milli !== undefined) return String(milli / 1000);
    const intervals = this.#ranges.get(kind);
    if (intervals !== undefined) return `[${countIntervals(intervals)} values]`;
    return `{${this.#sets.get(kind)?.size ?? 0} items}`;
  }

  #allKinds(): number[] {
    return [...this.#scalars.keys(), ...this.#ranges.keys(), ...this.#sets.keys()];
  }

  #mapped(map: (kind: number) => number | undefined): Bundle {
    const result = new Bundle(this.kinds);
    for (const [kind, milli] of this.#scalars) {
      const target = map(kind);
      if (target !== undefined) result.#addScalar(target, milli, this.#users.get(kind));
    }
    for (const [kind, intervals] of this.#ranges) {
      const target = map(kind);
      if (target !== undefined) result.#addRanges(target, intervals);
    }
    for (const [kind, items] of this.#sets) {
      const target = map(kind);
      if (target !== undefined) result.#addSet(target, items);
    }
    return result;
  }

  #addMessage(resource: Resource): void {
    const kind = this.kinds.intern(resource);
    const { type, isShared } = this.kinds.get(kind);
    if (type === "SCALAR") {
      const milli = toMilli(resource.scalar?.value ?? 0);
      if (milli > 0) this.#addScalar(kind, milli, isShared ? 1 : undefined);
    } else if (type === "RANGES") {
      const pairs = (resource.ranges?.range ?? []).flatMap((range) => [range.begin, range.end]);
      if (pairs.length > 0) this.#addRanges(kind, normalizeIntervals(pairs));
    } else {
      const items = new Set(resource.set?.item ?? []);
      if (items.size > 0) this.#addSet(kind, items);
    }
  }

  #addScalar(kind: number, milli: number, users: number | undefined): void {
    if (users !== undefined) {
      this.#users.set(kind, (this.#users.get(kind) ?? 0) + users);
      this.#scalars.set(kind, milli);
      return;
    }
    this.#scalars.set(kind, (this.#scalars.get(kind) ?? 0) + milli);
  }

  #addRanges(kind: number, intervals: Intervals): void {
    const own = this.#ranges.get(kind);
    this.#ranges.set(kind, own === undefined ? intervals : unionIntervals(own, intervals));
  }

  #addSet(kind: number, items: ReadonlySet<string>): void {
    const own = this.#sets.get(kind);
    this.#sets.set(kind, own === undefined ? items : new Set([...own, ...items]));
  }

  #containsScalar(kind: number, milli: number, users: number | undefined): boolean {
    const own = this.#scalars.get(kind) ?? 0;
    if (users !== undefined) return own === milli && (this.#users.get(kind) ?? 0) >= users;
    return this.kinds.get(kind).isIndivisible ? own === milli : own >= milli;
  }

  #subtractScalar(kind: number, milli: number, users: number | undefined): void {
    if (users !== undefined) {
      const left = (this.#users.get(kind) ?? 0) - users;
      if (left > 0) {
        this.#users.set(kind, left);
        return;
      }
      this.#users.delete(kind);
      this.#scalars.delete(kind);
      return;
    }
    const left = (this.#scalars.get(kind) ?? 0) - milli;
    if (left > 0) this.#scalars.set(kind, left);
    else this.#scalars.delete(kind);
  }

  #toMessage(kind: number): Resource {
    const { template } = this.kinds.get(kind);
    const milli = this.#scalars.get(kind);
    if (milli !== undefined) return { ...template, scalar: { value: milli / 1000 } };
    const intervals = this.#ranges.get(kind);
    if (intervals === undefined) {
      return { ...template, set: { item: [...(this.#sets.get(kind) ?? [])].sort() } };
    }
    const range: { begin: number; end: number }[] = [];
    for (let index = 0; index < intervals.length; index += 2) {
      range.push({ begin: intervals[index] ?? 0, end: intervals[index + 1] ?? 0 });
    }
    return { ...template, ranges: { range } };
  }
}
