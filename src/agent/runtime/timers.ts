/** The core's timers on a real clock: one per value, replaced when set again. */
import type { Clock } from "../../base/ports.ts";
import type { AgentTimer } from "../core/inputs.ts";

export class AgentTimers {
  readonly #clock: Clock;
  readonly #fire: (timer: AgentTimer) => void;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock, fire: (timer: AgentTimer) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  set(timer: AgentTimer, delayMs: number): void {
    const key = keyOf(timer);
    this.#cancels.get(key)?.();
    const cancel = this.#clock.schedule(Math.max(0, delayMs), () => {
      this.#cancels.delete(key);
      this.#fire(timer);
    });
    this.#cancels.set(key, cancel);
  }

  cancel(timer: AgentTimer): void {
    const key = keyOf(timer);
    this.#cancels.get(key)?.();
    this.#cancels.delete(key);
  }

  cancelAll(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
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
