/**
 * A map from whole numbers, for tables with an entry for each of very many connections: about 20
 * bytes for each, where a `Map` of 20,000 takes 170. A hash table with open addressing.
 */

const FREE = -1;
const FIRST_CAPACITY = 8;
/** The golden ratio, 32 bits: multiples of it are far apart, and so are numbers in a row. */
const SPREAD = 0x9e3779b1;

/** Keys are whole numbers from 0 to 2^31 - 1. Not to be changed while it is walked through. */
export class NumberMap<Key extends number, Value extends object> {
  /** The length is a power of two, and less than three quarters of it are taken. */
  #keys = new Int32Array(FIRST_CAPACITY).fill(FREE);
  #values: (Value | undefined)[] = new Array(FIRST_CAPACITY);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#values[this.#placeOf(key)];
  }

  set(key: Key, value: Value): void {
    let place = this.#placeOf(key);
    if (this.#keys[place] === FREE) {
      if ((this.#size + 1) * 4 > this.#keys.length * 3) {
        this.#grow();
        place = this.#placeOf(key);
      }
      this.#keys[place] = key;
      this.#size += 1;
    }
    this.#values[place] = value;
  }

  /** True when it was there. */
  delete(key: Key): boolean {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let hole = this.#placeOf(key);
    if (keys[hole] === FREE) return false;
    this.#size -= 1;
    // What follows moves up, so that no search ends at the hole too early.
    for (let place = (hole + 1) & mask; ; place = (place + 1) & mask) {
      const next = keys[place] ?? FREE;
      if (next === FREE) break;
      if (((place - homeOf(next, mask)) & mask) < ((place - hole) & mask)) continue;
      keys[hole] = next;
      this.#values[hole] = this.#values[place];
      hole = place;
    }
    keys[hole] = FREE;
    this.#values[hole] = undefined;
    return true;
  }

  clear(): void {
    this.#keys = new Int32Array(FIRST_CAPACITY).fill(FREE);
    this.#values = new Array(FIRST_CAPACITY);
    this.#size = 0;
  }

  /** In no order that means anything. */
  *keys(): IterableIterator<Key> {
    for (const key of this.#keys) if (key !== FREE) yield key as Key;
  }

  /** In the order of `keys`. */
  *values(): IterableIterator<Value> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  /** Where the key is, or the free place where it would be. */
  #placeOf(key: Key): number {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let place = homeOf(key, mask);
    while (keys[place] !== key && keys[place] !== FREE) place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Int32Array(keys.length * 2).fill(FREE);
    this.#values = new Array(keys.length * 2);
    for (const [place, key] of keys.entries()) {
      if (key === FREE) continue;
      const to = this.#placeOf(key as Key);
      this.#keys[to] = key;
      this.#values[to] = values[place];
    }
  }
}

/** Where a key is if that place is free; the upper bits of the product are the well mixed ones. */
function homeOf(key: number, mask: number): number {
  return Math.imul(key, SPREAD) >>> Math.clz32(mask);
}
