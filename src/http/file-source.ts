/**
 * Files under virtual paths, as the `/files` endpoints and LIST_FILES read them: the process's log,
 * and on an agent the sandboxes. Source: reference/http-api.md 11.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { ok, type Result, refuse } from "../base/result.ts";
import type { FileInfo } from "../protocol/v1/types.ts";
import { FILE_CHUNK_BYTES } from "./limits.ts";

/** A piece of a file. */
export interface FilePiece {
  readonly offset: number;
  readonly data: Uint8Array<ArrayBuffer>;
  /** Of the whole file, bytes. */
  readonly size: number;
}

/** Where files come from. Refusals: `notFound`; `invalid` for what is no file, or a bad number. */
export interface FileSource {
  /** Whose file this is: the process's own log, or a user's sandbox as far as that is known. */
  ownerOf(path: string): "log" | { readonly user: string | undefined };
  /** Virtual path to real path. */
  debug(): Readonly<Record<string, string>>;
  /** Entries of a folder; none for a file. */
  browse(path: string): Promise<Result<readonly FileInfo[]>>;
  /** At most 64 KiB; without an offset only the size is told. */
  read(
    path: string,
    offset: number | undefined,
    length: number | undefined,
  ): Promise<Result<FilePiece>>;
  /** The bytes from `offset` on. Throws when there is no such file. */
  tail(
    path: string,
    offset: number,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;
}

/** The log at its virtual path where there is one, everything else from `others`. */
export function withLogFile(
  virtualPath: string,
  realPath: string | undefined,
  others: FileSource = NO_FILES,
): FileSource {
  if (realPath === undefined) return others;
  const log = new OneFile(virtualPath, realPath);
  const sourceOf = (path: string): FileSource => (log.has(path) ? log : others);
  return {
    ownerOf: (path) => sourceOf(path).ownerOf(path),
    debug: () => ({ ...others.debug(), [virtualPath]: realPath }),
    browse: (path) => sourceOf(path).browse(path),
    read: (path, offset, length) => sourceOf(path).read(path, offset, length),
    tail: (path, offset, follow, signal) => sourceOf(path).tail(path, offset, follow, signal),
  };
}

const notFound = (path: string): Result<never> =>
  refuse("notFound", `${path.slice(0, 200)} is not found`, "path");

const NO_FILES: FileSource = {
  ownerOf: () => ({ user: undefined }),
  debug: () => ({}),
  browse: (path) => Promise.resolve(notFound(path)),
  read: (path) => Promise.resolve(notFound(path)),
  // biome-ignore lint/correctness/useYield: there is nothing to yield.
  tail: async function* (path) {
    throw new Error(`${path} is not found`);
  },
};

/** One file that operators named themselves, so that no path leads anywhere else. */
class OneFile implements FileSource {
  readonly #virtualPath: string;
  readonly #realPath: string;

  constructor(virtualPath: string, realPath: string) {
    this.#virtualPath = virtualPath;
    this.#realPath = realPath;
  }

  has(path: string): boolean {
    return path.replace(/\/+$/, "") === this.#virtualPath;
  }

  ownerOf(): "log" {
    return "log";
  }

  debug(): Readonly<Record<string, string>> {
    return { [this.#virtualPath]: this.#realPath };
  }

  async browse(path: string): Promise<Result<readonly FileInfo[]>> {
    const handle = await this.#open();
    if (handle === undefined) return notFound(path);
    await handle.close();
    return ok([]);
  }

  async read(
    path: string,
    offset: number | undefined,
    length: number | undefined,
  ): Promise<Result<FilePiece>> {
    for (const [name, value] of Object.entries({ offset, length })) {
      if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
      return refuse("invalid", `Negative ${name} ${value} in query`, name);
    }
    const handle = await this.#open();
    if (handle === undefined) return notFound(path);
    try {
      const { size } = await handle.stat();
      if (offset === undefined) return ok({ offset: size, data: new Uint8Array(0), size });
      const byteCount = Math.min(length ?? FILE_CHUNK_BYTES, FILE_CHUNK_BYTES);
      return ok({ offset, data: await readAt(handle, offset, byteCount), size });
    } finally {
      await handle.close();
    }
  }

  /** Ends at the end of the file: nobody follows a log this way. */
  async *tail(
    path: string,
    offset: number,
    _follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const handle = await this.#open();
    if (handle === undefined) throw new Error(`${path} is not found`);
    try {
      for (let position = Math.max(0, offset); !signal.aborted; ) {
        const data = await readAt(handle, position, FILE_CHUNK_BYTES);
        if (data.length === 0) return;
        position += data.length;
        yield data;
      }
    } finally {
      await handle.close();
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      // Without NONBLOCK opening a pipe would wait for a writer that may never come.
      const handle = await open(this.#realPath, constants.O_RDONLY | constants.O_NONBLOCK);
      if ((await handle.stat()).isFile()) return handle;
      await handle.close();
      return undefined;
    } catch {
      // Not there (yet), or not ours to read: told as not found, as Mesos does.
      return undefined;
    }
  }
}

async function readAt(
  handle: FileHandle,
  offset: number,
  byteCount: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(byteCount);
  const { bytesRead } = await handle.read(buffer, 0, byteCount, offset);
  return buffer.slice(0, bytesRead);
}
