/** What a benchmark tells: figures over repeated runs, and how people and programs read them. */

/** One measured thing; the statistics are over its runs. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many values the statistics are made of. */
  readonly runs: number;
  /** What Mesos' own code took for the same work on a machine like this, in the same unit. */
  readonly mesos?: number;
}

/** The middle value, or the mean of the two in the middle. `values` is not empty. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const upper = Math.floor(sorted.length / 2);
  const lower = Math.ceil(sorted.length / 2) - 1;
  return (at(sorted, lower) + at(sorted, upper)) / 2;
}

/** The smallest value that at least `percent` of all values do not exceed. `values` is not empty. */
export function percentile(values: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * values.length);
  return at(ascending(values), Math.max(1, rank) - 1);
}

/** The statistics of one value per run. Errors: there is no value, or one that is not a number. */
export function figure(name: string, unit: string, values: readonly number[]): Figure {
  if (values.length === 0) throw new Error(`${name} was never measured`);
  if (!values.every(Number.isFinite)) throw new Error(`${name} is not a number in some run`);
  return {
    name,
    unit,
    median: round(median(values)),
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    runs: values.length,
  };
}

/** Collects one value per run under names that keep the order in which they first came. */
export class FigureSet {
  readonly #series = new Map<string, Series>();

  add(name: string, unit: string, value: number, mesos?: number): void {
    const series = this.#series.get(name) ?? { unit, values: [], mesos };
    this.#series.set(name, series);
    series.values.push(value);
  }

  figures(): Figure[] {
    return [...this.#series].map(([name, { unit, values, mesos }]) => ({
      ...figure(name, unit, values),
      ...(mesos !== undefined && { mesos }),
    }));
  }
}

interface Series {
  readonly unit: string;
  readonly values: number[];
  readonly mesos: number | undefined;
}

/**
 * An aligned table with a head, numbers to the right; no line end after the last row. Where some
 * figure has one of Mesos beside it, two columns tell that and how many times less ours is.
 */
export function formatTable(figures: readonly Figure[]): string {
  const isCompared = figures.some(({ mesos }) => mesos !== undefined);
  const head = ["name", "median", "min", "max", "unit", "runs"];
  if (isCompared) head.push("Mesos", "ratio");
  const rows = figures.map((one) => {
    const { name, unit, runs } = one;
    const numbers = [one.median, one.min, one.max].map(formatNumber);
    return [name, ...numbers, unit, String(runs), ...(isCompared ? comparison(one) : [])];
  });
  const table = [head, ...rows];
  const widths = head.map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const isText = (column: number): boolean => column === 0 || column === 4;
  return table
    .map((cells) =>
      cells
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return isText(column) ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function comparison({ median: ours, mesos }: Figure): string[] {
  if (mesos === undefined) return ["", ""];
  return [formatNumber(mesos), `${formatNumber(mesos / ours)}x`];
}

/** Thousands apart; decimals only where they tell something. */
function formatNumber(value: number): string {
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  const [whole = "", fraction] = value.toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** More digits than four decimals are noise. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error("there are no values");
  return value;
}
