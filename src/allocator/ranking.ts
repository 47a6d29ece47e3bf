/**
 * Siblings in the order in which they are served: lowest share, then fewest allocations, then path.
 * Changes are noted and take effect together when the order is asked for. Source: semantics 4.2.
 */
import { assert } from "../base/assert.ts";
import type { Contenders } from "./contenders.ts";

const FIRST_CAPACITY = 2;
/** With more than this part of the members on the move, ordering all anew is the cheaper way. */
const REORDER_FACTOR = 8;
/** Steps per member that insertion sort may take before a full sort takes over. */
const INSERTION_STEPS = 4;

/** Contenders by number, in order. Members keep the key they were placed by until `settle`. */
export class Ranking {
  readonly #table: Contenders;
  /** All siblings, whether they compete or not, by path. */
  readonly #byPath: number[] = [];
  #order: Int32Array = new Int32Array(FIRST_CAPACITY);
  #size = 0;
  /** Members that are flagged in `isMoved`. */
  #moved: number[] = [];
  /** Version of the totals that shares were worked out with. */
  #totalsVersion = -1;

  constructor(table: Contenders) {
    this.#table = table;
  }

  get size(): number {
    return this.#size;
  }

  /** The member at a place, as of the last `settle`. */
  at(place: number): number {
    return this.#order[place] ?? 0;
  }

  /** A new sibling, which does not compete yet; gives it its place among the paths. */
  admit(sibling: number): void {
    const { path, pathRank } = this.#table;
    const siblings = this.#byPath;
    const own = path[sibling] ?? "";
    const place = firstNot(siblings, (other) => (path[other] ?? "") < own);
    const [before, after] = [siblings[place - 1], siblings[place]];
    const lower = before === undefined ? undefined : (pathRank[before] ?? 0);
    const upper = after === undefined ? undefined : (pathRank[after] ?? 0);
    siblings.splice(place, 0, sibling);
    const rank = rankBetween(lower, upper);
    pathRank[sibling] = rank;
    if (rank === lower || rank === upper) this.#renumber();
  }

