/**
 * Memory of what is over: the newest so many of something, the oldest forgotten first.
 * Source: semantics 3.1 (completed frameworks and tasks).
 */
import { assert } from "../../base/assert.ts";

/** Keeps the newest `limit` items in order of arrival. Adding costs O(1). */
export class History<Item> {
  readonly limit: number;
  private readonly slots: Item[] = [];
  /** Slot of the oldest item once all slots are taken. */
  private oldest = 0;

  constructor(limit: number) {
    assert(Number.isInteger(limit) && limit >= 0, "a history is bounded by a whole number");
    this.limit = limit;
  }

  get size(): number {
    return this.slots.length;
  }

  /** Adds the newest item; the oldest leaves when there is no room. */
  add(item: Item): void {
    if (this.limit === 0) return;
    if (this.slots.length < this.limit) {
      this.slots.push(item);
      return;
    }
    this.slots[this.oldest] = item;
    this.oldest = (this.oldest + 1) % this.limit;
  }

  /** Oldest first, in a fresh array. */
  items(): Item[] {
    return [...this.slots.slice(this.oldest), ...this.slots.slice(0, this.oldest)];
  }
}

/** Sets `key` as the newest entry of an age-ordered map and forgets the oldest beyond `limit`. */
export function rememberBounded<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
  limit: number,
): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}
