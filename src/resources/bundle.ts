/**
 * An amount of resources of any number of kinds, with exact arithmetic (DESIGN §3): scalars are
 * integers in thousandths, ranges are intervals, sets are sets of strings. `add` and `subtract`
 * work in place and allocate nothing for scalars whose kinds both sides have.
 *
 * Shared and indivisible resources are counted in whole copies. The same shared volume held by
 * three tasks is three copies of one volume, and its size counts once.
 *
 * Copies share their content until one of them changes, so copying costs the same for any size.
 */
import { assert } from "../base/assert.ts";
import type { Resource } from "../protocol/v1/types.ts";
import { Content, type Entry, milliOf, toMessage } from "./content.ts";
import { formatResources } from "./format.ts";
import { type Intervals, normalizeIntervals } from "./intervals.ts";
import type { ResourceKind, ResourceKinds } from "./kinds.ts";
import { toMilli } from "./milli.ts";
import { isNothing } from "./nothing.ts";
import { isQuotaScalar, type ScalarSummary } from "./summary.ts";

export { toMilli };

const NO_INTERVALS: Intervals = [];
const NO_ITEMS: ReadonlySet<string> = new Set();

export class Bundle {
  readonly kinds: ResourceKinds;
  #content: Content;

  private constructor(kinds: ResourceKinds, content: Content) {
    this.kinds = kinds;
    this.#content = content;
  }

  static empty(kinds: ResourceKinds): Bundle {
    return new Bundle(kinds, new Content(kinds, []));
  }

  /** From validated messages in any reservation format; equal kinds are merged. */
  static from(kinds: ResourceKinds, resources: readonly Resource[]): Bundle {
    const content = new Content(kinds, []);
    // Gathered first and put in order once: joining one by one is quadratic in the message.
    const pairs = new Map<ResourceKind, number[]>();
    const items = new Map<ResourceKind, Set<string>>();
    for (const resource of resources) {
      if (isNothing(resource)) continue;
      const kind = kinds.get(kinds.intern(resource));
      if (kind.type === "SCALAR") content.merge(scalarEntry(kind, resource));
      else if (kind.type === "RANGES") gatherRanges(pairs, kind, resource);
      else gatherItems(items, kind, resource);
    }
    for (const [kind, flat] of pairs) content.merge(rangesEntry(kind, normalizeIntervals(flat)));
    for (const [kind, set] of items) content.merge(setEntry(kind, set));
    return new Bundle(kinds, content);
  }

