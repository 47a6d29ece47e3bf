/** A clock that stands still until it is told to move; timers run in order of their time. */
import type { Clock } from "../../src/base/ports.ts";

interface Timer {
  readonly atMs: number;
  /** Among timers of one moment, the one set first runs first. */
  readonly order: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  #scheduled = 0;
  /** In the order in which they run: a cluster that is tested may have tens of thousands. */
  readonly #timers: Timer[] = [];

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    this.#scheduled += 1;
    const timer = { atMs, order: this.#scheduled, callback };
    this.#timers.splice(this.#placeOf(timer), 0, timer);
    return () => {
      const place = this.#placeOf(timer);
      if (this.#timers[place] === timer) this.#timers.splice(place, 1);
    };
  }

  nextTurn(callback: () => void): void {
    this.schedule(0, callback);
  }

  /** Number of timers that have not run. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Delay of the timer that runs next. */
  get nextDelayMs(): number | undefined {
    const next = this.#timers[0];
    return next === undefined ? undefined : next.atMs - this.#nowMs;
  }

  /** Moves on, running what falls due at its own time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers[0];
      if (due === undefined || due.atMs > endMs) break;
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.callback();
    }
    this.#nowMs = endMs;
  }

  /** Moves on in one leap, as after a stall: each timer runs late and once. */
  leap(ms: number): void {
    this.#nowMs += ms;
    this.advance(0);
  }

  /** Where a timer stands among the others, or would. */
  #placeOf({ atMs, order }: Timer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      const isBefore =
        other !== undefined && (other.atMs < atMs || (other.atMs === atMs && other.order < order));
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
