/**
 * Bun's built-in SQLite behind the seam of base/ports.ts. Facts about the engine:
 * reference/stack.md §3.
 */
import type { Database, Statement } from "bun:sqlite";
import type { SqlOpen, SqlValue } from "../base/ports.ts";
import { type NativeStatement, StatementConnection } from "./sqlite-connection.ts";

/** Loads the engine; rejects outside Bun. */
export async function loadBunSqlite(): Promise<SqlOpen> {
  const sqlite = await import("bun:sqlite");
  return (path) => {
    const database = new sqlite.Database(path, { readwrite: true, create: true });
    return new StatementConnection({
      prepare: (sql) => prepare(database, sql),
      // `true`: fail rather than leave a zombie that holds the file's lock until it is collected.
      close: () => database.close(true),
    });
  };
}

function prepare(database: Database, sql: string): NativeStatement {
  const statement: Statement<unknown, SqlValue[]> = database.prepare(sql);
  return {
    isReader: statement.columnNames.length > 0,
    all: (parameters) => statement.all(...parameters),
    run: (parameters) => statement.run(...parameters),
    iterate: (parameters) => statement.iterate(...parameters),
    finalize: () => statement.finalize(),
  };
}
