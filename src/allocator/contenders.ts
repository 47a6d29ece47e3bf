/**
 * What everyone who competes for resources has, in columns by number: amounts, share, count. Numbers
 * are reused. Amounts are thousandths by scalar name; a row has one place per name of the table of
 * kinds, so that shares are worked out without looking anything up. Source: semantics 4.2.
 */
import { assert } from "../base/assert.ts";
import type { ScalarSummary } from "../resources/summary.ts";

const FIRST_CAPACITY = 64;
const FIRST_WIDTH = 4;

/** A shared volume on one agent: its size counts once, however many use it. */
export interface SharedAmount {
  /** The volume and its agent. */
  readonly key: string;
  readonly index: number;
  readonly milli: number;
  readonly users: number;
}

export class Contenders {
  /** As of the last settling of the ranking it is in. */
  share: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** As of the last settling of the ranking it is in. */
  count: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Allocations made to it since it is known; never goes down. */
  liveCount: Float64Array = new Float64Array(FIRST_CAPACITY);
  weight: Float64Array = new Float64Array(FIRST_CAPACITY);
  isRanked: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /** Share or count may have changed since the ranking was settled. */
  isMoved: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /** Decides between equals, by `pathRank`; unique among siblings. */
  readonly path: string[] = [];
  /** Comparable among siblings: lower for a lower path. */
  pathRank: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Goes up with every change of the totals. */
  totalsVersion: number = 0;
  /** [contenders × width] */
  #held: Float64Array = new Float64Array(FIRST_CAPACITY * FIRST_WIDTH);
  /** The part of `#held` that counts for quota; same shape. */
  #quotaHeld: Float64Array = new Float64Array(FIRST_CAPACITY * FIRST_WIDTH);
  readonly #sharedUsers = new Map<number, Map<string, number>>();
  /** By name; what the whole cluster has. */
  readonly #totals: number[] = [];
  readonly #totalSharedUsers = new Map<string, number>();
  /** By name: the total where it counts for shares, else infinity. */
  #divisors: Float64Array = new Float64Array(FIRST_WIDTH).fill(Number.POSITIVE_INFINITY);
  readonly #free: number[] = [];
  readonly #isExcluded: (index: number) => boolean;
  #width = FIRST_WIDTH;
  #capacity = FIRST_CAPACITY;
  #size = 0;

  /** `isExcluded` tells whether a name (by number) does not count for shares. */
  constructor(isExcluded: (index: number) => boolean) {
    this.#isExcluded = isExcluded;
  }

