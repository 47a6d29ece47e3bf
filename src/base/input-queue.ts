/**
 * The queue in front of a core: inputs arrive from sockets at any time and are worked off at our
 * own pace in bounded batches, never inside the callback that brought them.
 */

export interface InputQueueOptions<Input> {
  /** Inputs worked off before others get a turn of the event loop. */
  readonly batchSize: number;
  /** Carries out one batch, in order. What it throws is not caught: the process must end then. */
  work(batch: readonly Input[]): void;
  /** Runs `next` soon: at once for the first batch, after other events for the following ones. */
  defer(next: () => void, isFollowing: boolean): void;
}

export class InputQueue<Input> {
  readonly #options: InputQueueOptions<Input>;
  #waiting: Input[] = [];
  /** Inputs at the front of `#waiting` that were taken already. */
  #taken = 0;
  #isScheduled = false;

  constructor(options: InputQueueOptions<Input>) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length - this.#taken;
  }

  /** Adds an input; cost is O(1), taking out included. */
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
    const batch = this.#take();
    if (batch.length > 0) this.#options.work(batch);
    if (this.length > 0) this.#schedule(true);
  }

  /** The front is cut off only once it is half of the array, so that a long queue stays cheap. */
  #take(): readonly Input[] {
    const end = Math.min(this.#waiting.length, this.#taken + this.#options.batchSize);
    const isWhole = this.#taken === 0 && end === this.#waiting.length;
    const batch = isWhole ? this.#waiting : this.#waiting.slice(this.#taken, end);
    this.#taken = end;
    if (isWhole) this.#waiting = [];
    else if (end * 2 >= this.#waiting.length) this.#waiting = this.#waiting.slice(end);
    else return batch;
    this.#taken = 0;
    return batch;
  }
}
