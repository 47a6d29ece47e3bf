/**
 * Kysely over a `SqlConnection`. Each query runs at once and alone, so none waits for another;
 * transactions that wait between statements do not exist, because they would hold up the hot path.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { SqlConnection, SqlValue } from "../base/ports.ts";
import { DatabaseError, toDatabaseError } from "./database-error.ts";

/** A dialect for the file at `path`; `afterWrite` runs after each statement that returns no rows. */
export function connectionDialect(
  connection: SqlConnection,
  path: string,
  afterWrite: () => void,
): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driverFor(connection, path, afterWrite),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function driverFor(connection: SqlConnection, path: string, afterWrite: () => void): Driver {
  const session: DatabaseConnection = {
    executeQuery: async (query) => execute(connection, path, query, afterWrite),
    streamQuery: () => {
      throw new DatabaseError(
        "failed",
        `${path}: a streamed query would hold the connection between rows; read in pages by key`,
      );
    },
  };
  const refuseTransaction = async (): Promise<never> => {
    throw new DatabaseError(
      "failed",
      `${path}: a transaction that waits would block every writer; use Database.transaction`,
    );
  };
  return {
    init: async () => {},
    acquireConnection: async () => session,
    releaseConnection: async () => {},
    beginTransaction: refuseTransaction,
    commitTransaction: refuseTransaction,
    rollbackTransaction: refuseTransaction,
    destroy: async () => {},
  };
}

function execute<Row>(
  connection: SqlConnection,
  path: string,
  query: CompiledQuery,
  afterWrite: () => void,
): QueryResult<Row> {
  try {
    const statement = connection.prepare(query.sql);
    // The connection checks every value it binds.
    const parameters = query.parameters as readonly SqlValue[];
    if (statement.reader) return { rows: statement.all(parameters) as Row[] };
    const { changes, lastInsertRowid } = statement.run(parameters);
    afterWrite();
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  } catch (error) {
    throw toDatabaseError(error, path);
  }
}
