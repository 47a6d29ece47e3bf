/**
 * What the parts of a simulation share: time, chance, settings, the log that a replay must repeat
 * byte for byte, and the way to say that something is wrong.
 */
import { SimNetwork } from "./masters/network.ts";
import { Dice, Timeline } from "./timeline.ts";

/** Deliberate faults that a working simulator must find. */
export const PLANTS = [
  "skipCheckpoint",
  "forgetFilter",
  "acknowledgeTwice",
  "forgetQuota",
  "loseReservation",
  "tellOnce",
  "keepEstimate",
  "offerRevocable",
  "overlookCorrection",
  "forgetCorrection",
] as const;

/** Those that take several masters. */
export const MASTERS_PLANTS = [
  "noEpochCheck",
  "actDeposed",
  "longLease",
  "trimEarly",
  "skipNewest",
  "answerEarly",
  "outOfOrder",
  "hearDeposed",
] as const;

export type Plant = (typeof PLANTS)[number] | (typeof MASTERS_PLANTS)[number];

/** An invariant is broken. */
export class Violation extends Error {
  override readonly name: string = "Violation";
}

export interface WorldOptions {
  readonly seed: number;
  readonly plant: Plant | undefined;
  /** Clocks run faster or slower than they should, by this share at most. */
  readonly clockDrift?: number;
}

export class World {
  readonly dice: Dice;
  readonly time: Timeline = new Timeline();
  readonly network: SimNetwork = new SimNetwork();
  readonly plant: Plant | undefined;
  readonly clockDrift: number;
  /** Faults happen while this is on; the end of a run is without. */
  areFaultsOn = true;
  readonly lines: string[] = [];
  /** What was found first: those it was thrown at may have taken it for a failure of their own. */
  violation: Violation | undefined;

  constructor(options: WorldOptions) {
    this.dice = new Dice(options.seed);
    this.plant = options.plant;
    this.clockDrift = options.clockDrift ?? 0;
  }

  log(line: string): void {
    this.lines.push(`${this.time.nowMs} ${line}`);
  }

  /** True now and then, and never once faults are off. */
  isFault(probability: number): boolean {
    return this.areFaultsOn && this.dice.chance(probability);
  }

  fail(message: string): never {
    throw this.note(message);
  }

  /** As `fail`, for where nobody would catch it: the run ends with the present event. */
  note(message: string): Violation {
    this.violation ??= new Violation(message);
    return this.violation;
  }

  check(condition: boolean, message: () => string): void {
    if (!condition) this.fail(message());
  }
}
