/** Shared by the tests of everything that lives in a database file: folders, logs, engines. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Log, LogLevel, SqlOpen } from "../../src/base/ports.ts";
import { DatabaseError } from "../../src/database/database-error.ts";
import { loadBetterSqlite } from "../../src/platform/sqlite-better.ts";
import { loadBunSqlite } from "../../src/platform/sqlite-bun.ts";

/** Both engines, for `describe.each`. */
export const ENGINES: readonly (readonly [string, () => Promise<SqlOpen>])[] = [
  ["bun:sqlite", loadBunSqlite],
  ["better-sqlite3", loadBetterSqlite],
];

/** A folder of its own under the system's temporary one; removed with all its content. */
export class TempFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), "allot-database-"));

  file(name: string): string {
    return join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Keeps what is logged. */
export class MemoryLog implements Log {
  readonly lines: string[] = [];

  write(level: LogLevel, message: string): void {
    this.lines.push(`${level} ${message}`);
  }
}

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  nextTurn: (callback) => void setImmediate(callback),
};

/** An engine that gives each file at most `pages` pages, so that the disk is full when it likes. */
export function withPagesMax(open: SqlOpen, pages: number): SqlOpen {
  return (path) => {
    const connection = open(path);
    connection.prepare(`PRAGMA max_page_count = ${pages}`).all([]);
    return connection;
  };
}

/** The `DatabaseError` that `promise` rejects with; throws when it does otherwise. */
export async function databaseError(promise: Promise<unknown>): Promise<DatabaseError> {
  const outcome = await promise.then(
    () => new Error("nothing was refused"),
    (error: unknown) => error,
  );
  if (outcome instanceof DatabaseError) return outcome;
  throw outcome;
}