  /** The sibling is no more; it does not compete. */
  dismiss(sibling: number): void {
    const { path, pathRank } = this.#table;
    const own = pathRank[sibling] ?? 0;
    const place = firstNot(this.#byPath, (other) => (pathRank[other] ?? 0) < own);
    assert(this.#byPath[place] === sibling, () => `${path[sibling]} is where its path says`);
    this.#byPath.splice(place, 1);
  }

  /** Lets a sibling compete. O(log members), and a move of memory. */
  insert(member: number): void {
    const table = this.#table;
    assert(table.isRanked[member] === 0, () => `${table.path[member]} is ranked once`);
    if (this.#size === this.#order.length) this.#grow();
    table.isRanked[member] = 1;
    this.#putIn(member);
  }

  /** The sibling competes no more. */
  remove(member: number): void {
    const table = this.#table;
    this.#takeOut(member);
    table.isRanked[member] = 0;
    if (table.isMoved[member] === 1) {
      table.isMoved[member] = 0;
      this.#moved.splice(this.#moved.indexOf(member), 1);
    }
  }

  /** Notes that a member's share or count may have changed. */
  touch(member: number): void {
    const { isMoved } = this.#table;
    if (isMoved[member] === 1) return;
    isMoved[member] = 1;
    this.#moved.push(member);
  }

  /**
   * Puts everyone in place: O(log members) for each that moved, and a move of memory; O(members)
   * after a change of the totals, which mostly leaves the order as it is.
   */
  settle(): void {
    const areTotalsNew = this.#totalsVersion !== this.#table.totalsVersion;
    if (!areTotalsNew && this.#moved.length === 0) return;
    this.#totalsVersion = this.#table.totalsVersion;
    if (this.#moved.length * REORDER_FACTOR > this.#size) this.#reorder();
    else if (areTotalsNew) {
      // Those that moved would be in the way of all that did not.
      for (const member of this.#moved) this.#takeOut(member);
      this.#reorder();
      for (const member of this.#moved) this.#putIn(member);
    } else for (const member of this.#moved) this.#replace(member);
    for (const member of this.#moved) this.#table.isMoved[member] = 0;
    this.#moved.length = 0;
  }

  /** Leaves room for it to be put in again. */
  #takeOut(member: number): void {
    const place = this.#placeFor(member, 0, this.#size);
    assert(
      this.#order[place] === member,
      () => `${this.#table.path[member]} is where its key says`,
    );
    this.#order.copyWithin(place, place + 1, this.#size);
    this.#size -= 1;
  }

  #putIn(member: number): void {
    this.#refresh(member);
    const place = this.#placeFor(member, 0, this.#size);
    this.#order.copyWithin(place + 1, place, this.#size);
    this.#order[place] = member;
    this.#size += 1;
  }

  /** Whole numbers in the same order, once there is no room between two. */
  #renumber(): void {
    const { pathRank } = this.#table;
    for (const [place, sibling] of this.#byPath.entries()) pathRank[sibling] = place;
  }

  #refresh(member: number): void {
    const table = this.#table;
    table.share[member] = table.shareOf(member);
    table.count[member] = table.liveCount[member] ?? 0;
  }

  #replace(member: number): void {
    const order = this.#order;
    const place = this.#placeFor(member, 0, this.#size);
    assert(order[place] === member, () => `${this.#table.path[member]} is where its key says`);
    this.#refresh(member);
    const isTooEarly = place + 1 < this.#size && this.#isBefore(order[place + 1] ?? 0, member);
    if (isTooEarly) {
      const next = this.#placeFor(member, place + 1, this.#size);
      order.copyWithin(place, place + 1, next);
      order[next - 1] = member;
    } else if (place > 0 && this.#isBefore(member, order[place - 1] ?? 0)) {
      const next = this.#placeFor(member, 0, place);
      order.copyWithin(next + 1, next, place);
      order[next] = member;
    }
  }

  /** Works out all keys anew; insertion sort, because the order is mostly right already. */
  #reorder(): void {
    const order = this.#order;
    this.#table.refresh(order, this.#size);
    const { share, count, pathRank } = this.#table;
    let steps = this.#size * INSERTION_STEPS;
    let before = order[0] ?? 0;
    for (let place = 1; place < this.#size; place++) {
      const member = order[place] ?? 0;
      // The comparison of `isBefore`, written out where all are in order: it decides the cost.
      const ahead = (share[member] ?? 0) - (share[before] ?? 0);
      const countAhead = (count[member] ?? 0) - (count[before] ?? 0);
      const isInOrder =
        ahead > 0 ||
        (ahead === 0 &&
          (countAhead > 0 ||
            (countAhead === 0 && (pathRank[member] ?? 0) > (pathRank[before] ?? 0))));
      if (isInOrder) {
        before = member;
        continue;
      }
      steps -= this.#moveUp(member, place);
      before = order[place] ?? 0;
      if (steps < 0) {
        this.#sort();
        return;
      }
    }
  }

  /** Moves the member at `place` to where it belongs before it; returns by how many places. */
  #moveUp(member: number, place: number): number {
    const order = this.#order;
    let target = place;
    while (target > 0 && this.#isBefore(member, order[target - 1] ?? 0)) {
      order[target] = order[target - 1] ?? 0;
      target -= 1;
    }
    order[target] = member;
    return place - target;
  }

  #sort(): void {
    const part = this.#order.subarray(0, this.#size);
    part.sort((a, b) => (a === b ? 0 : this.#isBefore(a, b) ? -1 : 1));
  }

  /** First place in [from, to) whose member does not come before `member`, or `to`. */
  #placeFor(member: number, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(this.#order[middle] ?? 0, member)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The order of semantics 4.2; a total one, since paths differ. */
  #isBefore(a: number, b: number): boolean {
    const { share, count, pathRank } = this.#table;
    const shareA = share[a] ?? 0;
    const shareB = share[b] ?? 0;
    if (shareA !== shareB) return shareA < shareB;
    const countA = count[a] ?? 0;
    const countB = count[b] ?? 0;
    if (countA !== countB) return countA < countB;
    return (pathRank[a] ?? 0) < (pathRank[b] ?? 0);
  }

  #grow(): void {
    const larger = new Int32Array(this.#order.length * 2);
    larger.set(this.#order);
    this.#order = larger;
  }
}

/** A number between the two, each of which may be missing; one of them when there is none. */
function rankBetween(lower: number | undefined, upper: number | undefined): number {
  if (lower === undefined) return (upper ?? 1) - 1;
  return upper === undefined ? lower + 1 : (lower + upper) / 2;
}

/** First place whose item does not come before what is looked for; items that do are at the start. */
function firstNot(items: readonly number[], comesBefore: (item: number) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comesBefore(items[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}
