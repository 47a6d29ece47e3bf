/** One URI: fetched, compared with its digest, made executable or unpacked. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fchmodSync, fstatSync, ftruncateSync } from "node:fs";
import type { Clock } from "../../base/ports.ts";
import type { ArchiveKind } from "../archive-kind.ts";
import type { FetchItem } from "../helper-messages.ts";
import { PROGRESS_MS } from "../limits.ts";
import { unpackedChunks } from "./decompress.ts";
import { download } from "./download.ts";
import { FetchError, reasonOf } from "./fetch-error.ts";
import { chunksOf, openPlainFile, writeAll } from "./open-files.ts";
import type { SandboxFolder } from "./sandbox-folder.ts";
import { unpackTar } from "./unpack-tar.ts";
import { unpackZip } from "./unpack-zip.ts";

const FILE_MODE = 0o644;
const EXECUTABLE_MODE = 0o755;

export interface ItemContext {
  readonly clock: Clock;
  readonly folder: SandboxFolder;
  readonly stallTimeoutMs: number;
  /** Resolves when there is room for so many bytes. */
  readonly size: (bytes: number | undefined) => Promise<void>;
  readonly progress: (bytes: number, totalBytes: number | undefined) => void;
  readonly resumed: (reason: string, bytes: number) => void;
}

/** Resolves with the number of bytes fetched. Errors: `FetchError`, ready to be shown. */
export async function fetchItem(item: FetchItem, context: ItemContext): Promise<number> {
  const { source, archive } = item;
  try {
    if (source.kind === "descriptor" && archive !== undefined) {
      await unpack(item, archive, source.descriptor, context.folder);
      return fstatSync(source.descriptor).size;
    }
    return await fetchFile(item, context);
  } catch (error) {
    if (error instanceof FetchError) throw error;
    throw new FetchError(`Failed to fetch ${item.shown}: ${reasonOf(error)}`);
  }
}

async function fetchFile(item: FetchItem, context: ItemContext): Promise<number> {
  const { target, archive } = item;
  const isNew = typeof target === "string";
  const mode = item.isExecutable ? EXECUTABLE_MODE : FILE_MODE;
  const file = isNew ? context.folder.createFile(target, mode) : target.descriptor;
  try {
    const sink = new FileSink(file, item.checksum?.algorithm, context);
    await transfer(item, sink, context);
    assertDigest(item, sink);
    if (isNew) fchmodSync(file, mode);
    if (archive !== undefined) await unpack(item, archive, file, context.folder);
    return sink.bytes;
  } finally {
    closeSync(file);
  }
}

async function transfer(item: FetchItem, sink: FileSink, context: ItemContext): Promise<void> {
  const { source, shown } = item;
  if (source.kind === "http") {
    const { stallTimeoutMs, clock } = context;
    await download({ url: source.url, shown, stallTimeoutMs, clock }, sink);
    return;
  }
  const opened =
    source.kind === "file"
      ? openPlainFile(source.path, shown)
      : { file: source.descriptor, bytes: fstatSync(source.descriptor).size };
  try {
    await sink.size(opened.bytes);
    // What is added to the file meanwhile has no room.
    for await (const chunk of chunksOf(opened.file, 0, opened.bytes)) sink.write(chunk);
  } finally {
    closeSync(opened.file);
  }
}

function assertDigest({ checksum, shown }: FetchItem, sink: FileSink): void {
  if (checksum === undefined) return;
  const found = sink.digest();
  if (found === checksum.hex) return;
  const { algorithm, hex } = checksum;
  throw new FetchError(
    `Failed to fetch ${shown}: its ${algorithm} is ${found}, but the URI asks for ${hex}`,
  );
}

async function unpack(
  { shown, target, checksum: _ }: FetchItem,
  archive: ArchiveKind,
  file: number,
  folder: SandboxFolder,
): Promise<void> {
  try {
    if (archive.kind === "zip") await unpackZip(file, folder);
    else if (archive.kind === "tar")
      await unpackTar(unpackedChunks(file, archive.compression), folder);
    else if (typeof target === "string") {
      const unpacked = folder.createFile(target.slice(0, target.lastIndexOf(".")), FILE_MODE);
      try {
        for await (const chunk of unpackedChunks(file, archive.compression))
          writeAll(unpacked, chunk);
      } finally {
        closeSync(unpacked);
      }
    }
  } catch (error) {
    throw new FetchError(`Failed to unpack ${shown}: ${reasonOf(error)}`);
  }
}

/** Writes into a file from its beginning, and keeps the digest. */
class FileSink {
  bytes = 0;
  readonly #file: number;
  readonly #algorithm: string | undefined;
  readonly #context: ItemContext;
  #hash: Hash | undefined;
  #total: number | undefined;
  #toldMs: number;

  constructor(file: number, algorithm: string | undefined, context: ItemContext) {
    this.#file = file;
    this.#algorithm = algorithm;
    this.#context = context;
    this.#toldMs = context.clock.monotonicMs();
    this.restart();
  }

  async size(bytes: number | undefined): Promise<void> {
    this.#total = bytes;
    await this.#context.size(bytes);
  }

  write(chunk: Uint8Array): void {
    writeAll(this.#file, chunk, this.bytes);
    this.#hash?.update(chunk);
    this.bytes += chunk.length;
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = nowMs;
    this.#context.progress(this.bytes, this.#total);
  }

  restart(): void {
    this.bytes = 0;
    ftruncateSync(this.#file, 0);
    this.#hash = this.#algorithm === undefined ? undefined : createHash(this.#algorithm);
  }

  resumed(reason: string, bytes: number): void {
    this.#context.resumed(reason, bytes);
  }

  digest(): string {
    return this.#hash?.digest("hex") ?? "";
  }
}
