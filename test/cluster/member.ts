/** One process of the cluster. What ends without being told to is started again a little later. */

/** Long enough to watch the others do without it. */
const RESTART_MS = 5000;

export interface MemberOptions {
  readonly name: string;
  /** A URL, or `host:port` of ZooKeeper. */
  readonly address: string;
  /** Undefined while it does not run. */
  pid(): number | undefined;
  start(): void | Promise<void>;
}

export class Member {
  readonly name: string;
  readonly address: string;
  readonly #options: MemberOptions;
  /** When it was found to have ended, by the monotonic clock. */
  #endedMs: number | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.name = options.name;
    this.address = options.address;
  }

  get pid(): number | undefined {
    return this.#options.pid();
  }

  /** Starts it when it has been down for long enough. Errors: it cannot be started. */
  async tend(nowMs: number): Promise<void> {
    if (this.pid !== undefined) this.#endedMs = undefined;
    else if (this.#endedMs === undefined) this.#endedMs = nowMs;
    else if (nowMs - this.#endedMs >= RESTART_MS) {
      this.#endedMs = undefined;
      await this.#options.start();
    }
  }
}
