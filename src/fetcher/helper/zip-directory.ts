/**
 * The table of contents at the end of a zip file, large files (zip64) included.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 to 4.3.16, 4.5.3.
 */
import { fstatSync, readSync } from "node:fs";
import { ARCHIVE_ENTRIES_MAX, ZIP_DIRECTORY_BYTES_MAX } from "../limits.ts";
import { FetchError } from "./fetch-error.ts";
import { utf8 } from "./tar-header.ts";

export interface ZipEntry {
  readonly path: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
  /** Undefined when it was packed on a system without Unix modes. */
  readonly unixMode: number | undefined;
}

const END_SIGNATURE = 0x06054b50;
const END64_LOCATOR_SIGNATURE = 0x07064b50;
const END64_SIGNATURE = 0x06064b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const COMMENT_BYTES_MAX = 0xffff;
const UNIX = 3;
const MAX_32 = 0xffffffff;

/** All entries of an open zip file. Errors: `FetchError`. */
export function readZipDirectory(file: number): ZipEntry[] {
  const { offset, bytes, count } = findDirectory(file);
  if (count > ARCHIVE_ENTRIES_MAX || bytes > ZIP_DIRECTORY_BYTES_MAX) {
    throw new FetchError(`the archive has more than ${ARCHIVE_ENTRIES_MAX} entries`);
  }
  const directory = readAt(file, offset, bytes);
  const entries: ZipEntry[] = [];
  for (let at = 0; entries.length < count; ) {
    const { entry, length } = readEntry(directory, at);
    entries.push(entry);
    at += length;
  }
  return entries;
}

/** Where the packed bytes of an entry begin. */
export function dataOffset(file: number, { headerOffset }: ZipEntry): number {
  const header = viewOf(readAt(file, headerOffset, LOCAL_BYTES));
  if (header.getUint32(0, true) !== LOCAL_SIGNATURE) throw damaged();
  return headerOffset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
}

interface Directory {
  readonly offset: number;
  readonly bytes: number;
  readonly count: number;
}

function findDirectory(file: number): Directory {
  const { size } = fstatSync(file);
  const tailBytes = Math.min(size, END_BYTES + COMMENT_BYTES_MAX);
  const tail = viewOf(readAt(file, size - tailBytes, tailBytes));
  for (let at = tailBytes - END_BYTES; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END_SIGNATURE) continue;
    const end = {
      count: tail.getUint16(at + 10, true),
      bytes: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const isLarge = end.count === 0xffff || end.bytes === MAX_32 || end.offset === MAX_32;
    return isLarge ? largeDirectory(file, size - tailBytes + at) : end;
  }
  throw new FetchError("the archive is damaged, or no zip archive");
}

function largeDirectory(file: number, endOffset: number): Directory {
  const locator = viewOf(readAt(file, endOffset - 20, 20));
  if (locator.getUint32(0, true) !== END64_LOCATOR_SIGNATURE) throw damaged();
  const end = viewOf(readAt(file, safe(locator.getBigUint64(8, true)), 56));
  if (end.getUint32(0, true) !== END64_SIGNATURE) throw damaged();
  return {
    count: safe(end.getBigUint64(32, true)),
    bytes: safe(end.getBigUint64(40, true)),
    offset: safe(end.getBigUint64(48, true)),
  };
}

function readEntry(
  directory: Uint8Array,
  at: number,
): { readonly entry: ZipEntry; readonly length: number } {
  if (at + ENTRY_BYTES > directory.length) throw damaged();
  const view = viewOf(directory.subarray(at));
  if (view.getUint32(0, true) !== ENTRY_SIGNATURE) throw damaged();
  const nameBytes = view.getUint16(28, true);
  const extraBytes = view.getUint16(30, true);
  const length = ENTRY_BYTES + nameBytes + extraBytes + view.getUint16(32, true);
  if (at + length > directory.length) throw damaged();
  const nameAt = at + ENTRY_BYTES;
  const extra = directory.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
  const sizes = withLargeSizes(extra, {
    bytes: view.getUint32(24, true),
    packedBytes: view.getUint32(20, true),
    headerOffset: view.getUint32(42, true),
  });
  const isUnix = view.getUint8(5) === UNIX;
  const entry: ZipEntry = {
    ...sizes,
    path: utf8(directory.subarray(nameAt, nameAt + nameBytes)),
    method: view.getUint16(10, true),
    isEncrypted: (view.getUint16(8, true) & 1) !== 0,
    crc: view.getUint32(16, true),
    unixMode: isUnix ? view.getUint32(38, true) >>> 16 : undefined,
  };
  return { entry, length };
}

interface Sizes {
  readonly bytes: number;
  readonly packedBytes: number;
  readonly headerOffset: number;
}

/** Sizes that do not fit stand in an extra field, in this order, each only when it is needed. */
function withLargeSizes(extra: Uint8Array, short: Sizes): Sizes {
  const field = viewOf(extraField(extra, 1));
  let at = 0;
  const large = (value: number): number => {
    if (value !== MAX_32) return value;
    if (at + 8 > field.byteLength) throw damaged();
    at += 8;
    return safe(field.getBigUint64(at - 8, true));
  };
  return {
    bytes: large(short.bytes),
    packedBytes: large(short.packedBytes),
    headerOffset: large(short.headerOffset),
  };
}

function extraField(extra: Uint8Array, id: number): Uint8Array {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== id) continue;
    return extra.subarray(at + 4, at + 4 + view.getUint16(at + 2, true));
  }
  return new Uint8Array();
}

function readAt(file: number, position: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let done = 0;
  while (position >= 0 && done < count) {
    const read = readSync(file, bytes, done, count - done, position + done);
    if (read === 0) break;
    done += read;
  }
  if (done < count) throw damaged();
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged();
  return Number(value);
}

function damaged(): FetchError {
  return new FetchError("the archive is damaged (its table of contents)");
}
