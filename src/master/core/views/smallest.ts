/** The first so many of a long list by key, without sorting it: pages that stay put while it changes. */

interface Keyed<Item> {
  readonly key: string;
  readonly item: Item;
}

export class Smallest<Item> {
  readonly #limit: number;
  readonly #after: string | undefined;
  #kept: Keyed<Item>[] = [];
  /** No key above it can be on the page; undefined while the page has room. */
  #bound: string | undefined;
  #isMore = false;

  /** Keys are compared as strings; with `after` only those beyond it count. */
  constructor(limit: number, after: string | undefined) {
    this.#limit = limit;
    this.#after = after;
  }

  /** A few comparisons, now and then a sort of two pages. */
  add(key: string, item: Item): void {
    if (this.#after !== undefined && key <= this.#after) return;
    if (this.#bound !== undefined && key > this.#bound) {
      this.#isMore = true;
      return;
    }
    this.#kept.push({ key, item });
    if (this.#kept.length >= 2 * this.#limit) this.#cut();
  }

  /** In order of their keys. */
  items(): readonly Item[] {
    this.#cut();
    return this.#kept.map(({ item }) => item);
  }

  /** What to come after to have the next page; undefined on the last one. */
  next(): string | undefined {
    this.#cut();
    return this.#isMore ? this.#kept.at(-1)?.key : undefined;
  }

  #cut(): void {
    this.#kept.sort((a, b) => (a.key < b.key ? -1 : 1));
    if (this.#kept.length < this.#limit) return;
    if (this.#kept.length > this.#limit) this.#isMore = true;
    this.#kept.length = this.#limit;
    this.#bound = this.#kept.at(-1)?.key;
  }
}
