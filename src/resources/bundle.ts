/**
 * An amount of resources of any number of kinds, with exact arithmetic (DESIGN §3): scalars are
 * integers in thousandths, ranges are intervals, sets are sets of strings. `add` and `subtract`
 * work in place and allocate nothing for scalars whose kinds both sides have.
 *
 * Shared and indivisible resources are counted in whole copies. The same shared volume held by
 * three tasks is three copies of one volume, and its size counts once.
 */
import { assert } from "../base/assert.ts";
import type { Resource, ResourceDiskInfo } from "../protocol/v1/types.ts";
import { formatResources } from "./format.ts";
import {
  containsIntervals,
  type Intervals,
  intersectsIntervals,
  normalizeIntervals,
  subtractIntervals,
  unionIntervals,
} from "./intervals.ts";
import type { ResourceKind, ResourceKinds } from "./kinds.ts";
import { fromMilli, toMilli } from "./milli.ts";

export { toMilli };

/** How much there is of one kind. An entry belongs to one bundle; intervals and items are shared. */
interface Entry {
  readonly kind: ResourceKind;
  /** Thousandths, or copies where the kind is counted; 1 for ranges and sets. Never 0. */
  amount: number;
  intervals: Intervals;
  items: ReadonlySet<string>;
  /** The disk as this holder wrote it: kinds do not tell volumes and principals apart. */
  disk: ResourceDiskInfo | undefined;
}

const NO_INTERVALS: Intervals = [];
const NO_ITEMS: ReadonlySet<string> = new Set();

export class Bundle {
  readonly kinds: ResourceKinds;
  /** In order of kind, at most one of each; none is empty. */
  readonly #entries: Entry[] = [];

  private constructor(kinds: ResourceKinds) {
    this.kinds = kinds;
  }

  static empty(kinds: ResourceKinds): Bundle {
    return new Bundle(kinds);
  }

  /** From validated messages in any reservation format; equal kinds are merged. */
  static from(kinds: ResourceKinds, resources: readonly Resource[]): Bundle {
    const bundle = new Bundle(kinds);
    // Gathered first and put in order once: joining one by one is quadratic in the message.
    const pairs = new Map<ResourceKind, number[]>();
    const items = new Map<ResourceKind, Set<string>>();
    for (const resource of resources) {
      const kind = kinds.get(kinds.intern(resource));
      if (kind.type === "SCALAR") bundle.#merge(scalarEntry(kind, resource));
      else if (kind.type === "RANGES") gatherRanges(pairs, kind, resource);
      else gatherItems(items, kind, resource);
    }
    for (const [kind, flat] of pairs) bundle.#merge(rangesEntry(kind, normalizeIntervals(flat)));
    for (const [kind, set] of items) bundle.#merge(setEntry(kind, set));
    return bundle;
  }

  clone(): Bundle {
    const copy = new Bundle(this.kinds);
    for (const entry of this.#entries) copy.#entries.push({ ...entry });
    return copy;
  }

  isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Adds `other` to this bundle. Ranges and sets are united: what both hold is there once. */
  add(other: Bundle): void {
    this.#assertSameTable(other);
    let position = 0;
    for (let index = 0; index < other.#entries.length; index++) {
      const theirs = other.#entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.#entries[position];
      if (own?.kind === theirs.kind) increase(own, theirs);
      else this.#entries.splice(position, 0, { ...theirs });
    }
  }

  /** Takes `other` away from this bundle, which must contain it. */
  subtract(other: Bundle): void {
    if (!this.contains(other)) {
      assert(false, `${this.describe()} does not contain ${other.describe()}`);
    }
    if (other === this) {
      this.#entries.length = 0;
      return;
    }
    let position = 0;
    for (let index = 0; index < other.#entries.length; index++) {
      const theirs = other.#entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.#entries[position];
      if (own === undefined) break;
      decrease(own, theirs);
      if (own.amount === 0) this.#entries.splice(position, 1);
    }
  }

  /** True when `other` could be subtracted. */
  contains(other: Bundle): boolean {
    this.#assertSameTable(other);
    let position = 0;
    for (let index = 0; index < other.#entries.length; index++) {
      const theirs = other.#entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.#entries[position];
      if (own?.kind !== theirs.kind || !covers(own, theirs)) return false;
    }
    return true;
  }

  /** True when both hold something of one kind: any scalar, a common integer, a common item. */
  intersects(other: Bundle): boolean {
    this.#assertSameTable(other);
    let position = 0;
    for (const theirs of other.#entries) {
      position = this.#seek(theirs.kind, position);
      const own = this.#entries[position];
      if (own?.kind === theirs.kind && overlaps(own, theirs)) return true;
    }
    return false;
  }

  equals(other: Bundle): boolean {
    return (
      this.#entries.length === other.#entries.length && this.contains(other) && other.contains(this)
    );
  }

  /** Thousandths of all scalars of that name together; each shared volume once. */
  scalarMilli(name: string): number {
    let sum = 0;
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      if (entry !== undefined && entry.kind.name === name) sum += milliOf(entry);
    }
    return sum;
  }

