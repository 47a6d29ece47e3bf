/**
 * Knows whether the Engine is well, by asking it all the time with a deadline of its own: one that
 * was stopped, hangs or is restarting is seen within seconds, and so is its return. Nothing here
 * waits for an Engine without a bound (DESIGN §9).
 */
import type { Clock, Log } from "../../base/ports.ts";
import { type ContainerizerHealth, UnavailableError } from "../containerizer.ts";
import type { EngineClient } from "./engine-client.ts";
import { PING_DEADLINE_MS, PING_PERIOD_MS } from "./limits.ts";

export interface EngineWatchOptions {
  readonly client: EngineClient;
  readonly clock: Clock;
  readonly log: Log;
  /** The Engine answers again. */
  readonly onRecovered: () => void;
  readonly pingPeriodMs?: number | undefined;
  readonly pingDeadlineMs?: number | undefined;
}

export class EngineWatch {
  readonly #options: EngineWatchOptions;
  readonly #waiting = new Set<() => void>();
  #outage: { readonly sinceMs: number; readonly reason: string } | undefined;
  #cancel: () => void = () => undefined;
  #isPinging = false;
  #isStopped = false;

  constructor(options: EngineWatchOptions) {
    this.#options = options;
  }

  get health(): ContainerizerHealth {
    const outage = this.#outage;
    return {
      name: "docker",
      isHealthy: outage === undefined,
      ...(outage === undefined ? {} : { message: outage.reason, sinceMs: outage.sinceMs }),
    };
  }

  /** Looks now, and from then on regularly. */
  start(): void {
    this.look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#wakeAll();
  }

  /** A call has failed: is it the Engine? */
  look(): void {
    if (this.#isPinging || this.#isStopped) return;
    this.#isPinging = true;
    this.#cancel();
    const { client, clock, pingDeadlineMs = PING_DEADLINE_MS } = this.#options;
    client
      .ping(pingDeadlineMs)
      .then(
        () => this.#recovered(),
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#isPinging = false;
        if (this.#isStopped) return;
        const periodMs = this.#options.pingPeriodMs ?? PING_PERIOD_MS;
        this.#cancel = clock.schedule(periodMs, () => this.look());
      });
  }

  /**
   * Resolves at once when the Engine is well, or as soon as it is. Errors: `UnavailableError`
   * when it does not get well within `waitMs`, with how long it has been away.
   */
  async whenHealthy(signal: AbortSignal, waitMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + waitMs;
    while (this.#outage !== undefined && !signal.aborted && !this.#isStopped) {
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw new UnavailableError(this.#outageText(this.#outage));
      await this.#change(leftMs, signal);
    }
  }

  #outageText({ sinceMs, reason }: { readonly sinceMs: number; readonly reason: string }): string {
    const seconds = Math.round((this.#options.clock.wallMs() - sinceMs) / 1000);
    return `${reason} (for ${seconds} s by now); see whether dockerd runs on this host`;
  }

  #change(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#options.clock.schedule(waitMs, wake);
      signal.addEventListener("abort", wake, { once: true });
      this.#waiting.add(wake);
    });
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return;
    const reason = error instanceof Error ? error.message : String(error);
    const { client, clock, log } = this.#options;
    if (this.#outage === undefined) {
      log.write("warning", "Docker is degraded; other tasks are not affected", { reason });
    }
    // Whoever comes back may be a newer one.
    client.forgetVersion();
    this.#outage = { sinceMs: this.#outage?.sinceMs ?? clock.wallMs(), reason };
  }

  #recovered(): void {
    if (this.#outage === undefined || this.#isStopped) return;
    this.#outage = undefined;
    this.#options.log.write("info", "Docker answers again");
    this.#wakeAll();
    this.#options.onRecovered();
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
