/**
 * better-sqlite3 behind the seam of base/ports.ts, for runtimes without an engine of their own.
 * Facts about the engine: reference/stack.md §3.
 */
import type { Database } from "better-sqlite3";
import type { SqlOpen, SqlValue } from "../base/ports.ts";
import { type NativeStatement, StatementConnection } from "./sqlite-connection.ts";

/** Loads the engine; rejects where its addon does not load, as in the compiled binary. */
export async function loadBetterSqlite(): Promise<SqlOpen> {
  const { default: BetterSqlite } = await import("better-sqlite3");
  return (path) => {
    // The caller sets its own busy timeout; the engine's default of 5 s would delay its refusal.
    const database = new BetterSqlite(path, { timeout: 0 });
    return new StatementConnection({
      prepare: (sql) => prepare(database, sql),
      close: () => {
        database.close();
      },
    });
  };
}

function prepare(database: Database, sql: string): NativeStatement {
  const statement = database.prepare<(SqlValue | bigint)[], unknown>(sql);
  return {
    isReader: statement.reader,
    all: (parameters) => statement.all(...parameters.map(toNative)),
    run: (parameters) => statement.run(...parameters.map(toNative)),
    iterate: (parameters) => statement.iterate(...parameters.map(toNative)),
    finalize: () => {
      // The engine finalises a statement when it is collected, and all of them on close.
    },
  };
}

/** The engine binds every number as REAL; only a bigint arrives as the INTEGER it is. */
function toNative(value: SqlValue): SqlValue | bigint {
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
}
