/**
 * Answers long reads without holding up the process: a document is written in slices of a few
 * milliseconds, one slice per turn of the event loop whatever the number of readers, and only as
 * fast as its readers take it. Equal requests that arrive while one is being answered share the
 * next answer, as Mesos answers reads in batches. Source: DESIGN §8; http-api 9.
 */
import type { Clock } from "../base/ports.ts";
import type { Document } from "../master/core/views/document.ts";
import {
  READ_IDLE_MS,
  READ_LAG_BYTES,
  READ_SHARE_WAIT_MS,
  READ_SLICE_MS,
  READERS_MAX,
} from "./limits.ts";
import { Production } from "./production.ts";
import { textResponse } from "./responses.ts";

export interface ReadRequest {
  /** Requests of equal keys have equal answers; an object is equal to itself alone. */
  readonly key: string | object;
  readonly contentType: string;
  /** Called when the answer is begun. */
  make(): Document;
}

export interface PacedReadsOptions {
  readonly clock: Clock;
  /** Calls back after other events had their turn. */
  defer(next: () => void): void;
}

/** One request that is being answered. */
interface Reader {
  production: Production<Reader>;
  /** Written for it and not taken yet. */
  readonly chunks: Uint8Array<ArrayBuffer>[];
  lagBytes: number;
}

/** Productions of equal requests: the one that is under way, and the one that comes after it. */
interface Group {
  running: Production<Reader>;
  next: Production<Reader> | undefined;
  /** Ends the wait of `next` for a `running` that takes long. */
  cancelWait(): void;
}

export class PacedReads {
  readonly #options: PacedReadsOptions;
  readonly #groups = new Map<string | object, Group>();
  /** Who waits for a slice, oldest first. */
  readonly #turns: ((endMs: number) => void)[] = [];
  #isTurnDeferred = false;
  #streamCount = 0;
  #sharedCount = 0;

  constructor(options: PacedReadsOptions) {
    this.#options = options;
  }

  /** Slices are timed and spread by `clock`. */
  static on(clock: Clock): PacedReads {
    return new PacedReads({ clock, defer: (next) => clock.nextTurn(next) });
  }

  /** Requests so far that were answered by what was written for another one. */
  get sharedCount(): number {
    return this.#sharedCount;
  }

  /** Answers in one piece when that is short, else by a stream that is written on demand. */
  async respond(request: ReadRequest, signal: AbortSignal): Promise<Response> {
    const reader = this.#join(request);
    const headers = { "Content-Type": request.contentType };
    try {
      const first = await this.#nextChunk(reader);
      const isWhole = reader.production.isOver && reader.chunks.length === 0;
      if (!isWhole && this.#streamCount < READERS_MAX) {
        return new Response(this.#streamTo(reader, first, signal), { headers });
      }
      reader.production.leave(reader);
      if (!isWhole) {
        return textResponse(503, `${READERS_MAX} long reads are under way; try again later`);
      }
      const body = first ?? new Uint8Array();
      const length = { "Content-Length": String(body.byteLength) };
      return new Response(body, { headers: { ...headers, ...length } });
    } catch (error) {
      reader.production.leave(reader);
      throw error;
    }
  }

  #join({ key, make }: ReadRequest): Reader {
    const production = this.#productionFor(key, make);
    if (production.readers.size > 0) this.#sharedCount += 1;
    const reader: Reader = { production, chunks: [], lagBytes: 0 };
    production.readers.add(reader);
    return reader;
  }

