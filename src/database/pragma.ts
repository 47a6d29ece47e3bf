/** SQLite's settings: reading one, and the set that every database file of ours runs with. */
import { assert } from "../base/assert.ts";
import type { SqlConnection } from "../base/ports.ts";
import { BUSY_TIMEOUT_MS, WAL_AUTOCHECKPOINT_PAGES, WAL_BYTES_MAX } from "./limits.ts";

/** The value of a setting that is one number or word. */
export function readPragma(connection: SqlConnection, name: string): unknown {
  const [row] = connection.prepare(`PRAGMA ${name}`).all([]);
  return Object.values((row ?? {}) as Record<string, unknown>)[0];
}

/**
 * Takes the file for this process alone and holds it until close. Two processes would each keep
 * their own state in memory and overwrite the other's. Throws the engine's `SQLITE_BUSY`.
 */
export function takeExclusively(connection: SqlConnection): void {
  apply(connection, `busy_timeout = ${BUSY_TIMEOUT_MS}`);
  apply(connection, "locking_mode = EXCLUSIVE");
  // In this mode a lock once taken stays; an empty transaction takes it without writing.
  connection.prepare("BEGIN EXCLUSIVE").run([]);
  connection.prepare("COMMIT").run([]);
}

/** Makes a returned commit mean that the data is on the disk, and bounds the log it is written to. */
export function makeDurable(connection: SqlConnection): void {
  apply(connection, "journal_mode = WAL");
  assert(readPragma(connection, "journal_mode") === "wal", "the write-ahead log is not in use");
  apply(connection, "synchronous = FULL");
  apply(connection, "foreign_keys = ON");
  apply(connection, `wal_autocheckpoint = ${WAL_AUTOCHECKPOINT_PAGES}`);
  apply(connection, `journal_size_limit = ${WAL_BYTES_MAX}`);
  // Finds a broken page when it is first read instead of when it has spread.
  apply(connection, "cell_size_check = ON");
  apply(connection, "trusted_schema = OFF");
}

function apply(connection: SqlConnection, setting: string): void {
  connection.prepare(`PRAGMA ${setting}`).run([]);
}
