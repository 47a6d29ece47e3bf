/** Keeps at most one running timer per key, on an injected clock; the runtimes' `setTimer` effect. */
import type { Clock } from "./ports.ts";

export class KeyedTimers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces a running timer of the same key. */
  set(key: string, delayMs: number, callback: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#cancels.delete(key);
      callback();
    });
    this.#cancels.set(key, cancel);
  }

  cancel(key: string): void {
    this.#cancels.get(key)?.();
    this.#cancels.delete(key);
  }

  cancelAll(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}

/** Epoch milliseconds that never go back: wall time at the start plus monotonic time since. */
export function steadyNow(clock: Clock): () => number {
  const originMs = clock.wallMs() - clock.monotonicMs();
  return () => originMs + clock.monotonicMs();
}
