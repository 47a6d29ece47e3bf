/**
 * Files fetched once for many tasks: one download for all who wait for it, and the least recently
 * used file goes when room is needed, unless somebody is using it. The folder belongs to the agent
 * alone: helpers get open files, never paths, so that no user can change what others will get. What
 * was there before the agent started is removed. Source: semantics 7.8.
 */
import { closeSync, constants, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../base/ports.ts";

export interface FetcherCacheOptions {
  readonly folder: string;
  readonly bytesMax: number;
  readonly log: Log;
}

/** Writes a new file; asks for room when the size is known. */
export type Download = (
  file: number,
  hasRoom: (bytes: number | undefined) => boolean,
  signal: AbortSignal,
) => Promise<void>;

/** A cached file in use: it stays until `release`. */
export interface CacheLease {
  /** Opens it for reading. The caller closes it. */
  open(): number;
  /** Once. */
  release(): void;
}

interface Entry {
  readonly key: string;
  readonly path: string;
  /** Reserved from the moment the size is known. */
  bytes: number;
  /** Who waits for it or uses it. */
  users: number;
  lastUse: number;
  isReady: boolean;
  readonly abort: AbortController;
  /** True when the file is there; never rejects. */
  arrival: Promise<boolean>;
}

const FILE_NAME = /^fetched-\d+$/;

export class FetcherCache {
  readonly bytesMax: number;
  readonly #folder: string;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();
  #bytesUsed = 0;
  #uses = 0;
  #files = 0;

  /** Empties the folder. Throws what the system throws. */
  constructor(options: FetcherCacheOptions) {
    this.bytesMax = options.bytesMax;
    this.#folder = options.folder;
    this.#log = options.log;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const user of readdirSync(this.#folder, { withFileTypes: true })) {
      if (!user.isDirectory()) continue;
      const folder = join(this.#folder, user.name);
      for (const name of readdirSync(folder)) {
        if (FILE_NAME.test(name)) rmSync(join(folder, name), { force: true });
      }
    }
  }

  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /**
   * The file of that key, downloaded unless it is there or on its way. Undefined when the cache
   * cannot have it; the caller then fetches it directly. `signal` ends the waiting, and a download
   * that nobody waits for any more.
   */
  async lease(
    user: string,
    uriKey: string,
    download: Download,
    signal: AbortSignal,
  ): Promise<CacheLease | undefined> {
    const key = `${user}\n${uriKey}`;
    const entry = this.#entries.get(key) ?? this.#begin(user, key, download);
    entry.users += 1;
    this.#touch(entry);
    const isThere = await orAborted(entry.arrival, signal);
    if (isThere && !signal.aborted) {
      return {
        open: () => openSync(entry.path, constants.O_RDONLY | constants.O_NOFOLLOW),
        release: () => this.#release(entry),
      };
    }
    this.#release(entry);
    return undefined;
  }

  #begin(user: string, key: string, download: Download): Entry {
    this.#files += 1;
    const entry: Entry = {
      key,
      path: join(this.#folder, user, `fetched-${this.#files}`),
      bytes: 0,
      users: 0,
      lastUse: 0,
      isReady: false,
      abort: new AbortController(),
      arrival: Promise.resolve(false),
    };
    this.#entries.set(key, entry);
    entry.arrival = this.#fill(entry, download);
    return entry;
  }

  async #fill(entry: Entry, download: Download): Promise<boolean> {
    try {
      mkdirSync(join(entry.path, ".."), { recursive: true, mode: 0o700 });
      const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants;
      const file = openSync(entry.path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
      try {
        await download(file, (bytes) => this.#reserve(entry, bytes), entry.abort.signal);
      } finally {
        closeSync(file);
      }
      entry.isReady = true;
      this.#resize(entry, statSync(entry.path).size);
      return true;
    } catch (error) {
      if (!entry.abort.signal.aborted) {
        const path = entry.path;
        this.#log.write("warning", "the fetcher's cache could not be used", { path, error });
      }
      this.#remove(entry);
      return false;
    }
  }

  /** Makes room by taking away what nobody uses, the longest unused first. */
  #reserve(entry: Entry, bytes: number | undefined): boolean {
    if (bytes === undefined || bytes > this.bytesMax) return false;
    const unused = [...this.#entries.values()]
      .filter(({ users, isReady }) => users === 0 && isReady)
      .sort((one, other) => one.lastUse - other.lastUse);
    while (this.#bytesUsed - entry.bytes + bytes > this.bytesMax) {
      const oldest = unused.shift();
      if (oldest === undefined) return false;
      this.#remove(oldest);
    }
    this.#resize(entry, bytes);
    return true;
  }

  #release(entry: Entry): void {
    entry.users -= 1;
    this.#touch(entry);
    if (entry.users > 0 || entry.isReady) return;
    // Whoever comes next begins a download of their own.
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
    entry.abort.abort();
  }

  #remove(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
    this.#resize(entry, 0);
    rmSync(entry.path, { force: true });
  }

  #resize(entry: Entry, bytes: number): void {
    this.#bytesUsed += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  #touch(entry: Entry): void {
    this.#uses += 1;
    entry.lastUse = this.#uses;
  }
}

/** False as soon as the signal comes. */
async function orAborted(arrival: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const stopped = Promise.withResolvers<boolean>();
  const stop = (): void => stopped.resolve(false);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([arrival, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