  /** O(1): the copies part when one of them changes. */
  clone(): Bundle {
    return new Bundle(this.kinds, this.#content.share());
  }

  /** An equal bundle that shares its content with all equal ones of the table that asked for it. */
  interned(): Bundle {
    const key = keyOf(this.#content);
    if (key === undefined) return this.clone();
    return new Bundle(this.kinds, this.#content.interned(key));
  }

  isEmpty(): boolean {
    return this.#content.isEmpty;
  }

  /** Whether both still share their content, so that they are equal for sure. O(1). */
  isCopyOf(other: Bundle): boolean {
    return this.#content === other.#content;
  }

  /** Adds `other` to this bundle. Ranges and sets are united: what both hold is there once. */
  add(other: Bundle): void {
    this.#assertSameTable(other);
    if (other.#content.isEmpty) return;
    if (this.#content.isEmpty) {
      this.#content = other.#content.share();
      return;
    }
    const added = other.#content;
    this.#own().add(added);
  }

  /** Takes `other` away from this bundle, which must contain it. */
  subtract(other: Bundle): void {
    this.#assertSameTable(other);
    if (other.#content === this.#content) {
      this.#content = this.#content.nothing();
      return;
    }
    if (!this.#content.contains(other.#content)) {
      assert(false, `${this.describe()} does not contain ${other.describe()}`);
    }
    if (!other.#content.isEmpty) this.#own().subtract(other.#content);
  }

  /** True when `other` could be subtracted. */
  contains(other: Bundle): boolean {
    this.#assertSameTable(other);
    return this.#content.contains(other.#content);
  }

  /** True when both hold something of one kind: any scalar, a common integer, a common item. */
  intersects(other: Bundle): boolean {
    this.#assertSameTable(other);
    return this.#content.intersects(other.#content);
  }

  equals(other: Bundle): boolean {
    this.#assertSameTable(other);
    const own = this.#content;
    const theirs = other.#content;
    if (own === theirs) return true;
    const isSameSize = own.entries.length === theirs.entries.length;
    return isSameSize && own.contains(theirs) && theirs.contains(own);
  }

  /** Sums of the scalars; the same object until the bundle changes. */
  summary(): ScalarSummary {
    return this.#content.summary();
  }

  /** Thousandths of all scalars of that name together; each shared volume once. */
  scalarMilli(name: string): number {
    let sum = 0;
    for (const entry of this.#content.entries) {
      if (entry.kind.name === name) sum += milliOf(entry);
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
    for (const entry of this.#content.entries) {
      const { name, type } = entry.kind;
      if (type === "SCALAR") totals.set(name, (totals.get(name) ?? 0) + milliOf(entry));
    }
    return totals;
  }

  /** Every kind that is present, in order of kind. */
  *presentKinds(): Generator<ResourceKind> {
    for (const entry of this.#content.entries) yield entry.kind;
  }

  /** Whether a kind that is present satisfies `predicate`. */
  has(predicate: (kind: ResourceKind) => boolean): boolean {
    for (const { kind } of this.#content.entries) if (predicate(kind)) return true;
    return false;
  }

  /** How much there is of a kind: thousandths, or copies where the kind is counted. */
  amountOf(kind: ResourceKind): number {
    return this.#content.entries.find((entry) => entry.kind === kind)?.amount ?? 0;
  }

  /**
   * Visits each kind that is present, in order of kind: thousandths of scalars (each shared volume
   * once), intervals of ranges, items of sets. Allocates nothing.
   */
  forEach(
    visit: (
      kind: ResourceKind,
      milli: number,
      intervals: Intervals,
      items: ReadonlySet<string>,
    ) => void,
  ): void {
    for (const entry of this.#content.entries) {
      visit(entry.kind, milliOf(entry), entry.intervals, entry.items);
    }
  }

  /** The part whose kinds satisfy `predicate`; a new bundle. */
  filter(predicate: (kind: ResourceKind) => boolean): Bundle {
    return new Bundle(this.kinds, this.#content.filtered(predicate));
  }

  /** Of each scalar kind, what there is more of here than in `other`; a new bundle. */
  beyond(other: Bundle): Bundle {
    this.#assertSameTable(other);
    const content = new Content(this.kinds, []);
    for (const entry of this.#content.entries) {
      if (entry.kind.type !== "SCALAR") continue;
      const amount = Math.max(0, entry.amount - other.amountOf(entry.kind));
      content.merge({ ...entry, amount });
    }
    return new Bundle(this.kinds, content);
  }

  /**
   * The part that is left when of each scalar name no more than `left` (thousandths by
   * `scalarIndex`) of what counts for quota may stay: divisible kinds first, then whole copies, each
   * in order of kind. Takes what stays off `left`. A new bundle.
   */
  shrunk(left: Float64Array): Bundle {
    const kept = new Map<Entry, number>();
    for (const areCopies of [false, true]) {
      for (const entry of this.#content.entries) {
        const { kind } = entry;
        if (!isQuotaScalar(kind) || (kind.unitMilli !== undefined) !== areCopies) continue;
        const unit = kind.unitMilli ?? 1;
        const room = Math.max(0, left[kind.scalarIndex] ?? 0);
        const amount = Math.min(entry.amount, Math.floor(room / unit));
        left[kind.scalarIndex] = room - amount * unit;
        kept.set(entry, amount);
      }
    }
    const content = new Content(this.kinds, []);
    for (const entry of this.#content.entries) {
      content.merge({ ...entry, amount: kept.get(entry) ?? entry.amount });
    }
    return new Bundle(this.kinds, content);
  }

  /** The same amounts, allocated to `role`; a new bundle. */
  withAllocation(role: string): Bundle {
    return new Bundle(this.kinds, this.#content.allocatedTo(role));
  }

  /** The same amounts, allocated to nobody; a new bundle. */
  withoutAllocation(): Bundle {
    return new Bundle(this.kinds, this.#content.unallocated());
  }

  /** Roles that parts of this bundle are allocated to, each once. */
  allocationRoles(): readonly string[] {
    const roles: string[] = [];
    for (const { kind } of this.#content.entries) {
      const role = kind.allocationRole;
      if (role !== undefined && !roles.includes(role)) roles.push(role);
    }
    return roles;
  }

  /** The role that everything is allocated to; undefined when there are several, or none. */
  allocationRole(): string | undefined {
    const { entries } = this.#content;
    const role = entries[0]?.kind.allocationRole;
    for (const { kind } of entries) if (kind.allocationRole !== role) return undefined;
    return role;
  }

  /**
   * As messages in post-refinement form, in order of name, then kind; counted kinds once per copy,
   * so that `Bundle.from` gives an equal bundle. The messages may be kept and shared.
   */
  toResources(): Resource[] {
    const resources: Resource[] = [];
    for (const entry of this.#content.entries.toSorted(byNameThenKind)) {
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

  /** The content, after making sure that nobody else holds it. */
  #own(): Content {
    if (this.#content.isShared) this.#content = this.#content.copy();
    return this.#content;
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

function byNameThenKind(a: Entry, b: Entry): number {
  if (a.kind.name !== b.kind.name) return a.kind.name < b.kind.name ? -1 : 1;
  return a.kind.kind - b.kind.kind;
}

/** Equal for equal contents; undefined where a holder has written a disk in words of its own. */
function keyOf({ entries }: Content): string | undefined {
  let key = "";
  for (const { kind, amount, intervals, items, disk } of entries) {
    if (disk !== undefined) return undefined;
    key += `${kind.kind}:${amount}:${intervals.join()}:${JSON.stringify([...items].sort())};`;
  }
  return key;
}
