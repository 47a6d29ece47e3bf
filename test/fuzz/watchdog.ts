/** Where a run is, for the thread beside it (`watchdog-worker.ts`) that sees when it stops. */
import { Worker } from "node:worker_threads";

export const PHASES = ["over sockets", "asked", "time passes", "ends"] as const;
export type Phase = (typeof PHASES)[number];

export interface WatchdogData {
  /** Shared: number of the phase, episode, input. */
  readonly cells: Int32Array;
  readonly seed: number;
}

/** For people, as the option that replays an episode. */
export function placeOf([phase = 0, episode, input]: Int32Array): string {
  return phase === 0
    ? `input ${input} ${PHASES[0]}`
    : `--episode ${episode} input ${input} (${PHASES[phase]})`;
}

export class Watchdog {
  readonly #cells = new Int32Array(new SharedArrayBuffer(12));

  constructor(seed: number) {
    const data: WatchdogData = { cells: this.#cells, seed };
    const file = new URL("./watchdog-worker.ts", import.meta.url);
    new Worker(file, { workerData: data }).unref();
  }

  get place(): string {
    return placeOf(this.#cells);
  }

  /** The run goes on here. */
  at(phase: Phase, episode: number, input: number): void {
    this.#cells.set([PHASES.indexOf(phase), episode, input]);
  }
}
