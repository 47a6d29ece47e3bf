/**
 * One header block of a tar archive, in the dialects in use: v7, ustar, GNU and pax.
 * Source: POSIX.1-2017 pax (ustar and pax interchange formats); GNU tar manual, "Basic Tar Format".
 */
import { FetchError } from "./fetch-error.ts";

export const BLOCK_BYTES = 512;

export interface TarHeader {
  readonly path: string;
  /**
   * The type flag, "0" for every kind of file. A v7 folder is a file whose name ends with a slash, its
   * whole name: this one may be cut off where another header has the rest.
   */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly modifiedSeconds: number;
  readonly linkTarget: string;
}

const OFFSET = {
  path: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  modified: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 6],
  prefix: [345, 155],
} as const;

/** The header in a block; undefined for the zeros that end an archive. Errors: `FetchError`. */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (!isChecksumRight(block)) throw new FetchError("the archive is damaged, or no tar archive");
  const isPosix = text(block, "magic") === "ustar";
  const prefix = isPosix ? text(block, "prefix") : "";
  const name = text(block, "path");
  const path = prefix === "" ? name : `${prefix}/${name}`;
  const flag = String.fromCharCode(block[OFFSET.type[0]] ?? 0);
  const isFile = flag === "\0" || flag === "0" || flag === "7";
  return {
    path,
    type: isFile ? "0" : flag,
    mode: numberIn(block, "mode"),
    uid: numberIn(block, "uid"),
    gid: numberIn(block, "gid"),
    size: numberIn(block, "size"),
    modifiedSeconds: numberIn(block, "modified"),
    linkTarget: text(block, "link"),
  };
}

/** The records of a pax header: `<length> <key>=<value>` and a line feed each. */
export function parsePaxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(utf8(bytes.subarray(at, Math.max(at, space))));
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const isWhole = Number.isInteger(length) && length > 0 && at + length <= bytes.length;
    if (space < 0 || !isWhole || equals < 0) {
      throw new FetchError("the archive has a damaged extended header");
    }
    records.set(utf8(record.subarray(0, equals)), utf8(record.subarray(equals + 1)));
    at += length;
  }
  return records;
}

/** Text up to the first zero. Errors: `FetchError` when it is not UTF-8. */
export function utf8(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      end < 0 ? bytes : bytes.subarray(0, end),
    );
  } catch {
    throw new FetchError("the archive has a name that is not UTF-8");
  }
}

function text(block: Uint8Array, field: keyof typeof OFFSET): string {
  const [start, length] = OFFSET[field];
  return utf8(block.subarray(start, start + length)).trimEnd();
}

/** Octal digits, or with the first bit set a binary number, as GNU tar writes large ones. */
function numberIn(block: Uint8Array, field: keyof typeof OFFSET): number {
  const [start, length] = OFFSET[field];
  const bytes = block.subarray(start, start + length);
  const first = bytes[0] ?? 0;
  let value = 0;
  if ((first & 0x80) !== 0) {
    if (first === 0xff) return 0; // A time before 1970; sizes and modes are never negative.
    for (const [index, byte] of bytes.entries())
      value = value * 256 + (index === 0 ? byte & 0x7f : byte);
  } else {
    const digits = /^[\s\0]*([0-7]*)/.exec(String.fromCharCode(...bytes))?.[1] ?? "";
    value = digits === "" ? 0 : Number.parseInt(digits, 8);
  }
  if (Number.isSafeInteger(value)) return value;
  throw new FetchError(`the archive has a number that is too large (${field})`);
}

/** The sum of all bytes, with the checksum's own place counted as blanks. */
function isChecksumRight(block: Uint8Array): boolean {
  const [start, length] = OFFSET.checksum;
  let unsigned = 0;
  let signed = 0;
  for (const [index, byte] of block.entries()) {
    const counted = index >= start && index < start + length ? 0x20 : byte;
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  const told = numberIn(block, "checksum");
  return told === unsigned || told === signed;
}
