/**
 * A map for tables that grow to hundreds of thousands of entries within a running event loop. The
 * engine's own map lays all its entries out anew whenever it has doubled, which holds the loop up for
 * tens of milliseconds by then; this one is many small maps once it is large, and each grows alone.
 */
import type { Dictionary } from "./few.ts";

/** Entries up to which it is one map. Splitting that many takes a millisecond. */
const SPLIT_SIZE = 4096;
/** A power of two. */
const PARTS = 64;
/** Ids that are made in a row differ at their ends. */
const HASHED_LENGTH = 8;

/**
 * In the order of insertion while it is small, afterwards in no order, yet in the same one for the
 * same history. What is deleted while it is walked through is left out; nothing may be added then.
 */
export class SplitMap<Key extends string, Value> implements Dictionary<Key, Value> {
  #parts: Map<Key, Value>[] = [new Map()];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#partOf(key).get(key);
  }

  has(key: Key): boolean {
    return this.#partOf(key).has(key);
  }

  set(key: Key, value: Value): void {
    const part = this.#partOf(key);
    const sizeBefore = part.size;
    part.set(key, value);
    this.#size += part.size - sizeBefore;
    if (this.#size > SPLIT_SIZE && this.#parts.length === 1) this.#split(part);
  }

  /** True when it was there. */
  delete(key: Key): boolean {
    if (!this.#partOf(key).delete(key)) return false;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#parts = [new Map()];
    this.#size = 0;
  }

  *keys(): Generator<Key, undefined> {
    for (const part of this.#parts) yield* part.keys();
  }

  *values(): Generator<Value, undefined> {
    for (const part of this.#parts) yield* part.values();
  }

  forEach(visit: (value: Value, key: Key) => void): void {
    for (const part of this.#parts) part.forEach(visit);
  }

  *[Symbol.iterator](): Generator<[Key, Value], undefined> {
    for (const part of this.#parts) yield* part;
  }

  #split(whole: Map<Key, Value>): void {
    this.#parts = Array.from({ length: PARTS }, () => new Map());
    for (const [key, value] of whole) this.#partOf(key).set(key, value);
  }

  #partOf(key: Key): Map<Key, Value> {
    const part = this.#parts[this.#parts.length === 1 ? 0 : partNumber(key)];
    // There is always one: the number is below the count of parts.
    return part as Map<Key, Value>;
  }
}

/** Which part of a large map a key is in, from 0 to 63. */
export function partNumber(key: string): number {
  let hash = 0;
  for (let index = Math.max(0, key.length - HASHED_LENGTH); index < key.length; index += 1) {
    hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0;
  }
  return (hash ^ (hash >>> 6) ^ (hash >>> 12)) & (PARTS - 1);
}
