/**
 * How much the process logs, as operators change it for a while. Level 0 is what the flags ask for;
 * any level above it logs everything. Source: reference/http-api.md 6.2, 11.
 */
import type { Clock } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";

/** Beyond it glog knows no difference, and neither does anybody here. */
const LEVEL_MAX = 1000;
/** A debug log that is forgotten for longer than a day only fills the disk. */
const DURATION_MS_MAX = 24 * 60 * 60 * 1000;

export class LoggingLevel {
  readonly #clock: Clock;
  #level = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get level(): number {
    return this.#level;
  }

  /** Sets the level, and back to 0 after the duration. Refusals: `invalid`, naming the field. */
  set(level: number, durationMs: number): Result<void> {
    if (!Number.isInteger(level) || level < 0 || level > LEVEL_MAX) {
      return refuse("invalid", `Invalid level '${level}': use 0 to ${LEVEL_MAX}`, "level");
    }
    if (!(durationMs >= 0 && durationMs <= DURATION_MS_MAX)) {
      return refuse("invalid", "Invalid duration: use 0 to 24 hours", "duration");
    }
    this.#cancel?.();
    this.#level = level;
    this.#cancel = this.#clock.schedule(durationMs, () => {
      this.#level = 0;
      this.#cancel = undefined;
    });
    return ok(undefined);
  }
}
