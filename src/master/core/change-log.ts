/**
 * The last so many changes of something, by number: whoever knows the state as of a number learns
 * what is different now. Numbers only rise, and mean nothing to another master.
 */
import { assert } from "../../base/assert.ts";

export class ChangeLog<Item> {
  readonly #limit: number;
  /** By number modulo the limit. */
  readonly #items: Item[] = [];
  #nextNumber = 0;

  constructor(limit: number) {
    assert(limit > 0, "a log of changes holds something");
    this.#limit = limit;
  }

  /** Of the change that comes next: all smaller ones have happened. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** O(1); the oldest change is forgotten when there is no room. */
  add(item: Item): void {
    this.#items[this.#nextNumber % this.#limit] = item;
    this.#nextNumber += 1;
  }

  /** Whether every change from that number on is still known. */
  reaches(number: number): boolean {
    return number <= this.#nextNumber && number >= this.#nextNumber - this.#items.length;
  }

  /** Changes from that number on, oldest first; it must be reached. */
  since(number: number): Item[] {
    assert(this.reaches(number), () => `change ${number} is known`);
    const items: Item[] = [];
    for (let next = number; next < this.#nextNumber; next++) {
      items.push(this.#items[next % this.#limit] as Item);
    }
    return items;
  }
}