  /** One that has not begun: an answer is never older than the request. */
  #productionFor(key: string | object, make: () => Document): Production<Reader> {
    const group = this.#groups.get(key);
    if (group === undefined) {
      const running = new Production<Reader>(make, () => this.#startNext(key));
      running.start();
      this.#groups.set(key, { running, next: undefined, cancelWait: () => undefined });
      return running;
    }
    if (!group.running.isBegun) return group.running;
    if (group.next === undefined) {
      group.next = new Production<Reader>(make, () => this.#startNext(key));
      const startNext = (): void => this.#startNext(key);
      group.cancelWait = this.#options.clock.schedule(READ_SHARE_WAIT_MS, startNext);
    }
    return group.next;
  }

  /** The running production is over, given up, or has kept the next one waiting for long enough. */
  #startNext(key: string | object): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    group.cancelWait();
    if (group.next === undefined) {
      this.#groups.delete(key);
      return;
    }
    group.running.detach();
    group.running = group.next;
    group.next = undefined;
    group.running.start();
  }

  /** Undefined at the end. */
  async #nextChunk(reader: Reader): Promise<Uint8Array<ArrayBuffer> | undefined> {
    await reader.production.started;
    while (true) {
      const chunk = reader.chunks.shift();
      if (chunk !== undefined) {
        reader.lagBytes -= chunk.byteLength;
        return chunk;
      }
      if (reader.production.isOver) return undefined;
      await this.#turn((endMs) => {
        // Whoever shares the production may have written for this reader as well.
        if (reader.chunks.length === 0) this.#write(reader.production, endMs);
      });
    }
  }

  /** Writes one slice for every reader of a production. Those who lag go on alone. */
  #write(production: Production<Reader>, endMs: number): void {
    const { clock } = this.#options;
    const chunk = production.advance(() => clock.monotonicMs() >= endMs);
    if (chunk === undefined) return;
    for (const reader of production.readers) {
      reader.chunks.push(chunk);
      reader.lagBytes += chunk.byteLength;
      if (reader.lagBytes <= READ_LAG_BYTES || production.readers.size === 1) continue;
      production.readers.delete(reader);
      reader.production = production.fork();
      reader.production.readers.add(reader);
    }
  }

  /** Does something within a slice of time, in order of asking; rejects with what it throws. */
  #turn(work: (endMs: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#turns.push((endMs) => {
        try {
          work(endMs);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
      this.#deferTurn();
    });
  }

  #deferTurn(): void {
    if (this.#isTurnDeferred || this.#turns.length === 0) return;
    this.#isTurnDeferred = true;
    const { clock } = this.#options;
    this.#options.defer(() => {
      this.#isTurnDeferred = false;
      const endMs = clock.monotonicMs() + READ_SLICE_MS;
      // Short answers share a slice.
      do this.#turns.shift()?.(endMs);
      while (this.#turns.length > 0 && clock.monotonicMs() < endMs);
      this.#deferTurn();
    });
  }

  /** One chunk is made ready while the connection takes another. */
  #streamTo(
    reader: Reader,
    first: Uint8Array<ArrayBuffer> | undefined,
    signal: AbortSignal,
  ): ReadableStream<Uint8Array> {
    let waiting = first;
    let cancelIdle = (): void => undefined;
    let isEnded = false;
    const end = (): void => {
      cancelIdle();
      if (isEnded) return;
      isEnded = true;
      this.#streamCount -= 1;
      reader.chunks.length = 0;
      reader.production.leave(reader);
    };
    this.#streamCount += 1;
    const watch = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      cancelIdle = this.#options.clock.schedule(READ_IDLE_MS, () => {
        end();
        controller.error(new Error("the reader took nothing for too long"));
      });
    };
    const fail = (error: unknown): never => {
      end();
      throw error;
    };
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    return new ReadableStream<Uint8Array>(
      {
        start: watch,
        pull: async (controller) => {
          cancelIdle();
          const chunk = waiting ?? (await this.#nextChunk(reader).catch(fail));
          waiting = undefined;
          if (isEnded) return;
          if (chunk !== undefined) {
            controller.enqueue(chunk);
            watch(controller);
            return;
          }
          end();
          controller.close();
        },
        cancel: end,
      },
      { highWaterMark: 1 },
    );
  }
}
