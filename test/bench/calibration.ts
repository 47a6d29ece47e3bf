/**
 * A loop of fixed arithmetic, timed before and after a benchmark: when its two times differ, or
 * differ from those of another day, so does what the machine could give. It is busy with other
 * things by as much as the time that passes is more than the processor time.
 */
import type { FigureSet } from "./figures.ts";
import { threadTimeMs } from "./thread-clock.ts";

const ROUNDS = 20_000_000;
const REPETITIONS = 3;

/** Adds one figure with the time of the loop; `when` says at which moment. */
export function calibrate(set: FigureSet, when: string): void {
  for (let index = 0; index < REPETITIONS; index++) {
    const startMs = performance.now();
    const before = threadTimeMs();
    const result = mix();
    const processorMs = threadTimeMs() - before;
    const elapsedMs = performance.now() - startMs;
    if (result === 0) throw new Error("the calibration loop did not run");
    set.add(`calibration loop, ${when}: processor`, "ms", processorMs);
    set.add(`calibration loop, ${when}: passed`, "ms", elapsedMs);
  }
}

/** Whole-number arithmetic in which each step needs the one before. */
function mix(): number {
  let state = 1;
  for (let round = 0; round < ROUNDS; round++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + round;
  }
  return state | 1;
}
