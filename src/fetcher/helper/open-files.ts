/** Reading and writing whole files in pieces, by descriptor. */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CHUNK_BYTES } from "../limits.ts";
import { FetchError, reasonOf } from "./fetch-error.ts";

/** Opens a plain file; pipes and devices would block or never end. Errors: `FetchError`. */
export function openPlainFile(path: string, shown: string): { file: number; bytes: number } {
  let file: number;
  try {
    const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
    file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    throw new FetchError(`Failed to fetch ${shown}: ${reasonOf(error)}`);
  }
  const stat = fstatSync(file);
  if (stat.isFile()) return { file, bytes: stat.size };
  closeSync(file);
  throw new FetchError(`Failed to fetch ${shown}: it is no plain file`);
}

/** The bytes of an open file from `start`, with turns of the loop in between. */
export async function* chunksOf(
  file: number,
  start: number = 0,
  end: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - at));
    const count = readSync(file, buffer, 0, buffer.length, at);
    if (count === 0) return;
    at += count;
    yield buffer.subarray(0, count);
    await nextTurn();
  }
}

/** Writes all of it; a system call may take less. */
export function writeAll(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length; ) {
    const at = position === null ? null : position + done;
    done += writeSync(file, bytes, done, bytes.length - done, at);
  }
}
