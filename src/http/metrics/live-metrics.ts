/**
 * What only exists while the process runs: how long calls take, and how late the event loop is.
 * Told on `/metrics` alone, since Mesos has no names for it.
 */
import type { Clock } from "../../base/ports.ts";
import type { Family } from "./family.ts";
import { Histogram, type Series } from "./histogram.ts";

/** Often enough to meet a stall of that length, seldom enough to cost nothing. */
const LAG_EVERY_MS = 100;

export class LiveMetrics {
  readonly #clock: Clock;
  readonly #calls = new Histogram<"api" | "type">(
    "allot_call_seconds",
    "Time from a call's arrival until its answer begins",
  );
  readonly #lag = new Histogram<never>(
    "allot_event_loop_lag_seconds",
    "How much later than asked for a timer of the event loop runs",
  );
  readonly #lags: Series<never> = this.#lag.series({});
  /** Of `#calls`, by type; found for every call. */
  readonly #callsOf = {
    scheduler: new Map<string, Series<"api" | "type">>(),
    operator: new Map<string, Series<"api" | "type">>(),
  };
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins to watch the event loop, until `stop`. */
  start(): void {
    const dueMs = this.#clock.monotonicMs() + LAG_EVERY_MS;
    this.#cancel = this.#clock.schedule(LAG_EVERY_MS, () => {
      this.#lags.observe(Math.max(0, this.#clock.monotonicMs() - dueMs));
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Answers a call of a v1 API and remembers how long that took. */
  async timed<Answer>(
    api: "scheduler" | "operator",
    type: string,
    answer: () => Answer | Promise<Answer>,
  ): Promise<Answer> {
    const startMs = this.#clock.monotonicMs();
    try {
      return await answer();
    } finally {
      this.#seriesOf(api, type).observe(this.#clock.monotonicMs() - startMs);
    }
  }

  #seriesOf(api: "scheduler" | "operator", type: string): Series<"api" | "type"> {
    let series = this.#callsOf[api].get(type);
    if (series === undefined) {
      series = this.#calls.series({ api, type });
      this.#callsOf[api].set(type, series);
    }
    return series;
  }

  /** Resolves after other events had their turn. */
  turn(): Promise<void> {
    return new Promise((resolve) => void this.#clock.schedule(0, resolve));
  }

  families(): readonly Family[] {
    return [this.#calls.family(), this.#lag.family()];
  }
}
