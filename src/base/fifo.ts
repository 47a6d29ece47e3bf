/** A queue for any number of items: adding and taking are O(1), whatever waits. */

export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  /** Items at the front that were taken already. */
  #taken = 0;

  get length(): number {
    return this.#items.length - this.#taken;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The oldest item, which stays; undefined when there is none. */
  first(): Item | undefined {
    return this.#items[this.#taken];
  }

  /** The oldest item, or undefined when there is none. */
  take(): Item | undefined {
    const item = this.#items[this.#taken];
    if (this.#taken === this.#items.length) return undefined;
    this.#items[this.#taken] = undefined;
    this.#taken += 1;
    // The front is cut off only once it is half of the array, so that a long queue stays cheap.
    if (this.#taken * 2 >= this.#items.length) {
      this.#items = this.#taken === this.#items.length ? [] : this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}
