/**
 * Siblings in the order in which they are served: lowest dominant share, then fewest allocations,
 * then path. Source: semantics 4.2.
 */
import { Account } from "./quantities.ts";

/** Whoever competes with its siblings: a branch of the role tree, or a framework in a role. */
export class Contender {
  /** Decides between equals; unique among siblings. */
  readonly path: string;
  readonly account: Account = new Account();
  /** Allocations made to it since it is known; never goes down. */
  count: number = 0;
  /** As of the last settling of the tree. */
  share: number = 0;

  constructor(path: string) {
    this.path = path;
  }
}

/** Contenders in order. Changes are noted, and take effect together in `settle`. */
export class Ranking<T extends Contender> {
  #items: T[] = [];
  readonly #members = new Set<T>();
  /** Members that are new or whose share or count may have changed. */
  readonly #moving = new Set<T>();

  /** In order, as of the last `settle`. Members that left since are gone already. */
  get items(): readonly T[] {
    return this.#items;
  }

  get size(): number {
    return this.#members.size;
  }

  has(item: T): boolean {
    return this.#members.has(item);
  }

  insert(item: T): void {
    this.#members.add(item);
    this.#moving.add(item);
  }

  remove(item: T): void {
    this.#members.delete(item);
    this.#moving.delete(item);
    const position = this.#items.indexOf(item);
    if (position >= 0) this.#items.splice(position, 1);
  }

  /** Notes that the place of a member may have changed. */
  touch(item: T): void {
    if (this.#members.has(item)) this.#moving.add(item);
  }

  /** Puts moved members in their places: O(members) per call with few, n log n with many. */
  settle(): void {
    const { size } = this.#moving;
    if (size === 0) return;
    if (size * RESORT_FACTOR > this.#members.size) {
      this.#items = [...this.#members].sort((a, b) => (comesBefore(a, b) ? -1 : 1));
    } else {
      const resting = this.#items.filter((item) => !this.#moving.has(item));
      for (const item of this.#moving) resting.splice(placeOf(item, resting), 0, item);
      this.#items = resting;
    }
    this.#moving.clear();
  }
}

/** With more than this part of the members on the move, sorting anew is the cheaper way. */
const RESORT_FACTOR = 8;

/** The order of semantics 4.2; a total one, since paths differ. */
function comesBefore(a: Contender, b: Contender): boolean {
  if (a.share !== b.share) return a.share < b.share;
  if (a.count !== b.count) return a.count < b.count;
  return a.path < b.path;
}

function placeOf(item: Contender, sorted: readonly Contender[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle];
    if (other !== undefined && comesBefore(other, item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
