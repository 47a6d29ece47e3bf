/**
 * What the parts of a simulation share: time, chance, settings, the log that a replay must repeat
 * byte for byte, and the way to say that something is wrong.
 */
import { Dice, Timeline } from "./timeline.ts";

/** Deliberate faults that a working simulator must find. */
export const PLANTS = [
  "skipCheckpoint",
  "forgetFilter",
  "acknowledgeTwice",
  "forgetQuota",
  "loseReservation",
  "tellOnce",
] as const;

export type Plant = (typeof PLANTS)[number];

/** An invariant is broken. */
export class Violation extends Error {
  override readonly name: string = "Violation";
}

export interface WorldOptions {
  readonly seed: number;
  readonly plant: Plant | undefined;
}

export class World {
  readonly dice: Dice;
  readonly time: Timeline = new Timeline();
  readonly plant: Plant | undefined;
  /** Faults happen while this is on; the end of a run is without. */
  areFaultsOn = true;
  readonly lines: string[] = [];

  constructor(options: WorldOptions) {
    this.dice = new Dice(options.seed);
    this.plant = options.plant;
  }

  log(line: string): void {
    this.lines.push(`${this.time.nowMs} ${line}`);
  }

  /** True now and then, and never once faults are off. */
  isFault(probability: number): boolean {
    return this.areFaultsOn && this.dice.chance(probability);
  }

  fail(message: string): never {
    throw new Violation(message);
  }

  check(condition: boolean, message: () => string): void {
    if (!condition) this.fail(message());
  }
}
