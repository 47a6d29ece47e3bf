/** Exact amounts out of a stream of chunks of any size. */
import { FetchError } from "./fetch-error.ts";

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes; undefined when the stream ends before the first of them. */
  async take(count: number): Promise<Uint8Array | undefined> {
    const taken = new Uint8Array(count);
    let filled = 0;
    for await (const part of this.#parts(count, "or nothing")) {
      taken.set(part, filled);
      filled += part.length;
    }
    return filled === count ? taken : undefined;
  }

  /** Pieces that are so many bytes together. Errors: `FetchError` when there are fewer. */
  stream(count: number): AsyncGenerator<Uint8Array> {
    return this.#parts(count);
  }

  async skip(count: number): Promise<void> {
    for await (const _ of this.stream(count));
  }

  async *#parts(count: number, orNothing?: "or nothing"): AsyncGenerator<Uint8Array> {
    let left = count;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) {
          if (left === count && orNothing !== undefined) return;
          throw new FetchError("the archive ends in the middle");
        }
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      if (part.length > 0) yield part;
    }
  }
}
