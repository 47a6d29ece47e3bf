/**
 * Keeps an eye on the containers' processes while the Engine's stream of events is down. To an
 * Engine that missed the end of a container in its own restart, it has ended with status 0 when the
 * Engine came back; when the process was really gone tells such an end from a true one.
 */
import type { Clock } from "../../base/ports.ts";
import { readProcessStat } from "../posix/process-stat.ts";
import { SIGHT_PERIOD_MS } from "./limits.ts";

export interface SightedContainer {
  readonly pid: number | undefined;
  /** It was seen; the Engine's process ids may be none of the agent's, as in a container. */
  readonly isSeen: boolean;
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
      const { pid, isSeen, goneByMs } = container;
      if (pid === undefined || !isSeen || goneByMs !== undefined) continue;
      if (canSee(pid) === false) container.goneByMs = this.#clock.wallMs();
    }
    this.#cancel = this.#clock.schedule(SIGHT_PERIOD_MS, () => this.#look());
  }
}

/**
 * Whether there is a process; undefined when that cannot be seen now. A zombie's end is not yet dated,
 * as its parent has to learn of it.
 */
export function canSee(pid: number): boolean | undefined {
  try {
    return readProcessStat(pid) !== undefined;
  } catch {
    // Short of descriptors: a later look tells.
    return undefined;
  }
}
