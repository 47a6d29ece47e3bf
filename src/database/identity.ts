/**
 * Whose file this is and whether it can be trusted: application id, schema version, integrity. All
 * checks only read, so a file that is refused is left as it was found.
 */
import type { SqlConnection } from "../base/ports.ts";
import { DatabaseError } from "./database-error.ts";
import { backupPath, backupsOf } from "./files.ts";
import { DAMAGE_REPORTS_MAX } from "./limits.ts";
import { readPragma } from "./pragma.ts";

/** The kinds of file we write; the kind is in the header, so that no file is taken for another. */
export type DatabaseName = "registry" | "checkpoint";

/** SQLite's `application_id` per kind: "alr" and "alc" in ASCII, then a format number. */
export const APPLICATION_IDS: Readonly<Record<DatabaseName, number>> = {
  registry: 0x616c7201,
  checkpoint: 0x616c6301,
};

/** Reads the schema version: 0 for a file that is still empty. Throws `foreign`. */
export function readVersion(connection: SqlConnection, path: string, name: DatabaseName): number {
  const applicationId = readPragma(connection, "application_id");
  const version = Number(readPragma(connection, "user_version"));
  if (applicationId === APPLICATION_IDS[name]) return version;
  if (applicationId === 0 && version === 0 && isEmpty(connection)) return 0;
  throw new DatabaseError(
    "foreign",
    `${path} is ${describe(applicationId)}, not the ${name} of allot; choose another --work_dir, or move the file away`,
  );
}

/** Throws `newer` when the file's version is above what this program knows. */
export function assertKnownVersion(path: string, version: number, knownVersion: number): void {
  if (version <= knownVersion) return;
  const backup = backupsOf(path).find((file) => file === backupPath(path, knownVersion));
  const otherwise =
    backup === undefined
      ? "or move the file away to start without it"
      : `or restore ${backup} in its place, which loses what was written since`;
  throw new DatabaseError(
    "newer",
    `${path} was written by a newer allot (schema version ${version}, this one knows up to ${knownVersion}); start the newer allot, ${otherwise}`,
  );
}

/**
 * Reads the whole file; thoroughly, indexes are compared with their tables too. Throws `damaged`,
 * saying what is and what to restore.
 */
export function assertIntact(
  connection: SqlConnection,
  path: string,
  check: "quick_check" | "integrity_check" = "quick_check",
): void {
  const reports = connection
    .prepare(`PRAGMA ${check}(${DAMAGE_REPORTS_MAX})`)
    .all([])
    .map((row) => Object.values(row as Record<string, unknown>).join(" "));
  if (reports.length === 1 && reports[0] === "ok") return;
  throw damaged(path, reports.join("; "));
}

/** The error for content that cannot be trusted, with what to restore. */
export function damaged(path: string, what: string, cause?: unknown): DatabaseError {
  const message = `${path} is damaged: ${what}; ${restoring(path)}, or move it away to start without it`;
  return new DatabaseError("damaged", message, cause);
}

/** The error for a file that SQLite does not recognise: a foreign one, or ours without its head. */
export function notADatabase(path: string, cause: unknown): DatabaseError {
  const message = `${path} is not a SQLite database, or its first page is destroyed; choose another --work_dir, or ${restoring(path)}`;
  return new DatabaseError("foreign", message, cause);
}

function restoring(path: string): string {
  return `restore ${backupsOf(path)[0] ?? "a copy of it"} in its place and remove its -wal file`;
}

function isEmpty(connection: SqlConnection): boolean {
  return connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").all([]).length === 0;
}

function describe(applicationId: unknown): string {
  for (const [name, id] of Object.entries(APPLICATION_IDS)) {
    if (id === applicationId) return `the ${name} of allot`;
  }
  return "a database of another program";
}