  /** A number with nothing to it. */
  add(path: string, weight: number): number {
    const number = this.#free.pop() ?? this.#size++;
    if (number >= this.#capacity) this.#grow();
    this.path[number] = path;
    this.weight[number] = weight;
    this.share[number] = 0;
    this.count[number] = 0;
    this.liveCount[number] = 0;
    return number;
  }

  /** Gives a number back; it must hold nothing and not be ranked. */
  remove(number: number): void {
    assert(this.isRanked[number] === 0, () => `${this.path[number]} is not ranked when it goes`);
    this.#sharedUsers.delete(number);
    this.path[number] = "";
    this.#free.push(number);
  }

  take(number: number, summary: ScalarSummary): void {
    this.#change(number, summary, 1);
    this.liveCount[number] = (this.liveCount[number] ?? 0) + 1;
  }

  release(number: number, summary: ScalarSummary): void {
    this.#change(number, summary, -1);
  }

  takeShared(number: number, amount: SharedAmount): void {
    let users = this.#sharedUsers.get(number);
    if (users === undefined) {
      users = new Map();
      this.#sharedUsers.set(number, users);
    }
    const before = users.get(amount.key) ?? 0;
    if (before === 0) this.#addTo(number, amount.index, amount.milli);
    users.set(amount.key, before + amount.users);
  }

  releaseShared(number: number, { key, index, milli, users }: SharedAmount): void {
    const known = this.#sharedUsers.get(number);
    const left = (known?.get(key) ?? 0) - users;
    assert(left >= 0, () => `shared resource ${key} is returned more often than it was taken`);
    if (left > 0) {
      known?.set(key, left);
      return;
    }
    known?.delete(key);
    this.#addTo(number, index, -milli);
  }

  /** Thousandths held of a name. */
  heldOf(number: number, index: number): number {
    return index < this.#width ? (this.#held[number * this.#width + index] ?? 0) : 0;
  }

  /** Thousandths held of a name, as far as they count for quota. */
  quotaHeldOf(number: number, index: number): number {
    return index < this.#width ? (this.#quotaHeld[number * this.#width + index] ?? 0) : 0;
  }

  /** `sign` is 1 for an agent's total that comes, -1 for one that goes. */
  changeTotals(summary: ScalarSummary, shared: readonly SharedAmount[], sign: 1 | -1): void {
    this.totalsVersion += 1;
    const { indexes, milli } = summary;
    for (let place = 0; place < indexes.length; place++) {
      this.#changeTotal(indexes[place] ?? 0, sign * (milli[place] ?? 0));
    }
    for (const { key, index, milli: size, users } of shared) {
      const before = this.#totalSharedUsers.get(key) ?? 0;
      const after = before + sign * users;
      if (after > 0) this.#totalSharedUsers.set(key, after);
      else this.#totalSharedUsers.delete(key);
      if (before === 0 || after === 0) this.#changeTotal(index, sign * size);
    }
  }

  /** What the whole cluster has of a name. */
  totalOf(index: number): number {
    return this.#totals[index] ?? 0;
  }

  /** The dominant share by weight, as of now. */
  shareOf(number: number): number {
    const width = this.#width;
    const held = this.#held;
    const divisors = this.#divisors;
    let share = 0;
    for (let index = 0, place = number * width; index < width; index++, place++) {
      const part = (held[place] ?? 0) / (divisors[index] ?? 1);
      if (part > share) share = part;
    }
    return share / (this.weight[number] ?? 1);
  }

  /** Works out share and count of the first `size` contenders in `order` anew. */
  refresh(order: Int32Array, size: number): void {
    const { share, count, liveCount, weight } = this;
    const held = this.#held;
    const divisors = this.#divisors;
    const width = this.#width;
    const names = Math.min(width, this.#totals.length);
    for (let place = 0; place < size; place++) {
      const number = order[place] ?? 0;
      const first = number * width;
      let largest = 0;
      for (let index = 0; index < names; index++) {
        const part = (held[first + index] ?? 0) / (divisors[index] ?? 1);
        if (part > largest) largest = part;
      }
      share[number] = largest / (weight[number] ?? 1);
      count[number] = liveCount[number] ?? 0;
    }
  }

  /** Names that anybody may hold something of: 0 … width - 1. */
  get width(): number {
    return this.#width;
  }

  #change(number: number, { indexes, milli, quotaMilli }: ScalarSummary, sign: 1 | -1): void {
    for (let place = 0; place < indexes.length; place++) {
      const index = indexes[place] ?? 0;
      this.#addTo(number, index, sign * (milli[place] ?? 0));
      const cell = number * this.#width + index;
      const quota = (this.#quotaHeld[cell] ?? 0) + sign * (quotaMilli[place] ?? 0);
      this.#quotaHeld[cell] = quota;
    }
  }

  #addTo(number: number, index: number, milli: number): void {
    if (index >= this.#width) this.#widen(index + 1);
    const cell = number * this.#width + index;
    const after = (this.#held[cell] ?? 0) + milli;
    assert(after >= 0, "an account never goes below zero");
    this.#held[cell] = after;
  }

  #changeTotal(index: number, milli: number): void {
    if (index >= this.#width) this.#widen(index + 1);
    const total = this.totalOf(index) + milli;
    assert(total >= 0, "the cluster never has less than nothing");
    while (this.#totals.length <= index) this.#totals.push(0);
    this.#totals[index] = total;
    const isCounted = total > 0 && !this.#isExcluded(index);
    this.#divisors[index] = isCounted ? total : Number.POSITIVE_INFINITY;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.share = grown(this.share, this.#capacity);
    this.count = grown(this.count, this.#capacity);
    this.liveCount = grown(this.liveCount, this.#capacity);
    this.weight = grown(this.weight, this.#capacity);
    this.pathRank = grown(this.pathRank, this.#capacity);
    this.#held = grown(this.#held, this.#capacity * this.#width);
    this.#quotaHeld = grown(this.#quotaHeld, this.#capacity * this.#width);
    const isRanked = new Uint8Array(this.#capacity);
    isRanked.set(this.isRanked);
    this.isRanked = isRanked;
    const isMoved = new Uint8Array(this.#capacity);
    isMoved.set(this.isMoved);
    this.isMoved = isMoved;
  }

  #widen(needed: number): void {
    const width = Math.max(needed, this.#width * 2);
    this.#held = widened(this.#held, this.#width, width);
    this.#quotaHeld = widened(this.#quotaHeld, this.#width, width);
    const divisors = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
    divisors.set(this.#divisors);
    this.#divisors = divisors;
    this.#width = width;
  }
}

function grown(column: Float64Array, capacity: number): Float64Array {
  const larger = new Float64Array(capacity);
  larger.set(column);
  return larger;
}

function widened(cells: Float64Array, from: number, to: number): Float64Array {
  const rows = cells.length / from;
  const result = new Float64Array(rows * to);
  for (let row = 0; row < rows; row++) {
    result.set(cells.subarray(row * from, row * from + from), row * to);
  }
  return result;
}
