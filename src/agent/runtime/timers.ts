/**
 * The core's timers on a real clock: one per value, replaced when set again. Nearly all of them are
 * cancelled long before they are due, so they share one timer of the clock, armed for the earliest.
 */
import type { Clock } from "../../base/ports.ts";
import type { AgentTimer } from "../core/inputs.ts";

interface Waiting {
  readonly timer: AgentTimer;
  readonly dueMs: number;
}

export class AgentTimers {
  readonly #clock: Clock;
  readonly #fire: (timer: AgentTimer) => void;
  readonly #waiting = new Map<string, Waiting>();
  #armedMs = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => undefined;

  constructor(clock: Clock, fire: (timer: AgentTimer) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  set(timer: AgentTimer, delayMs: number): void {
    const dueMs = this.#clock.monotonicMs() + Math.max(0, delayMs);
    this.#waiting.set(keyOf(timer), { timer, dueMs });
    if (dueMs < this.#armedMs) this.#arm(dueMs);
  }

  cancel(timer: AgentTimer): void {
    this.#waiting.delete(keyOf(timer));
  }

  cancelAll(): void {
    this.#waiting.clear();
    this.#disarm();
    this.#armedMs = Number.POSITIVE_INFINITY;
  }

  #arm(dueMs: number): void {
    this.#disarm();
    this.#armedMs = dueMs;
    this.#disarm = this.#clock.schedule(dueMs - this.#clock.monotonicMs(), () => this.#look());
  }

  /** What was armed for may be gone by now, or set anew. */
  #look(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    const due: Waiting[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, waiting] of this.#waiting) {
      if (waiting.dueMs > nowMs) {
        nextMs = Math.min(nextMs, waiting.dueMs);
        continue;
      }
      this.#waiting.delete(key);
      due.push(waiting);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    due.sort((a, b) => a.dueMs - b.dueMs);
    for (const { timer } of due) this.#fire(timer);
  }
}

function keyOf(timer: AgentTimer): string {
  switch (timer.kind) {
    case "retryUpdate":
      return `${timer.kind} ${timer.frameworkId}/${timer.taskId}`;
    case "executorRegistration":
    case "executorShutdown":
      return `${timer.kind} ${timer.containerId}`;
    default:
      return timer.kind;
  }
}
