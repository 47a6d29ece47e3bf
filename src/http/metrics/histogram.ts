/** How often something took how long, in buckets that never change. */
import type { Family, Sample } from "./family.ts";

/** Upper bounds in seconds: from what a call takes at best to what nobody should have to wait for. */
const BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

class Buckets {
  /** By bound, each for itself; the last one counts what is above all bounds. */
  readonly counts = new Float64Array(BOUNDS.length + 1);
  sum = 0;

  add(seconds: number): void {
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
  readonly #series = new Map<
    string,
    { readonly labels: Readonly<Record<Label, string>>; readonly buckets: Buckets }
  >();

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  observe(labels: Readonly<Record<Label, string>>, ms: number): void {
    const key = Object.values(labels).join("\n");
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, buckets: new Buckets() };
      this.#series.set(key, series);
    }
    series.buckets.add(ms / 1000);
  }

  family(): Family {
    const samples = [...this.#series.values()].flatMap(({ labels, buckets }) =>
      samplesOf(this.#name, labels, buckets),
    );
    return { name: this.#name, help: this.#help, type: "histogram", samples };
  }
}

/** Buckets count everything up to their bound. */
function samplesOf(
  name: string,
  labels: Readonly<Record<string, string>>,
  { counts, sum }: Buckets,
): Sample[] {
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
