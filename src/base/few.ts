/**
 * Maps and sets that mostly hold nothing or a few items, of which there are as many as agents. An
 * engine gives a map of one item, or one that is empty again, 250 bytes, and a set of ten 640; here
 * items stand in a list until there are too many to look through.
 *
 * While one is walked through, what is deleted and has not been visited is left out; what is added
 * may or may not be visited.
 */

/** Above this many a table is quicker. */
const LIST_MAX = 16;

/** What both a `Map` and a `FewMap` can do. */
export interface Dictionary<Key, Value> extends Iterable<[Key, Value]> {
  readonly size: number;
  has(key: Key): boolean;
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): unknown;
  delete(key: Key): boolean;
  clear(): void;
  keys(): IterableIterator<Key>;
  values(): IterableIterator<Value>;
  /** The quickest way through a short one. */
  forEach(visit: (value: Value, key: Key) => void): void;
}

export class FewSet<Item> implements Iterable<Item> {
  /** A list is never cut: whoever walks through it keeps the one that was there. */
  #items: Item[] | Set<Item> | undefined;

  get size(): number {
    const items = this.#items;
    if (items === undefined) return 0;
    return items instanceof Set ? items.size : items.length;
  }

  has(item: Item): boolean {
    const items = this.#items;
    if (items === undefined) return false;
    return items instanceof Set ? items.has(item) : items.includes(item);
  }

  add(item: Item): void {
    const items = this.#items;
    if (items === undefined) this.#items = [item];
    else if (items instanceof Set) items.add(item);
    else if (!items.includes(item)) {
      if (items.length < LIST_MAX) items.push(item);
      else this.#items = new Set(items).add(item);
    }
  }

  delete(item: Item): boolean {
    const items = this.#items;
    if (items === undefined) return false;
    const isDeleted = items instanceof Set ? items.delete(item) : items.includes(item);
    if (isDeleted && !(items instanceof Set)) this.#items = items.filter((one) => one !== item);
    if (isDeleted && this.size === 0) this.#items = undefined;
    return isDeleted;
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    const items = this.#items;
    for (const item of items ?? []) if (items === this.#items || this.has(item)) yield item;
  }
}

export class FewMap<Key, Value> implements Dictionary<Key, Value> {
  /** A list has no key twice; it is never cut, as above. */
  #entries: [Key, Value][] | Map<Key, Value> | undefined;

  get size(): number {
    const entries = this.#entries;
    if (entries === undefined) return 0;
    return entries instanceof Map ? entries.size : entries.length;
  }

  has(key: Key): boolean {
    const entries = this.#entries;
    return entries instanceof Map ? entries.has(key) : this.#listed(key) !== undefined;
  }

  get(key: Key): Value | undefined {
    const entries = this.#entries;
    return entries instanceof Map ? entries.get(key) : this.#listed(key)?.[1];
  }

  set(key: Key, value: Value): void {
    const entries = this.#entries;
    const listed = this.#listed(key);
    if (entries === undefined) this.#entries = [[key, value]];
    else if (entries instanceof Map) entries.set(key, value);
    else if (listed !== undefined) listed[1] = value;
    else if (entries.length < LIST_MAX) entries.push([key, value]);
    else this.#entries = new Map(entries).set(key, value);
  }

  delete(key: Key): boolean {
    const entries = this.#entries;
    const isDeleted = entries instanceof Map ? entries.delete(key) : this.has(key);
    if (isDeleted && Array.isArray(entries)) {
      this.#entries = entries.filter(([one]) => one !== key);
    }
    if (isDeleted && this.size === 0) this.#entries = undefined;
    return isDeleted;
  }

  clear(): void {
    this.#entries = undefined;
  }

  *keys(): IterableIterator<Key> {
    for (const [key] of this) yield key;
  }

  *values(): IterableIterator<Value> {
    for (const [, value] of this) yield value;
  }

  forEach(visit: (value: Value, key: Key) => void): void {
    const entries = this.#entries;
    for (const [key, value] of entries ?? []) {
      if (entries === this.#entries || this.has(key)) visit(value, key);
    }
  }

  *[Symbol.iterator](): IterableIterator<[Key, Value]> {
    const entries = this.#entries;
    for (const entry of entries ?? [])
      if (entries === this.#entries || this.has(entry[0])) yield entry;
  }

  #listed(key: Key): [Key, Value] | undefined {
    const entries = this.#entries;
    return entries === undefined || entries instanceof Map
      ? undefined
      : entries.find(([one]) => one === key);
  }
}