  /** Names of the scalars present, each once, in order of kind. */
  scalarNames(): readonly string[] {
    return [...this.scalarTotals().keys()];
  }

  /** Thousandths of each scalar name; each shared volume once. */
  scalarTotals(): Map<string, number> {
    const totals = new Map<string, number>();
    for (const entry of this.#entries) {
      const { name, type } = entry.kind;
      if (type === "SCALAR") totals.set(name, (totals.get(name) ?? 0) + milliOf(entry));
    }
    return totals;
  }

  /** Every kind that is present, in order of kind. */
  *presentKinds(): Generator<ResourceKind> {
    for (const entry of this.#entries) yield entry.kind;
  }

  /** The part whose kinds satisfy `predicate`; a new bundle. */
  filter(predicate: (kind: ResourceKind) => boolean): Bundle {
    const result = new Bundle(this.kinds);
    for (const entry of this.#entries) {
      if (predicate(entry.kind)) result.#entries.push({ ...entry });
    }
    return result;
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
    for (const { kind } of this.#entries) {
      if (kind.allocationRole !== undefined) roles.add(kind.allocationRole);
    }
    return [...roles];
  }

  /**
   * As messages in post-refinement form, in order of name, then kind; counted kinds once per copy,
   * so that `Bundle.from` gives an equal bundle. The messages may be kept and shared.
   */
  toResources(): Resource[] {
    const resources: Resource[] = [];
    for (const entry of this.#entries.toSorted(byNameThenKind)) {
      const resource = toMessage(entry);
      const copies = entry.kind.unitMilli === undefined ? 1 : entry.amount;
      for (let copy = 0; copy < copies; copy++) resources.push(resource);
    }
    return resources;
  }

  /** Short text for assertions and logs. */
  describe(): string {
    return `{${formatResources(this.toResources())}}`;
  }

  /** Adds a fresh entry, which the bundle keeps; nothing happens when it is empty. */
  #merge(entry: Entry): void {
    if (entry.amount === 0) return;
    const position = this.#seek(entry.kind, 0);
    const own = this.#entries[position];
    if (own?.kind === entry.kind) increase(own, entry);
    else this.#entries.splice(position, 0, entry);
  }

  #mapped(map: (kind: number) => number): Bundle {
    const result = new Bundle(this.kinds);
    for (const entry of this.#entries) {
      result.#merge({ ...entry, kind: this.kinds.get(map(entry.kind.kind)) });
    }
    return result;
  }

  /** Where `kind` is or belongs, looking from `position` on: bundles hold few kinds. */
  #seek(kind: ResourceKind, position: number): number {
    let result = position;
    while (result < this.#entries.length) {
      const entry = this.#entries[result];
      if (entry === undefined || entry.kind.kind >= kind.kind) break;
      result++;
    }
    return result;
  }

  #assertSameTable(other: Bundle): void {
    assert(this.kinds === other.kinds, "bundles of two tables of kinds meet");
  }
}

