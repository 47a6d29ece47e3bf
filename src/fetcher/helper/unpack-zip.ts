/** Unpacks a zip archive: files, folders and symbolic links, and a clear no to all else. */
import { closeSync } from "node:fs";
import { Readable } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { PATH_BYTES_MAX } from "../limits.ts";
import { FetchError, reasonOf } from "./fetch-error.ts";
import { chunksOf, writeAll } from "./open-files.ts";
import type { SandboxFolder } from "./sandbox-folder.ts";
import { dataOffset, readZipDirectory, type ZipEntry } from "./zip-directory.ts";

const FILE_TYPE_BITS = 0o170000;
const FILE = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const STORED = 0;
const DEFLATED = 8;

/** Errors: `FetchError`, system errors. */
export async function unpackZip(file: number, folder: SandboxFolder): Promise<void> {
  for (const entry of readZipDirectory(file)) {
    const { path, unixMode = 0 } = entry;
    // Some packers leave the type out; then the name tells.
    const type = unixMode & FILE_TYPE_BITS || (path.endsWith("/") ? FOLDER : FILE);
    if (type === FOLDER) folder.makeFolder(path, unixMode === 0 ? 0o755 : unixMode);
    else if (type === LINK) folder.makeLink(path, await linkTarget(file, entry));
    else if (type === FILE) await unpackFile(file, entry, folder);
    else throw new FetchError(`the archive contains a device or pipe: ${path}`);
  }
}

async function unpackFile(file: number, entry: ZipEntry, folder: SandboxFolder): Promise<void> {
  const mode = (entry.unixMode ?? 0) & 0o7777;
  const target = folder.createFile(entry.path, mode === 0 ? 0o644 : mode);
  try {
    for await (const chunk of contentOf(file, entry)) writeAll(target, chunk);
  } finally {
    closeSync(target);
  }
}

async function linkTarget(file: number, entry: ZipEntry): Promise<string> {
  if (entry.bytes > PATH_BYTES_MAX) throw new FetchError(`the link ${entry.path} is too long`);
  const parts: Uint8Array[] = [];
  for await (const chunk of contentOf(file, entry)) parts.push(chunk);
  return Buffer.concat(parts).toString("utf8");
}

/** The unpacked bytes, as many as the table of contents says and with its checksum. */
async function* contentOf(file: number, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  let crc = 0;
  for await (const chunk of unpackedBytes(file, entry)) {
    bytes += chunk.length;
    crc = crc32(chunk, crc);
    if (bytes > entry.bytes) break;
    yield chunk;
  }
  if (bytes === entry.bytes && crc === entry.crc) return;
  throw new FetchError(`the archive is damaged (${entry.path})`);
}

async function* unpackedBytes(file: number, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  if (entry.isEncrypted) throw new FetchError(`the archive is encrypted (${entry.path})`);
  const start = dataOffset(file, entry);
  const packed = chunksOf(file, start, start + entry.packedBytes);
  if (entry.method === STORED) {
    yield* packed;
    return;
  }
  if (entry.method !== DEFLATED) {
    const how = `is packed by method ${entry.method}; pack it by deflate`;
    throw new FetchError(`${entry.path} in the archive ${how}`);
  }
  try {
    yield* Readable.from(packed).pipe(createInflateRaw()) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new FetchError(`the archive is damaged (${entry.path}: ${reasonOf(error)})`);
  }
}
