/**
 * What a bundle holds, as a list of entries by kind, with facts that follow from it kept beside it.
 * Several bundles may hold the same content; then nobody changes it, and a bundle that has to makes
 * a copy first. So whole agents that nobody uses, their offers and their refusals cost one list.
 */
import { assert } from "../base/assert.ts";
import type { Resource, ResourceDiskInfo } from "../protocol/v1/types.ts";
import {
  containsIntervals,
  type Intervals,
  intersectsIntervals,
  subtractIntervals,
  unionIntervals,
} from "./intervals.ts";
import type { ResourceKind, ResourceKinds } from "./kinds.ts";
import { INTERNED_CONTENTS } from "./limits.ts";
import { fromMilli } from "./milli.ts";
import { type ScalarSummary, summarize } from "./summary.ts";

/** How much there is of one kind. An entry belongs to one content; intervals and items are shared. */
export interface Entry {
  readonly kind: ResourceKind;
  /** Thousandths, or copies where the kind is counted; 1 for ranges and sets. Never 0. */
  amount: number;
  intervals: Intervals;
  items: ReadonlySet<string>;
  /** The disk as this holder wrote it: kinds do not tell volumes and principals apart. */
  disk: ResourceDiskInfo | undefined;
}

export class Content {
  readonly kinds: ResourceKinds;
  /** In order of kind, at most one of each; none is empty. */
  readonly entries: Entry[];
  /** Held by more than one bundle: not to be changed any more. */
  isShared: boolean = false;
  #summary: ScalarSummary | undefined = undefined;
  #unallocated: Content | undefined = undefined;
  /** By role; of the generation of the table below. */
  #allocated: Map<string, Content> | undefined = undefined;
  #generation = 0;
  #nothing: Content | undefined = undefined;

  constructor(kinds: ResourceKinds, entries: Entry[]) {
    this.kinds = kinds;
    this.entries = entries;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** For whoever holds it beside somebody else. */
  share(): this {
    this.isShared = true;
    return this;
  }

  /** The content known by that key, which is this one, shared, when there is none yet. */
  interned(key: string): Content {
    const known = this.kinds.contents.get(key);
    if (known instanceof Content) return known;
    if (this.kinds.contents.size >= INTERNED_CONTENTS) this.kinds.contents.clear();
    this.kinds.contents.set(key, this.share());
    return this;
  }

  /** A copy that may be changed. */
  copy(): Content {
    const entries: Entry[] = [];
    for (const { kind, amount, intervals, items, disk } of this.entries) {
      entries.push({ kind, amount, intervals, items, disk });
    }
    return new Content(this.kinds, entries);
  }

  /** Sums of its scalars; the same object as long as nothing changes. */
  summary(): ScalarSummary {
    this.#summary ??= summarize(this.entries);
    return this.#summary;
  }

  /** No amounts of the same table; shared. */
  nothing(): Content {
    this.#nothing ??= new Content(this.kinds, []).share();
    return this.#nothing;
  }

  /** The same amounts, allocated to `role`; shared, and mostly the same object when asked again. */
  allocatedTo(role: string): Content {
    const known =
      this.#generation === this.kinds.generation ? this.#allocated?.get(role) : undefined;
    if (known !== undefined) return known;
    const result = this.#mapped((kind) => this.kinds.allocate(kind, role)).share();
    // A content of several allocations is not what the result was made of.
    if (this.entries.every(({ kind }) => kind.allocationRole === undefined)) {
      result.#unallocated = this.share();
      result.#summary = this.summary();
      this.#remember(role, result);
    }
    return result;
  }

  /** The same amounts, allocated to nobody; shared. */
  unallocated(): Content {
    if (this.#unallocated !== undefined) return this.#unallocated;
    if (this.entries.every(({ kind }) => kind.allocationRole === undefined)) return this.share();
    this.#unallocated = this.#mapped((kind) => this.kinds.unallocate(kind)).share();
    return this.#unallocated;
  }

  /** The part whose kinds satisfy `predicate`; itself, shared, when that is all of it. */
  filtered(predicate: (kind: ResourceKind) => boolean): Content {
    const entries = this.entries.filter(({ kind }) => predicate(kind));
    if (entries.length === this.entries.length) return this.share();
    const copies = entries.map((entry) => ({ ...entry }));
    return new Content(this.kinds, copies);
  }

  contains(other: Content): boolean {
    if (this === other) return true;
    let position = 0;
    for (let index = 0; index < other.entries.length; index++) {
      const theirs = other.entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.entries[position];
      if (own?.kind !== theirs.kind || !covers(own, theirs)) return false;
    }
    return true;
  }

  /** True when both hold something of one kind: any scalar, a common integer, a common item. */
  intersects(other: Content): boolean {
    let position = 0;
    for (const theirs of other.entries) {
      position = this.#seek(theirs.kind, position);
      const own = this.entries[position];
      if (own?.kind === theirs.kind && overlaps(own, theirs)) return true;
    }
    return false;
  }

  /** Adds in place. Ranges and sets are united: what both hold is there once. */
  add(other: Content): void {
    this.#change();
    let position = 0;
    for (let index = 0; index < other.entries.length; index++) {
      const theirs = other.entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.entries[position];
      if (own?.kind === theirs.kind) increase(own, theirs);
      else this.entries.splice(position, 0, { ...theirs });
    }
  }

  /** Takes away in place; the caller has checked that it contains the other. */
  subtract(other: Content): void {
    this.#change();
    let position = 0;
    for (let index = 0; index < other.entries.length; index++) {
      const theirs = other.entries[index];
      if (theirs === undefined) break;
      position = this.#seek(theirs.kind, position);
      const own = this.entries[position];
      if (own === undefined) break;
      decrease(own, theirs);
      if (own.amount === 0) this.entries.splice(position, 1);
    }
  }

  /** Adds a fresh entry, which the content keeps; nothing happens when it is empty. */
  merge(entry: Entry): void {
    if (entry.amount === 0) return;
    this.#change();
    const last = this.entries.at(-1);
    if (last === undefined || last.kind.kind < entry.kind.kind) {
      this.entries.push(entry);
      return;
    }
    const position = this.#seek(entry.kind, 0);
    const own = this.entries[position];
    if (own?.kind === entry.kind) increase(own, entry);
    else this.entries.splice(position, 0, entry);
  }

  #remember(role: string, allocated: Content): void {
    const generation = this.kinds.countAllocated();
    if (this.#allocated === undefined || this.#generation !== generation) {
      this.#allocated = new Map();
      this.#generation = generation;
    }
    this.#allocated.set(role, allocated);
  }

  #change(): void {
    assert(!this.isShared, "content that several bundles hold is not changed");
    this.#summary = undefined;
    this.#unallocated = undefined;
    this.#allocated = undefined;
  }

