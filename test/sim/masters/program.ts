/**
 * One process: its clock, and the only door through which anything gets into it. A process that is
 * paused hears nothing, and everything at once when it goes on; what was for one that died is lost.
 */
import { drainMicrotasks } from "bun:jsc";
import type { Clock, Rng } from "../../../src/base/ports.ts";
import type { World } from "../world.ts";

/** The day on which simulations happen. */
const WALL_MS = 1_700_000_000_000;

export class Program {
  /** The host that it runs on. */
  readonly host: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly #world: World;
  readonly #rate: number;
  #wallOffsetMs: number;
  #isAlive = true;
  #isPaused = false;
  #waiting: (() => void)[] = [];

  constructor(world: World, host: string) {
    this.host = host;
    this.#world = world;
    const { time, dice } = world;
    this.#rate = 1 + (dice.next() * 2 - 1) * world.clockDrift;
    this.#wallOffsetMs = dice.below(1000);
    this.rng = { next: () => dice.next(), uuid: () => dice.uuid() };
    this.clock = {
      wallMs: () => WALL_MS + Math.round(time.nowMs) + this.#wallOffsetMs,
      monotonicMs: () => time.nowMs * this.#rate,
      schedule: (delayMs, callback) => this.#schedule(Math.ceil(delayMs / this.#rate), callback),
      nextTurn: (callback) => {
        this.#schedule(0, callback);
      },
    };
  }

  get isRunning(): boolean {
    return this.#isAlive && !this.#isPaused;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Runs within the process all that follows at once; later, while it is paused. */
  enter(run: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isPaused) {
      this.#waiting.push(run);
      return;
    }
    run();
    drainMicrotasks();
    if (this.#world.violation !== undefined) throw this.#world.violation;
  }

  kill(): void {
    this.#isAlive = false;
    this.#waiting = [];
  }

  pause(durationMs: number): void {
    if (!this.isRunning) return;
    this.#isPaused = true;
    this.#world.log(`${this.host} is paused for ${durationMs} ms`);
    this.#world.time.after(durationMs, () => this.resume());
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const waiting = this.#waiting.splice(0);
    for (const run of waiting) this.enter(run);
  }

  /** The clock on the wall is set. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  #schedule(delayMs: number, callback: () => void): () => void {
    let isCancelled = false;
    const cancel = this.#world.time.after(delayMs, () =>
      this.enter(() => {
        if (!isCancelled) callback();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }
}
