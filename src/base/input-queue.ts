/**
 * The queue in front of a core: inputs arrive from sockets at any time and are worked off at our
 * own pace in bounded batches, never inside the callback that brought them.
 */

export interface InputQueueOptions<Input> {
  /** Inputs worked off before others get a turn of the event loop. */
  readonly batchSize: number;
  /** Carries out one batch, in order. */
  work(batch: readonly Input[]): void;
  /** Runs `next` soon: at once for the first batch, after other events for the following ones. */
  defer(next: () => void, isFollowing: boolean): void;
}

export class InputQueue<Input> {
  readonly #options: InputQueueOptions<Input>;
  #waiting: Input[] = [];
  #isScheduled = false;

  constructor(options: InputQueueOptions<Input>) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(input: Input): void {
    this.#waiting.push(input);
    this.#schedule(false);
  }

  #schedule(isFollowing: boolean): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.defer(() => this.#run(), isFollowing);
  }

  #run(): void {
    this.#isScheduled = false;
    const batch =
      this.#waiting.length <= this.#options.batchSize
        ? this.#waiting
        : this.#waiting.slice(0, this.#options.batchSize);
    this.#waiting = this.#waiting.slice(batch.length);
    if (batch.length > 0) this.#options.work(batch);
    if (this.#waiting.length > 0) this.#schedule(true);
  }
}