  #mapped(map: (kind: number) => number): Content {
    const result = new Content(this.kinds, []);
    for (const { kind, amount, intervals, items, disk } of this.entries) {
      const mapped = this.kinds.get(map(kind.kind));
      result.merge({ kind: mapped, amount, intervals, items, disk });
    }
    return result;
  }

  /** Where `kind` is or belongs, looking from `position` on: bundles hold few kinds. */
  #seek(kind: ResourceKind, position: number): number {
    let result = position;
    while (result < this.entries.length) {
      const entry = this.entries[result];
      if (entry === undefined || entry.kind.kind >= kind.kind) break;
      result++;
    }
    return result;
  }
}

/** Thousandths of a scalar entry, a shared volume once; 0 for the rest. */
export function milliOf({ kind, amount }: Entry): number {
  if (kind.type !== "SCALAR") return 0;
  if (kind.unitMilli === undefined) return amount;
  return kind.isShared ? kind.unitMilli : amount * kind.unitMilli;
}

/** Post-refinement form; counted kinds as one copy. */
export function toMessage({ kind, amount, intervals, items, disk }: Entry): Resource {
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
    const isAll = own.intervals === theirs.intervals;
    own.intervals = isAll ? [] : subtractIntervals(own.intervals, theirs.intervals);
    own.amount = own.intervals.length === 0 ? 0 : 1;
  } else {
    own.items = own.items.difference(theirs.items);
    own.amount = own.items.size === 0 ? 0 : 1;
  }
}

function covers(own: Entry, theirs: Entry): boolean {
  if (own.kind.type === "SCALAR") return own.amount >= theirs.amount;
  if (own.kind.type === "RANGES") {
    return own.intervals === theirs.intervals || containsIntervals(own.intervals, theirs.intervals);
  }
  return own.items === theirs.items || own.items.isSupersetOf(theirs.items);
}

function overlaps(own: Entry, theirs: Entry): boolean {
  if (own.kind.type === "SCALAR") return true;
  if (own.kind.type === "RANGES") return intersectsIntervals(own.intervals, theirs.intervals);
  return !own.items.isDisjointFrom(theirs.items);
}
