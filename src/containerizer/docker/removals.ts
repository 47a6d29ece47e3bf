/** Removes containers from the Engine when their time has come, and tries until it is done. */
import type { Clock, Log } from "../../base/ports.ts";
import type { Engine } from "./engine.ts";
import { RETRY_MS_MAX } from "./limits.ts";

export class Removals {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #due = new Map<string, () => void>();
  #isStopped = false;

  constructor({ engine, clock, log }: { engine: Engine; clock: Clock; log: Log }) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log;
  }

  /** Removes in the background after `delayMs`; takes the Engine's id or the name. */
  later(idOrName: string, delayMs: number): void {
    if (this.#isStopped || this.#due.has(idOrName)) return;
    this.#arm(idOrName, delayMs);
  }

  /** Removes now, at once or, if that fails, as soon as it can be. */
  async now(idOrName: string): Promise<void> {
    this.#forget(idOrName);
    try {
      await this.#engine.remove(idOrName);
    } catch (error) {
      this.#log.write("warning", "a container is still to be removed", { idOrName, error });
      if (!this.#isStopped) this.#arm(idOrName, RETRY_MS_MAX);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#due.values()) cancel();
    this.#due.clear();
  }

  #arm(idOrName: string, delayMs: number): void {
    this.#due.set(
      idOrName,
      this.#clock.schedule(delayMs, () => {
        this.now(idOrName).catch(() => undefined);
      }),
    );
  }

  #forget(idOrName: string): void {
    this.#due.get(idOrName)?.();
    this.#due.delete(idOrName);
  }
}
