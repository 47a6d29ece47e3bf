/**
 * Decides when to pass on what many writers have written: a lone write goes at once, and while more
 * follow each writer goes once per pause. A system call per message is what costs most otherwise.
 */
import type { Clock } from "./ports.ts";

/** Something that gathers what is written to it. */
export interface Flushable {
  /** Passes on all that was gathered; may find nothing. */
  flush(): void;
}

export interface CoalescerOptions {
  readonly clock: Clock;
  /** Shortest time between two flushes of one writer. */
  readonly pauseMs: number;
  /** Calls back later in the same turn of the event loop. */
  soon(callback: () => void): void;
}

export class Coalescer {
  readonly #options: CoalescerOptions;
  /** Flushed, or about to be, in the pause that runs. */
  #flushed = new Set<Flushable>();
  #waiting = new Set<Flushable>();

  constructor(options: CoalescerOptions) {
    this.#options = options;
  }

  /** `writer` is flushed soon, after everything else that happens now. */
  request(writer: Flushable): void {
    if (this.#flushed.has(writer)) {
      this.#waiting.add(writer);
      return;
    }
    if (this.#flushed.size === 0) this.#startPause();
    this.#flushed.add(writer);
    this.#options.soon(() => writer.flush());
  }

  #startPause(): void {
    this.#options.clock.schedule(this.#options.pauseMs, () => {
      const due = this.#waiting;
      this.#flushed = due;
      this.#waiting = new Set();
      if (due.size > 0) this.#startPause();
      for (const writer of due) writer.flush();
    });
  }
}
