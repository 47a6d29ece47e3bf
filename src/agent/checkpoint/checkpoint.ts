/**
 * The agent's memory across its own death, in one SQLite file: each batch of changes is one
 * transaction that is on the disk before anyone sees its effects (DESIGN §7).
 */
import type { Log, SqlOpen } from "../../base/ports.ts";
import { type Database, openDatabase } from "../../database/database.ts";
import type { CheckpointOperation, CheckpointState } from "../core/checkpoint-state.ts";
import { readCheckpoint } from "./checkpoint-reader.ts";
import { CheckpointWriter } from "./checkpoint-writer.ts";
import { CHECKPOINT_MIGRATIONS, type CheckpointSchema } from "./schema.ts";

export interface CheckpointOptions {
  /** The file, in a folder of its own. */
  readonly path: string;
  readonly open: SqlOpen;
  readonly log: Log;
}

/** One open checkpoint. Owned by the agent's runtime; the file is locked until `close`. */
export class Checkpoint {
  readonly #database: Database<CheckpointSchema>;
  readonly #writer: CheckpointWriter;

  /** Opens or creates the file. Rejects with `DatabaseError`, as `openDatabase`. */
  static async open(options: CheckpointOptions): Promise<Checkpoint> {
    const database = await openDatabase<CheckpointSchema>({
      path: options.path,
      open: options.open,
      migrations: CHECKPOINT_MIGRATIONS,
      log: options.log,
      name: "checkpoint",
    });
    return new Checkpoint(database);
  }

  private constructor(database: Database<CheckpointSchema>) {
    this.#database = database;
    this.#writer = new CheckpointWriter(database);
  }

  /**
   * Everything on disk. Frameworks, executors and tasks come in the order they were first put,
   * updates in the order of their sequence within each task. Throws `DatabaseError` `damaged` when
   * a row cannot be read. O(rows).
   */
  load(): CheckpointState {
    return readCheckpoint(this.#database);
  }

  /**
   * Makes all operations, in order, or none of them. They are on the disk when this returns.
   * Removing what is not there does nothing; removing a task or framework leaves what belongs to it.
   * Throws `DatabaseError`: `full`, `io`, `closed`, and `constraint` when an update is appended
   * twice. The agent may then show no effect of these operations.
   */
  apply(operations: readonly CheckpointOperation[]): void {
    if (operations.length === 0) return;
    this.#database.transaction(() => {
      for (const operation of operations) this.#writer.write(operation);
    });
  }

  /** Releases the file; a second call does nothing. */
  close(): void {
    this.#database.close();
  }
}
