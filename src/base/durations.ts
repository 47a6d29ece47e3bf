/**
 * How long something took, over its last runs: the form in which Mesos tells its timers. Source:
 * reference/metrics.json, notes.
 */

/** Runs that are remembered; as many as Mesos' windows hold. */
const WINDOW = 1000;

/** Percentiles by the name that a metric has behind its slash. */
const PERCENTILES = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p95", 0.95],
  ["p99", 0.99],
  ["p999", 0.999],
  ["p9999", 0.9999],
] as const;

export class Durations {
  readonly #window = new Float64Array(WINDOW);
  #count = 0;
  #last = 0;

  add(ms: number): void {
    this.#window[this.#count % WINDOW] = ms;
    this.#count += 1;
    this.#last = ms;
  }

  /**
   * `name` with the last value, and below it count, max, min and percentiles of the window; nothing
   * before the first run. Costs sorting the window.
   */
  metrics(name: string): Record<string, number> {
    if (this.#count === 0) return {};
    const sorted = this.#window.slice(0, Math.min(this.#count, WINDOW)).sort();
    const at = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
    return {
      [name]: this.#last,
      [`${name}/count`]: sorted.length,
      [`${name}/max`]: at(1),
      [`${name}/min`]: sorted[0] ?? 0,
      ...Object.fromEntries(PERCENTILES.map(([suffix, part]) => [`${name}/${suffix}`, at(part)])),
    };
  }
}
