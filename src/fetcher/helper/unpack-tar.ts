/** Unpacks a tar archive from a stream: files, folders and links, and a clear no to all else. */
import { closeSync, futimesSync } from "node:fs";
import { ARCHIVE_ENTRIES_MAX, TAR_HEADER_BYTES_MAX } from "../limits.ts";
import { ByteReader } from "./byte-reader.ts";
import { FetchError } from "./fetch-error.ts";
import { writeAll } from "./open-files.ts";
import {
  BLOCK_BYTES,
  parsePaxRecords,
  parseTarHeader,
  type TarHeader,
  utf8,
} from "./tar-header.ts";

/** What must not come out of an archive, by type flag. */
const REFUSED: Readonly<Record<string, string>> = {
  "3": "a character device",
  "4": "a block device",
  "6": "a named pipe",
  S: "a sparse file; pack it without --sparse",
  D: "an incremental backup's folder",
  M: "a part of a file on another volume",
};

/** Where an archive is unpacked. Errors: `FetchError` for what must not be in there. */
export interface TarTarget {
  /** An empty file, open for writing. */
  createFile(path: string, mode: number, header: TarHeader): number;
  makeFolder(path: string, mode: number, header: TarHeader): void;
  makeLink(path: string, target: string, header: TarHeader): void;
  makeHardLink(path: string, target: string): void;
  /** True for an entry that stands for something else than what it is. */
  isSign?(path: string): boolean;
}

/** Source of entries, one after the other. Errors: `FetchError`, system errors. */
export async function unpackTar(
  chunks: AsyncIterable<Uint8Array>,
  folder: TarTarget,
): Promise<void> {
  const reader = new ByteReader(chunks);
  for (let count = 0; ; count += 1) {
    if (count > ARCHIVE_ENTRIES_MAX) {
      throw new FetchError(`the archive has more than ${ARCHIVE_ENTRIES_MAX} entries`);
    }
    const header = await nextEntry(reader);
    if (header === undefined) return;
    await unpackEntry(header, reader, folder);
  }
}

/** The next entry that stands for a file, with what the extended headers before it say. */
async function nextEntry(reader: ByteReader): Promise<TarHeader | undefined> {
  let said: Partial<TarHeader> = {};
  for (;;) {
    const block = await reader.take(BLOCK_BYTES);
    const header = block === undefined ? undefined : parseTarHeader(block);
    if (header === undefined) return undefined;
    switch (header.type) {
      case "x":
        said = { ...said, ...fromPax(parsePaxRecords(await extension(reader, header))) };
        break;
      case "L":
        said = { ...said, path: utf8(await extension(reader, header)) };
        break;
      case "K":
        said = { ...said, linkTarget: utf8(await extension(reader, header)) };
        break;
      case "g": // Comments for the whole archive, such as git's commit.
      case "V": // Its title.
        await reader.skip(padded(header.size));
        break;
      default: {
        const whole = { ...header, ...said };
        const isFolder = whole.type === "0" && whole.path.endsWith("/");
        return isFolder ? { ...whole, type: "5" } : whole;
      }
    }
  }
}

async function extension(reader: ByteReader, { size }: TarHeader): Promise<Uint8Array> {
  const bytes = size > TAR_HEADER_BYTES_MAX ? undefined : await reader.take(padded(size));
  if (bytes === undefined) throw new FetchError("the archive has a damaged extended header");
  return bytes.subarray(0, size);
}

function fromPax(records: ReadonlyMap<string, string>): Partial<TarHeader> {
  if ([...records.keys()].some((key) => key.startsWith("GNU.sparse."))) {
    throw new FetchError(`the archive contains ${REFUSED["S"]}`);
  }
  const path = records.get("path");
  const linkTarget = records.get("linkpath");
  const [size, uid, gid] = ["size", "uid", "gid"].map((key) => records.get(key));
  const modified = Number(records.get("mtime") ?? Number.NaN);
  if (size !== undefined && !Number.isSafeInteger(Number(size))) {
    throw new FetchError("the archive has a number that is too large (size)");
  }
  return {
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(gid === undefined ? {} : { gid: Number(gid) }),
    ...(path === undefined ? {} : { path }),
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(Number.isFinite(modified) ? { modifiedSeconds: modified } : {}),
  };
}

async function unpackEntry(
  header: TarHeader,
  reader: ByteReader,
  folder: TarTarget,
): Promise<void> {
  const { path, type, mode, size, linkTarget } = header;
  if (folder.isSign?.(path) === true) {
    await reader.skip(padded(size));
    return;
  }
  switch (type) {
    case "0":
      await unpackFile(header, reader, folder);
      return;
    case "1":
      folder.makeHardLink(path, linkTarget);
      break;
    case "2":
      folder.makeLink(path, linkTarget, header);
      break;
    case "5":
      folder.makeFolder(path, mode, header);
      break;
    default: {
      const what = REFUSED[type] ?? `an entry of the unknown type ${JSON.stringify(type)}`;
      throw new FetchError(`the archive contains ${what}: ${path}`);
    }
  }
  await reader.skip(padded(size));
}

async function unpackFile(header: TarHeader, reader: ByteReader, folder: TarTarget): Promise<void> {
  const { path, mode, size, modifiedSeconds } = header;
  const file = folder.createFile(path, mode, header);
  try {
    for await (const chunk of reader.stream(size)) writeAll(file, chunk);
    futimesSync(file, modifiedSeconds, modifiedSeconds);
  } finally {
    closeSync(file);
  }
  await reader.skip(padded(size) - size);
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}
