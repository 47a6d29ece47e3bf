/** A clock that stands still until it is told to move; timers run in order of their time. */
import type { Clock } from "../../src/base/ports.ts";

export class FakeClock implements Clock {
  #nowMs = 1000;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
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
    const times = this.#timers.map((timer) => timer.atMs);
    return times.length === 0 ? undefined : Math.min(...times) - this.#nowMs;
  }

  /** Moves on, running what falls due at its own time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
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
}
