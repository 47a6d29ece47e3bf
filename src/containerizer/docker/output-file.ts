/**
 * One of the two files of a container's output, and what of the log is in it. When it is too large it
 * becomes `stdout.1`, that one `stdout.2` and so on, of which only the newest stay: the agent alone
 * writes it, so that nothing is lost whatever the file system can do. Source: semantics 7.9.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { putFolderAside } from "../posix/put-aside.ts";
import { isAbsence } from "../system-errors.ts";
import type { LogMessage } from "./log-frames.ts";
import type { OutputPosition } from "./log-position.ts";

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

export class OutputFile {
  readonly #path: string;
  #file: number;
  /** What is in the file for good. */
  #position: OutputPosition;
  /** The same once everything that waits is written. */
  #ahead: OutputPosition;
  /** Messages of the position's time that a new stream will tell again. */
  #repeats = 0;
  /** Bytes of messages to come that are in the file already. */
  #surplus = 0;
  #waiting: Uint8Array[] = [];
  /** Bytes of the file before it is tried again after a failure. */
  #retryBytes = 0;

  /** Throws what the system throws. */
  constructor(path: string, position: OutputPosition) {
    this.#path = path;
    // The sandbox is the task's: no link or pipe of its making is written to.
    this.#file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
    const stat = fstatSync(this.#file);
    if (!stat.isFile() || stat.nlink > 1) {
      closeSync(this.#file);
      throw new Error(`${path} is no file of its own`);
    }
    const isNew = position.time === "" && position.fileBytes === 0;
    // A shorter one was begun anew just before the agent ended.
    const fileBytes = isNew ? stat.size : Math.min(position.fileBytes, stat.size);
    this.#position = { ...position, fileBytes };
    this.#ahead = this.#position;
  }

  get position(): OutputPosition {
    return this.#position;
  }

  /** A stream begins at the position's time. */
  resume(): void {
    this.#waiting = [];
    this.#ahead = this.#position;
    this.#repeats = this.#position.count;
    // Whatever is there beyond the position was written when the copy was last interrupted.
    this.#surplus = Math.max(0, fstatSync(this.#file).size - this.#position.fileBytes);
  }

  /** False for a message that is in the file already. */
  take({ time, bytes }: LogMessage): boolean {
    const { time: lastTime, count } = this.#ahead;
    if (time < this.#position.time) return false;
    if (time === this.#position.time && this.#repeats > 0) {
      this.#repeats -= 1;
      return false;
    }
    this.#ahead = { ...this.#ahead, time, count: time === lastTime ? count + 1 : 1 };
    const skipped = Math.min(this.#surplus, bytes.length);
    this.#surplus -= skipped;
    if (skipped < bytes.length) this.#waiting.push(bytes.subarray(skipped));
    return true;
  }

  /** Writes what was taken. Throws what the system throws; the file then holds a part. */
  flush(): void {
    let data: Uint8Array = Buffer.concat(this.#waiting);
    while (data.length > 0) data = data.subarray(writeSync(this.#file, data));
    this.#waiting = [];
    this.#position = { ...this.#ahead, fileBytes: fstatSync(this.#file).size - this.#surplus };
  }

  /**
   * Begins a new file when this one has more than `maxBytes` (undefined: no bound), of which `files`
   * earlier ones stay; true when it did. Throws what the system throws, and goes on with the old one.
   */
  rotate(maxBytes: number | undefined, files: number): boolean {
    if (maxBytes === undefined) return false;
    const stat = fstatSync(this.#file);
    if (stat.size <= Math.max(maxBytes, this.#retryBytes)) return false;
    this.#retryBytes = stat.size + maxBytes;
    const next = this.#openNext(stat);
    try {
      for (let number = 1; number <= files; number += 1) putFolderAside(`${this.#path}.${number}`);
      for (let number = files - 1; number >= 1; number -= 1) {
        renameIfThere(`${this.#path}.${number}`, `${this.#path}.${number + 1}`);
      }
      // A task may have taken it away.
      if (files >= 1) renameIfThere(this.#path, `${this.#path}.1`);
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      closeSync(next);
      throw error;
    }
    closeSync(this.#file);
    this.#file = next;
    this.#retryBytes = 0;
    this.#position = { ...this.#position, fileBytes: 0 };
    this.#ahead = { ...this.#ahead, fileBytes: 0 };
    return true;
  }

  /** Never follows what a task has put there. */
  #openNext({ uid, gid, mode }: Stats): number {
    const path = `${this.#path}.new`;
    putFolderAside(path);
    rmSync(path, { force: true });
    const file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    fchownSync(file, uid, gid);
    fchmodSync(file, mode & 0o777);
    return file;
  }

  close(): void {
    closeSync(this.#file);
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}
