/**
 * Brings a file forward to the newest schema. Migrations are a static list; a file of version N has
 * seen the first N. Each runs in its own transaction, and a copy of the old file is kept beside.
 */
import { Kysely } from "kysely";
import type { Log, SqlConnection } from "../base/ports.ts";
import { DatabaseError, toDatabaseError } from "./database-error.ts";
import { connectionDialect } from "./dialect.ts";
import { backupPath, replaceFile } from "./files.ts";
import { APPLICATION_IDS, type DatabaseName } from "./identity.ts";
import { undoTransaction } from "./undo.ts";

/** One step of the schema. Once released, it never changes: mend it with a further one. */
export interface Migration {
  /** Says what it does, for the log, as `agents get a position`. */
  readonly name: string;
  /** Runs in a transaction; must use only what it is given, and wait for nothing else. */
  up(database: Kysely<unknown>): Promise<void>;
}

export interface MigrateOptions {
  readonly path: string;
  readonly name: DatabaseName;
  readonly migrations: readonly Migration[];
  /** Schema version the file has now. */
  readonly version: number;
  readonly connection: SqlConnection;
  readonly log: Log;
}

/**
 * Applies the migrations the file has not seen. Before the first of them, a file that holds
 * something is copied to `<file>.v<version>.backup`. After a failure the file is at the last version
 * that succeeded, and `DatabaseError` names the step that did not.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const { path, version, migrations, log } = options;
  if (version === migrations.length) return;
  if (version > 0) {
    backUp(options);
    log.write("info", "database is migrated", { path, from: version, to: migrations.length });
  }
  for (const [index, migration] of migrations.entries()) {
    if (index >= version) await migrateOnce(options, migration, index + 1);
  }
}

async function migrateOnce(
  options: MigrateOptions,
  migration: Migration,
  version: number,
): Promise<void> {
  const { path, name, connection } = options;
  connection.prepare("BEGIN IMMEDIATE").run([]);
  try {
    // Knows no tables: a migration speaks of the schema of its own time, not of today's.
    const dialect = connectionDialect(connection, path, () => {});
    await migration.up(new Kysely<unknown>({ dialect }));
    connection.prepare(`PRAGMA user_version = ${version}`).run([]);
    connection.prepare(`PRAGMA application_id = ${APPLICATION_IDS[name]}`).run([]);
    connection.prepare("COMMIT").run([]);
  } catch (error) {
    undoTransaction(connection, path, options.log);
    const cause = toDatabaseError(error, path);
    const code = cause instanceof DatabaseError ? cause.code : "failed";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseError(
      code,
      `${path}: migration ${version} (${migration.name}) failed and was undone: ${reason}`,
      error,
    );
  }
}

function backUp(options: MigrateOptions): void {
  const { path, version, connection, log } = options;
  const copy = backupPath(path, version);
  replaceFile(copy, (partialPath) => connection.prepare("VACUUM INTO ?").run([partialPath]));
  log.write("info", "database is copied before its migration", { path, copy });
}
