/**
 * One SQLite file that belongs to this process alone: checked when it is opened, migrated forward,
 * durable when a call returns (WAL, synchronous=FULL), with a bounded log (DESIGN §5, stack.md §3).
 */
import { type Compilable, Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import type { Log, SqlConnection, SqlOpen, SqlStatement, SqlValue } from "../base/ports.ts";
import { DatabaseError, toDatabaseError } from "./database-error.ts";
import { connectionDialect } from "./dialect.ts";
import { createPrivateFile, fileBytes, lockHolder, makePrivate, replaceFile } from "./files.ts";
import {
  assertIntact,
  assertKnownVersion,
  type DatabaseName,
  damaged,
  notADatabase,
  readVersion,
} from "./identity.ts";
import { WAL_BYTES_MAX } from "./limits.ts";
import { type Migration, migrate } from "./migrate.ts";
import { makeDurable, takeExclusively } from "./pragma.ts";
import { undoTransaction } from "./undo.ts";

export interface OpenDatabaseOptions {
  /** The file. Its folder is made (0700) when missing, its parents with the usual rights. */
  readonly path: string;
  /** The engine, from `platform/sqlite.ts`. */
  readonly open: SqlOpen;
  /** All migrations ever, oldest first. */
  readonly migrations: readonly Migration[];
  readonly log: Log;
  /** What kind of file it is; one of another kind is refused. */
  readonly name: DatabaseName;
}

/**
 * Opens or creates the file, takes it for this process, checks and migrates it. Rejects with
 * `DatabaseError`: `locked`, `foreign`, `newer`, `damaged`, `full`, `unwritable`, `io`. The cost is
 * one read of the whole file.
 */
export async function openDatabase<Schema>(
  options: OpenDatabaseOptions,
): Promise<Database<Schema>> {
  const { path, open, name, migrations, log } = options;
  let connection: SqlConnection | undefined;
  try {
    createPrivateFile(path);
    connection = open(path);
    takeExclusively(connection);
    const version = readVersion(connection, path, name);
    assertKnownVersion(path, version, migrations.length);
    if (version > 0) assertIntact(connection, path);
    makePrivate(path);
    makeDurable(connection);
    await migrate({ path, name, migrations, version, connection, log });
    return new Database<Schema>(path, connection, log);
  } catch (error) {
    connection?.close();
    throw explainOpening(error, path);
  }
}

/**
 * An open file. `prepare` and `transaction` are the hot path; `query` builds typed queries, which
 * `all` runs at once and `execute()` as a promise. One owner; nothing here may be called re-entrantly.
 */
export class Database<Schema> {
  readonly path: string;
  /** Each query is a statement of its own; its transactions refuse (see `transaction`). */
  readonly query: Kysely<Schema>;
  readonly #connection: SqlConnection;
  readonly #log: Log;
  readonly #begin: SqlStatement;
  readonly #commit: SqlStatement;
  #isInTransaction = false;
  #isClosed = false;

  /** Takes over a checked connection; use `openDatabase`. */
  constructor(path: string, connection: SqlConnection, log: Log) {
    this.path = path;
    this.#connection = connection;
    this.#log = log;
    this.#begin = connection.prepare("BEGIN IMMEDIATE");
    this.#commit = connection.prepare("COMMIT");
    const dialect = connectionDialect(connection, path, () => this.#boundWal());
    this.query = new Kysely<Schema>({ dialect });
  }

  /** A prepared statement; its calls throw what the engine throws unless inside `transaction`. */
  prepare(sql: string): SqlStatement {
    return this.#guard(() => this.#connection.prepare(sql));
  }

  /** Runs a query built with `query` now and returns its rows. */
  all<Row>(query: Compilable<Row>): readonly Row[] {
    const { sql, parameters } = query.compile();
    return this.#guard(
      () => this.#connection.prepare(sql).all(parameters as readonly SqlValue[]) as Row[],
    );
  }

  /**
   * Runs `work` as one transaction: all of it is on the disk when this returns, none of it when it
   * throws. `work` must not wait and must not start another. Throws what `work` throws; the
   * engine's errors as `DatabaseError`.
   */
  transaction<T>(work: () => T): T {
    assert(!this.#isInTransaction, "a database transaction is started inside another");
    this.#isInTransaction = true;
    try {
      const result = this.#guard(() => this.#runTransaction(work));
      this.#boundWal();
      return result;
    } finally {
      this.#isInTransaction = false;
    }
  }

  /** Size on the disk now, log included. */
  fileBytes(): number {
    return fileBytes(this.path) + fileBytes(`${this.path}-wal`);
  }

  /** A consistent copy of it as one file, in place of what is at `path`. */
  copyTo(path: string): void {
    this.#guard(() =>
      replaceFile(path, (partial) => this.#connection.prepare("VACUUM INTO ?").run([partial])),
    );
  }

  /** Moves the whole log into the file and leaves the log empty. */
  emptyWal(): void {
    this.#guard(() => this.#connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all([]));
  }

  /** Releases the file. A second call does nothing; any other call then throws `closed`. */
  close(): void {
    if (this.#isClosed) return;
    assert(!this.#isInTransaction, "a database is closed inside a transaction");
    this.#isClosed = true;
    this.#connection.close();
  }

  #runTransaction<T>(work: () => T): T {
    this.#begin.run([]);
    try {
      const result = work();
      assert(!(result instanceof Promise), "a database transaction waits for a promise");
      this.#commit.run([]);
      return result;
    } catch (error) {
      undoTransaction(this.#connection, this.path, this.#log);
      throw error;
    }
  }

  /** SQLite empties the log in passing; this cuts it after a transaction that was larger. */
  #boundWal(): void {
    if (fileBytes(`${this.path}-wal`) <= WAL_BYTES_MAX) return;
    try {
      this.emptyWal();
    } catch (error) {
      // What was committed is safe in the log; the next transaction tries again.
      this.#log.write("warning", "database log could not be emptied", { path: this.path, error });
    }
  }

  #guard<T>(work: () => T): T {
    if (this.#isClosed) throw new DatabaseError("closed", `${this.path} is closed`);
    try {
      return work();
    } catch (error) {
      throw toDatabaseError(error, this.path);
    }
  }
}

/** Says what to do about the failures that only opening meets. */
export function explainOpening(error: unknown, path: string): unknown {
  const failure = toDatabaseError(error, path);
  if (!(failure instanceof DatabaseError) || failure === error) return failure;
  if (failure.code === "locked") {
    const holder = lockHolder(path);
    const who = holder === undefined ? "another process" : `another process (pid ${holder})`;
    return new DatabaseError(
      "locked",
      `${path} is in use by ${who}; stop that process, or give this one another --work_dir`,
      error,
    );
  }
  if (failure.code === "foreign") {
    return notADatabase(path, error);
  }
  return failure.code === "damaged" ? damaged(path, failure.message, error) : failure;
}
