/** The way out of a transaction that failed. */
import type { Log, SqlConnection } from "../base/ports.ts";

/** Rolls back, so that the error which led here stays the one that is reported. */
export function undoTransaction(connection: SqlConnection, path: string, log: Log): void {
  try {
    connection.prepare("ROLLBACK").run([]);
  } catch (error) {
    // After some failures, as a full disk, SQLite has rolled back by itself and refuses to again.
    log.write("debug", "transaction was already rolled back", { path, error });
  }
}
