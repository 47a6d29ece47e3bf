/** Numbers in a binary heap, smallest key first; keys are asked for and must not change meanwhile. */

const NONE = -1;

export class MinHeap {
  readonly #keyOf: (item: number) => number;
  readonly #items: number[] = [];

  constructor(keyOf: (item: number) => number) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The item with the smallest key; -1 when there is none. */
  get first(): number {
    return this.#items[0] ?? NONE;
  }

  /** O(log size), and O(1) for keys that come in order. */
  push(item: number): void {
    const items = this.#items;
    const key = this.#keyOf(item);
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const parentPlace = (place - 1) >>> 1;
      const parent = items[parentPlace] ?? NONE;
      if (this.#keyOf(parent) <= key) break;
      items[place] = parent;
      place = parentPlace;
    }
    items[place] = item;
  }

  /** Takes the first item out; -1 when there is none. */
  pop(): number {
    const items = this.#items;
    const first = this.first;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    this.#sink(last, 0);
    return first;
  }

  /** Keeps the items that `isKept`. O(size). */
  retain(isKept: (item: number) => boolean): void {
    const items = this.#items;
    let size = 0;
    for (const item of items) if (isKept(item)) items[size++] = item;
    items.length = size;
    for (let place = (size >>> 1) - 1; place >= 0; place--) this.#sink(items[place] ?? NONE, place);
  }

  /** Puts `item` where it belongs at or below `from`. */
  #sink(item: number, from: number): void {
    const items = this.#items;
    const key = this.#keyOf(item);
    let place = from;
    for (let child = 2 * place + 1; child < items.length; child = 2 * place + 1) {
      const right = items[child + 1];
      const isRightSmaller =
        right !== undefined && this.#keyOf(right) < this.#keyOf(items[child] ?? NONE);
      if (isRightSmaller) child += 1;
      const smaller = items[child] ?? NONE;
      if (this.#keyOf(smaller) >= key) break;
      items[place] = smaller;
      place = child;
    }
    items[place] = item;
  }
}
