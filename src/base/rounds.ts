/**
 * Calls on many members once per period each, with one timer for all of them: a timer of its own
 * for each of 20,000 connections would cost more memory than the rest of the connection.
 */
import { type Due, DueQueue } from "./due-queue.ts";
import type { Clock } from "./ports.ts";

/** Members due within so many milliseconds are called on together. */
const TOGETHER_MS = 2;

export class Rounds<Member extends Due> {
  readonly periodMs: number;
  readonly #clock: Clock;
  readonly #call: (member: Member) => void;
  readonly #queue = new DueQueue<Member>();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, periodMs: number, call: (member: Member) => void) {
    this.#clock = clock;
    this.periodMs = periodMs;
    this.#call = call;
  }

  /** First called on a period from now, then each period until it is removed. */
  add(member: Member): void {
    this.#queue.set(member, this.#clock.monotonicMs() + this.periodMs);
    this.#setTimer();
  }

  /** Safe to repeat, and while it is being called on. */
  remove(member: Member): void {
    this.#queue.remove(member);
    if (this.#queue.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #setTimer(): void {
    const firstMs = this.#queue.firstMs();
    if (this.#cancelTimer !== undefined || firstMs === undefined) return;
    this.#cancelTimer = this.#clock.schedule(firstMs - this.#clock.monotonicMs(), () => {
      this.#cancelTimer = undefined;
      this.#callDue();
      this.#setTimer();
    });
  }

  #callDue(): void {
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const member = this.#queue.take(nowMs + TOGETHER_MS);
      if (member === undefined) return;
      this.#queue.set(member, nowMs + this.periodMs);
      this.#call(member);
    }
  }
}
