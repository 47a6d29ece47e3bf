/**
 * Rows that belong to a pair of numbers each, and the way from a pair to one row of it: a hash table
 * with open addressing that holds nothing but row numbers. At most one row per pair is in the table.
 */
import { assert } from "../base/assert.ts";

const NONE = -1;
const FIRST_CAPACITY = 64;

export class PairIndex {
  /** By row. */
  left: Int32Array = new Int32Array(FIRST_CAPACITY);
  right: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Row + 1; 0 is free. The length is a power of two. */
  #slots = new Int32Array(FIRST_CAPACITY);
  #size = 0;

  /** Says which pair a row is of; it is not in the table yet. */
  assign(row: number, left: number, right: number): void {
    if (row >= this.left.length) {
      this.left = doubled(this.left);
      this.right = doubled(this.right);
    }
    this.left[row] = left;
    this.right[row] = right;
  }

  /** The row of the pair, or -1. */
  find(left: number, right: number): number {
    const lefts = this.left;
    const rights = this.right;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashOf(left, right) & mask; ; slot = (slot + 1) & mask) {
      const row = (slots[slot] ?? 0) - 1;
      if (row === NONE) return NONE;
      if (lefts[row] === left && rights[row] === right) return row;
    }
  }

  /** The pair of the row must not be there yet. */
  insert(row: number): void {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#grow();
    this.#size += 1;
    this.#place(row);
  }

  /** Lets `row` stand for the pair in place of `known`, which is of the same pair. */
  replace(known: number, row: number): void {
    this.#slots[this.#slotOf(known)] = row + 1;
  }

  remove(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#slotOf(row);
    this.#size -= 1;
    // What follows moves up, so that no search ends at the hole too early.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const next = (slots[slot] ?? 0) - 1;
      if (next === NONE) break;
      const home = this.#hashOf(next) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = next + 1;
      hole = slot;
    }
    slots[hole] = 0;
  }

  #hashOf(row: number): number {
    return hashOf(this.left[row] ?? 0, this.right[row] ?? 0);
  }

  #slotOf(row: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashOf(row) & mask;
    while (slots[slot] !== row + 1) {
      assert(slots[slot] !== 0, "the row is in the index");
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #place(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashOf(row) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = row + 1;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    for (const entry of before) if (entry !== 0) this.#place(entry - 1);
  }
}

/** Spreads both numbers over all bits; neighbours in either come to lie apart. */
function hashOf(left: number, right: number): number {
  let hash = Math.imul(left, 0x9e37_79b1) ^ Math.imul(right, 0x85eb_ca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b_3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function doubled(column: Int32Array): Int32Array {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}
