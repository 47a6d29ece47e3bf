/** Cuts long synchronous work into slices, so that the event loop stays responsive meanwhile. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../base/ports.ts";
import { SLICE_MS } from "../limits.ts";

/** Ask `isOver` between two pieces of work, and await `next` when it says so. */
export class Slices {
  readonly #clock: Clock;
  #endMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + SLICE_MS;
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#endMs;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#endMs = this.#clock.monotonicMs() + SLICE_MS;
  }
}
