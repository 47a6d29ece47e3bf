/**
 * Looks itself after the containers' processes while the Engine's stream of events is down. A
 * container that an Engine lost sight of, and that is over when it comes back, has "ended with
 * status 0 just now" to it; when the process was really gone tells such an end from a true one.
 */
import type { Clock } from "../../base/ports.ts";
import { readProcessStat } from "../posix/process-stat.ts";
import { SIGHT_PERIOD_MS } from "./limits.ts";

export interface SightedContainer {
  readonly pid: number | undefined;
  /** Wall time at which the process was first seen to be gone, in milliseconds; set here. */
  goneByMs: number | undefined;
}

export class LastSights {
  readonly #clock: Clock;
  readonly #running: () => Iterable<SightedContainer>;
  #cancel: (() => void) | undefined;

  /** `running` gives those that were running when the Engine was last heard. */
  constructor(clock: Clock, running: () => Iterable<SightedContainer>) {
    this.#clock = clock;
    this.#running = running;
  }

  start(): void {
    if (this.#cancel !== undefined) return;
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    for (const container of this.#running()) {
      const { pid, goneByMs } = container;
      if (pid === undefined || goneByMs !== undefined) continue;
      // A zombie's end is not yet dated: that happens when its parent learns of it.
      if (readProcessStat(pid) === undefined) container.goneByMs = this.#clock.wallMs();
    }
    this.#cancel = this.#clock.schedule(SIGHT_PERIOD_MS, () => this.#look());
  }
}
