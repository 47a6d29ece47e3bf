/** How often something took how long, in buckets that never change. */
import type { Family, Sample } from "./family.ts";

/** Upper bounds in seconds: from what a call takes at best to what nobody should have to wait for. */
const BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

/** What was observed under one set of labels. */
export class Series<Label extends string> {
  readonly labels: Readonly<Record<Label, string>>;
  /** By bound, each for itself; the last one counts what is above all bounds. */
  readonly counts: Float64Array = new Float64Array(BOUNDS.length + 1);
  sum: number = 0;

  constructor(labels: Readonly<Record<Label, string>>) {
    this.labels = labels;
  }

  observe(ms: number): void {
    const seconds = ms / 1000;
    let place = 0;
    while (place < BOUNDS.length && seconds > (BOUNDS[place] ?? 0)) place += 1;
    this.counts[place] = (this.counts[place] ?? 0) + 1;
    this.sum += seconds;
  }
}

/** One series for each set of labels; sets are expected to be few. */
export class Histogram<Label extends string> {
  readonly #name: string;
  readonly #help: string;
  readonly #series: Series<Label>[] = [];

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  /** A new series, told of from here on; for labels that no other one has. */
  series(labels: Readonly<Record<Label, string>>): Series<Label> {
    const series = new Series(labels);
    this.#series.push(series);
    return series;
  }

  family(): Family {
    const samples = this.#series.flatMap((series) => samplesOf(this.#name, series));
    return { name: this.#name, help: this.#help, type: "histogram", samples };
  }
}

/** Buckets count everything up to their bound. */
function samplesOf(name: string, { labels, counts, sum }: Series<string>): Sample[] {
  let count = 0;
  const samples: Sample[] = [];
  for (const [place, own] of counts.entries()) {
    count += own;
    const le = String(BOUNDS[place] ?? "+Inf");
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: count });
  }
  samples.push({ metricName: `${name}_sum`, labels, value: sum });
  samples.push({ metricName: `${name}_count`, labels, value: count });
  return samples;
}