function scalarEntry(kind: ResourceKind, resource: Resource): Entry {
  const milli = toMilli(resource.scalar?.value ?? 0);
  const amount = kind.unitMilli === undefined || milli === 0 ? milli : 1;
  return { kind, amount, intervals: NO_INTERVALS, items: NO_ITEMS, disk: resource.disk };
}

function rangesEntry(kind: ResourceKind, intervals: Intervals): Entry {
  const amount = intervals.length === 0 ? 0 : 1;
  return { kind, amount, intervals, items: NO_ITEMS, disk: undefined };
}

function setEntry(kind: ResourceKind, items: ReadonlySet<string>): Entry {
  const amount = items.size === 0 ? 0 : 1;
  return { kind, amount, intervals: NO_INTERVALS, items, disk: undefined };
}

function gatherRanges(
  gathered: Map<ResourceKind, number[]>,
  kind: ResourceKind,
  resource: Resource,
): void {
  const pairs = gathered.get(kind) ?? [];
  gathered.set(kind, pairs);
  for (const { begin, end } of resource.ranges?.range ?? []) pairs.push(begin, end);
}

function gatherItems(
  gathered: Map<ResourceKind, Set<string>>,
  kind: ResourceKind,
  resource: Resource,
): void {
  const items = gathered.get(kind) ?? new Set();
  gathered.set(kind, items);
  for (const item of resource.set?.item ?? []) items.add(item);
}

function increase(own: Entry, theirs: Entry): void {
  if (own.kind.type === "SCALAR") own.amount += theirs.amount;
  else if (own.kind.type === "RANGES") {
    own.intervals = unionIntervals(own.intervals, theirs.intervals);
  } else own.items = own.items.union(theirs.items);
}

/** The caller has checked that `own` covers `theirs`. */
function decrease(own: Entry, theirs: Entry): void {
  if (own.kind.type === "SCALAR") own.amount -= theirs.amount;
  else if (own.kind.type === "RANGES") {
    own.intervals = subtractIntervals(own.intervals, theirs.intervals);
    own.amount = own.intervals.length === 0 ? 0 : 1;
  } else {
    own.items = own.items.difference(theirs.items);
    own.amount = own.items.size === 0 ? 0 : 1;
  }
}

function covers(own: Entry, theirs: Entry): boolean {
  if (own.kind.type === "SCALAR") return own.amount >= theirs.amount;
  if (own.kind.type === "RANGES") return containsIntervals(own.intervals, theirs.intervals);
  return own.items.isSupersetOf(theirs.items);
}

function overlaps(own: Entry, theirs: Entry): boolean {
  if (own.kind.type === "SCALAR") return true;
  if (own.kind.type === "RANGES") return intersectsIntervals(own.intervals, theirs.intervals);
  return !own.items.isDisjointFrom(theirs.items);
}

function milliOf({ kind, amount }: Entry): number {
  if (kind.type !== "SCALAR") return 0;
  if (kind.unitMilli === undefined) return amount;
  return kind.isShared ? kind.unitMilli : amount * kind.unitMilli;
}

function byNameThenKind(a: Entry, b: Entry): number {
  if (a.kind.name !== b.kind.name) return a.kind.name < b.kind.name ? -1 : 1;
  return a.kind.kind - b.kind.kind;
}

function toMessage({ kind, amount, intervals, items, disk }: Entry): Resource {
  const template = disk === undefined ? kind.template : { ...kind.template, disk };
  if (kind.type === "RANGES") return { ...template, ranges: { range: toRanges(intervals) } };
  if (kind.type === "SET") return { ...template, set: { item: [...items].sort() } };
  return { ...template, scalar: { value: fromMilli(kind.unitMilli ?? amount) } };
}

function toRanges(intervals: Intervals): { begin: number; end: number }[] {
  const ranges: { begin: number; end: number }[] = [];
  for (let index = 0; index < intervals.length; index += 2) {
    ranges.push({ begin: intervals[index] ?? 0, end: intervals[index + 1] ?? 0 });
  }
  return ranges;
}
