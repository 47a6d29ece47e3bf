/**
 * The file system around a database: a private folder and file, names that survive a power cut, and
 * the process that holds a file locked.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { LOCK_TABLE_BYTES_MAX } from "./limits.ts";

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** Makes the file's folder (0700) and the empty file (0600) unless they are there; all durable. */
export function createPrivateFile(path: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) {
    const parent = dirname(folder);
    mkdirSync(parent, { recursive: true });
    mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER });
    syncPath(parent);
  }
  if (existsSync(path)) return;
  closeSync(openSync(path, "a", PRIVATE_FILE));
  syncPath(folder);
}

/** Takes the file away from everyone but its owner. */
export function makePrivate(path: string): void {
  chmodSync(path, PRIVATE_FILE);
}

/** Size in bytes; 0 when there is no such file. */
export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Has `write` fill a file beside `path` and then puts it in the place of `path`, so that `path` is
 * at no time incomplete. Durable on return.
 */
export function replaceFile(path: string, write: (partialPath: string) => void): void {
  const partialPath = `${path}.partial`;
  rmSync(partialPath, { force: true });
  closeSync(openSync(partialPath, "wx", PRIVATE_FILE));
  write(partialPath);
  syncPath(partialPath);
  renameSync(partialPath, path);
  syncPath(dirname(path));
}

/** The copy made before a file of schema `version` was migrated. */
export function backupPath(path: string, version: number): string {
  return `${path}.v${version}.backup`;
}

/** Backups beside the file, newest version first. */
export function backupsOf(path: string): readonly string[] {
  const prefix = `${basename(path)}.v`;
  const versionOf = (name: string): number => Number.parseInt(name.slice(prefix.length), 10);
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d+\.backup$/.test(name.slice(prefix.length)))
    .sort((left, right) => versionOf(right) - versionOf(left))
    .map((name) => join(dirname(path), name));
}

/**
 * The process that holds SQLite's lock on the file, read from the kernel's table of locks;
 * undefined where there is no such table or the holder lives in another container.
 */
export function lockHolder(path: string): number | undefined {
  try {
    const { ino } = statSync(path);
    const table = readFileSync("/proc/locks", "utf8").slice(0, LOCK_TABLE_BYTES_MAX);
    for (const line of table.split("\n")) {
      const [, type, , access, pid, inode, start] = line.trim().split(/\s+/);
      const isOurs = inode?.endsWith(`:${ino}`) && Number(start) >= SQLITE_LOCK_OFFSET;
      if (type === "POSIX" && access === "WRITE" && isOurs && Number(pid) > 0) return Number(pid);
    }
    return undefined;
  } catch {
    // Only a help for the reader of a message: without it, the message is still right.
    return undefined;
  }
}

/** SQLite locks bytes from here on (`PENDING_BYTE` in its file format). */
const SQLITE_LOCK_OFFSET = 0x40000000;

function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
