/**
 * Keeps work from holding the event loop up: what arrives is worked off at once while the present
 * turn of the loop has time left, and otherwise waits, in order, for the next one. However many
 * sockets become readable together, others get the loop back in between.
 */
import { Fifo } from "./fifo.ts";
import type { Clock } from "./ports.ts";

/** Items of one kind that wait for their turn; made by `Turns.lane`. */
export class Lane<Item> {
  readonly #fifo = new Fifo<Item>();
  readonly #work: (item: Item) => void;
  readonly #wake: () => void;

  constructor(work: (item: Item) => void, wake: () => void) {
    this.#work = work;
    this.#wake = wake;
  }

  get length(): number {
    return this.#fifo.length;
  }

  /** Adds an item. It is never worked off before this call returns. */
  push(item: Item): void {
    this.#fifo.push(item);
    this.#wake();
  }

  /** Works off the oldest item; false when there is none. */
  workOne(): boolean {
    const item = this.#fifo.take();
    if (item === undefined) return false;
    this.#work(item);
    return true;
  }
}

export interface TurnsOptions {
  readonly clock: Clock;
  /** What all lanes together may take of one turn; an item is never cut in two. */
  readonly turnMs: number;
  /** Calls back later in the same turn of the event loop. */
  soon(callback: () => void): void;
  /** Called at the end of each turn in which something was worked off. */
  turnEnded?(): void;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #lanes: Lane<never>[] = [];
  readonly #urgent: Lane<never>[] = [];
  #isRunDue = false;
  /** A turn has begun and its end is scheduled. */
  #isTurnOpen = false;
  #spentMs = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * A new lane: first in, first out. Lanes take turns item by item, so that a full one does not
   * starve another. What `work` throws is not caught: the process must end then.
   */
  lane<Item extends object>(work: (item: Item) => void): Lane<Item> {
    const lane = new Lane<Item>(work, () => this.#wake());
    this.#lanes.push(lane as unknown as Lane<never>);
    return lane;
  }

  /** A lane that is worked off before all others and in the turn it is filled, whatever that takes. */
  urgentLane<Item extends object>(work: (item: Item) => void): Lane<Item> {
    const lane = new Lane<Item>(work, () => this.#wakeAtOnce());
    this.#urgent.push(lane as unknown as Lane<never>);
    return lane;
  }

  #wake(): void {
    if (this.#spentMs < this.#options.turnMs) this.#wakeAtOnce();
  }

  #wakeAtOnce(): void {
    if (this.#isRunDue) return;
    this.#isRunDue = true;
    this.#options.soon(() => {
      this.#isRunDue = false;
      this.#run();
    });
  }

  #run(): void {
    this.#openTurn();
    const { clock, turnMs } = this.#options;
    const startMs = clock.monotonicMs();
    const untilMs = startMs + turnMs - this.#spentMs;
    for (const lane of this.#urgent) while (lane.workOne());
    let nowMs = clock.monotonicMs();
    while (nowMs < untilMs && this.#workRound()) nowMs = clock.monotonicMs();
    this.#spentMs += nowMs - startMs;
  }

  /** One item of each lane; false when all are empty. */
  #workRound(): boolean {
    let hasWorked = false;
    for (const lane of this.#lanes) if (lane.workOne()) hasWorked = true;
    return hasWorked;
  }

  #openTurn(): void {
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    this.#options.clock.schedule(0, () => {
      this.#isTurnOpen = false;
      this.#spentMs = 0;
      this.#options.turnEnded?.();
      if (this.#lanes.some(({ length }) => length > 0)) this.#run();
    });
  }
}
