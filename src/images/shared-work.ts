/** One piece of work for all who want the same; it is given up when the last of them is. */
import { ImageError } from "./image-error.ts";

interface Work<T> {
  readonly done: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

export class SharedWork<T> {
  readonly #works = new Map<string, Work<T>>();

  /** Joins the work of that key, or begins it. Errors: those of the work; `ImageError` on `signal`. */
  async run(
    key: string,
    begin: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const work = this.#works.get(key) ?? this.#begin(key, begin);
    work.waiting += 1;
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(new ImageError("the pull was given up"));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await Promise.race([work.done, givenUp]);
    } finally {
      signal.removeEventListener("abort", giveUp);
      work.waiting -= 1;
      if (work.waiting === 0) {
        work.abort.abort();
        // Whoever comes now begins anew.
        if (this.#works.get(key) === work) this.#works.delete(key);
        // Nothing of it is left when the last one is told; its outcome is nobody's any more.
        await work.done.catch(() => undefined);
      }
    }
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>): Work<T> {
    const abort = new AbortController();
    const done = begin(abort.signal);
    const work = { done, abort, waiting: 0 };
    this.#works.set(key, work);
    // Those who wait are told through their own promises; none may be waiting any more.
    const forget = (): void => {
      if (this.#works.get(key) === work) this.#works.delete(key);
    };
    done.then(forget, forget);
    return work;
  }
}
