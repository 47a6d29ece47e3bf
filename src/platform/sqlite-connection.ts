/**
 * The part of a SQLite connection that is the same for every engine: the statement cache, the
 * checks of sqlite-rules.ts, and the rule that nothing else runs while an iterator is open.
 */
import type { SqlConnection, SqlStatement, SqlValue } from "../base/ports.ts";
import { assertParameters, assertPortable, checkRow } from "./sqlite-rules.ts";

/**
 * Statements kept prepared per connection. Ours are a few dozen; the bound is for queries whose
 * text varies, as lists of ids do.
 */
const CACHED_STATEMENTS_MAX = 256;

/** A statement as the engine has it. */
export interface NativeStatement {
  readonly isReader: boolean;
  all(parameters: readonly SqlValue[]): unknown[];
  run(parameters: readonly SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
  iterate(parameters: readonly SqlValue[]): IterableIterator<unknown>;
  /** Frees it at once; it is not used afterwards. */
  finalize(): void;
}

/** A database as the engine has it. */
export interface NativeDatabase {
  prepare(sql: string): NativeStatement;
  close(): void;
}

/**
 * A connection over an engine. `all` and `iterate` refuse statements without rows; every use after
 * `close` throws. Statements may be kept by the caller: one that fell out of the cache is prepared
 * anew when it is used.
 */
export class StatementConnection implements SqlConnection {
  readonly #database: NativeDatabase;
  /** By SQL text, oldest first. */
  readonly #prepared: Map<string, NativeStatement> = new Map();
  /** Ends the iterator that is open, if one is. */
  #endIterator: (() => void) | undefined;
  #isClosed = false;

  constructor(database: NativeDatabase) {
    this.#database = database;
  }

  prepare(sql: string): SqlStatement {
    const reader = this.#native(sql).isReader;
    return {
      reader,
      all: (parameters) => {
        assertReader(reader, sql);
        assertParameters(parameters);
        const rows = this.#native(sql).all(parameters);
        for (const row of rows) checkRow(row);
        return rows;
      },
      run: (parameters) => {
        assertParameters(parameters);
        return this.#native(sql).run(parameters);
      },
      iterate: (parameters) => {
        assertReader(reader, sql);
        assertParameters(parameters);
        return this.#iterate(sql, parameters);
      },
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#endIterator?.();
    for (const statement of this.#prepared.values()) statement.finalize();
    this.#prepared.clear();
    this.#database.close();
    this.#isClosed = true;
  }

  #native(sql: string): NativeStatement {
    this.#assertUsable();
    const cached = this.#prepared.get(sql);
    if (cached !== undefined) return cached;
    assertPortable(sql);
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    this.#dropOldest();
    return statement;
  }

  #dropOldest(): void {
    if (this.#prepared.size <= CACHED_STATEMENTS_MAX) return;
    for (const [sql, statement] of this.#prepared) {
      this.#prepared.delete(sql);
      statement.finalize();
      return;
    }
  }

  /** Steps a statement of its own, so that the cached one stays free and an early end frees it. */
  *#iterate(sql: string, parameters: readonly SqlValue[]): IterableIterator<unknown> {
    this.#assertUsable();
    const statement = this.#database.prepare(sql);
    const rows = statement.iterate(parameters);
    const end = (): void => {
      rows.return?.();
      statement.finalize();
      this.#endIterator = undefined;
    };
    this.#endIterator = end;
    try {
      for (const row of rows) yield checkRow(row);
    } finally {
      // Closing the connection may have ended it already.
      if (this.#endIterator === end) end();
    }
  }

  #assertUsable(): void {
    if (this.#isClosed) throw new TypeError("the database connection is closed");
    if (this.#endIterator !== undefined) {
      throw new TypeError("the database connection is busy: an iterator over rows is still open");
    }
  }
}

function assertReader(isReader: boolean, sql: string): void {
  if (!isReader) throw new TypeError(`the statement returns no rows; use run: ${sql}`);
}
