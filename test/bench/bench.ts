/** What every benchmark is and what it gets; and the loops that time short, repeated work. */
import type { Figure } from "./figures.ts";

export interface BenchContext {
  /** Values that each figure is to be made of. */
  readonly runs: number;
  readonly scale: "full" | "quick";
  /** `full`, or `quick` when only a first impression is wanted. */
  size(full: number, quick: number): number;
  /** Says on stderr what is going on, when the last word was long enough ago. */
  progress(text: string): void;
}

export interface Bench {
  /** One word, as given on the command line. */
  readonly name: string;
  /** What is measured, in one line. */
  readonly summary: string;
  /** Runs the compiled program. */
  readonly needsBinary: boolean;
  /** Unless the command line says otherwise. */
  readonly defaultRuns: number;
  run(context: BenchContext): Promise<Figure[]>;
}

const MS_PER_SECOND = 1000;
/** Calls between two looks at the clock. */
const CALLS_PER_LOOK = 16;

/** Calls per second over at least `durationMs`. */
export function rate(durationMs: number, call: () => unknown): number {
  const startMs = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    for (let index = 0; index < CALLS_PER_LOOK; index += 1) call();
    count += CALLS_PER_LOOK;
    elapsedMs = performance.now() - startMs;
  }
  return (count / elapsedMs) * MS_PER_SECOND;
}

/** As `rate`, for work that is waited for; `step` says how much of it was done. */
export async function asyncRate(durationMs: number, step: () => Promise<number>): Promise<number> {
  const startMs = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    count += await step();
    elapsedMs = performance.now() - startMs;
  }
  return (count / elapsedMs) * MS_PER_SECOND;
}

/** Things per second, when `count` of them took that long. */
export function perSecond(count: number, elapsedMs: number): number {
  return (count / elapsedMs) * MS_PER_SECOND;
}
