/**
 * A page out of a long list in order, without ever sorting all of it at once: what is added is
 * sorted in short runs, and the runs are merged as far as the page reaches.
 */

/** Long enough that the runs stay few, short enough to be sorted within a millisecond or two. */
const RUN_LENGTH = 2048;
/** Items that are merged at once. */
const STEP_LENGTH = 32;

interface Keyed<Item> {
  readonly key: number;
  readonly item: Item;
}

export class SortedRuns<Item> {
  readonly #keyOf: (item: Item) => number;
  readonly #runs: Keyed<Item>[][] = [];
  readonly #merged: Item[] = [];
  #current: Keyed<Item>[] = [];

  /** Smallest key first; items of equal keys stay in the order they were added in. */
  constructor(keyOf: (item: Item) => number) {
    this.#keyOf = keyOf;
  }

  add(item: Item): void {
    this.#current.push({ key: this.#keyOf(item), item });
    if (this.#current.length >= RUN_LENGTH) this.#endRun();
  }

  /** What `merge` is to be called with, one after the other, to have the first `end` in order. */
  steps(end: number): readonly RunHeap<Item>[] {
    this.#endRun();
    const count = this.#runs.reduce((sum, run) => sum + run.length, 0);
    const heap = new RunHeap(this.#runs);
    return new Array<RunHeap<Item>>(Math.ceil(Math.min(end, count) / STEP_LENGTH)).fill(heap);
  }

  merge(heap: RunHeap<Item>): void {
    for (let count = 0; count < STEP_LENGTH; count++) {
      const next = heap.take();
      if (next === undefined) return;
      this.#merged.push(next);
    }
  }

  /** `limit` items after the first `offset`, of those that are merged. */
  slice(offset: number, limit: number): readonly Item[] {
    return this.#merged.slice(offset, offset + limit);
  }

  #endRun(): void {
    if (this.#current.length === 0) return;
    this.#runs.push(this.#current.sort((a, b) => a.key - b.key));
    this.#current = [];
  }
}

/** Runs by the key each would give next, as a binary heap; earlier runs win ties. */
class RunHeap<Item> {
  readonly #runs: readonly (readonly Keyed<Item>[])[];
  readonly #positions: number[];
  /** Indices of runs that have something left. */
  readonly #heap: number[] = [];

  constructor(runs: readonly (readonly Keyed<Item>[])[]) {
    this.#runs = runs;
    this.#positions = runs.map(() => 0);
    for (const index of runs.keys()) {
      this.#heap.push(index);
      this.#rise(this.#heap.length - 1);
    }
  }

  take(): Item | undefined {
    const [run] = this.#heap;
    if (run === undefined) return undefined;
    const position = this.#positions[run] ?? 0;
    const taken = this.#runs[run]?.[position];
    this.#positions[run] = position + 1;
    if (position + 1 >= (this.#runs[run]?.length ?? 0)) {
      const last = this.#heap.pop() ?? 0;
      if (this.#heap.length > 0) this.#heap[0] = last;
    }
    this.#sink();
    return taken?.item;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.#keyAt(left) - this.#keyAt(right);
    return difference === 0 ? this.#run(left) < this.#run(right) : difference < 0;
  }

  #keyAt(slot: number): number {
    const run = this.#run(slot);
    return this.#runs[run]?.[this.#positions[run] ?? 0]?.key ?? Number.POSITIVE_INFINITY;
  }

  #run(slot: number): number {
    return this.#heap[slot] ?? 0;
  }

  #swap(left: number, right: number): void {
    const run = this.#run(left);
    this.#heap[left] = this.#run(right);
    this.#heap[right] = run;
  }

  #rise(start: number): void {
    let slot = start;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!this.#isBefore(slot, parent)) return;
      this.#swap(slot, parent);
      slot = parent;
    }
  }

  #sink(): void {
    let slot = 0;
    while (true) {
      let first = slot;
      for (const child of [2 * slot + 1, 2 * slot + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, first)) first = child;
      }
      if (first === slot) return;
      this.#swap(slot, first);
      slot = first;
    }
  }
}
