/** A registry in its SQLite file and in memory, and how far the log of several masters is in it. */
import { assert } from "../../base/assert.ts";
import type { Log, SqlOpen, SqlStatement } from "../../base/ports.ts";
import { type Database, openDatabase } from "../../database/database.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import type { RegistryOperation, RegistryState } from "../core/registry-state.ts";
import { RegistryRows } from "./registry-rows.ts";
import { REGISTRY_MIGRATIONS, type RegistrySchema } from "./schema.ts";

export interface RegistryFileOptions {
  /** In a folder of its own. */
  readonly path: string;
  readonly open: SqlOpen;
  readonly log: Log;
}

/** The newest entry of the shared log that the file has. */
export interface LogMark {
  /** From 1; 0: none, and the hash is empty. */
  readonly position: number;
  /** Over all entries up to there, so that two registries with one hash are the same. */
  readonly hash: string;
}

export class RegistryFile {
  readonly #database: Database<RegistrySchema>;
  readonly #rows: RegistryRows;
  readonly #putMark: SqlStatement;
  readonly #addCluster: SqlStatement;
  readonly #putCluster: SqlStatement;
  #state: RegistryState;
  #mark: LogMark;
  #cluster: string | undefined;

  /** Opens or creates the file and reads it. Rejects with `DatabaseError`, as `openDatabase`. */
  static async open({ path, open, log }: RegistryFileOptions): Promise<RegistryFile> {
    const database = await openDatabase<RegistrySchema>({
      path,
      open,
      migrations: REGISTRY_MIGRATIONS,
      log,
      name: "registry",
    });
    try {
      return new RegistryFile(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(database: Database<RegistrySchema>) {
    this.#database = database;
    this.#rows = new RegistryRows(database);
    this.#putMark = database.prepare(
      `INSERT INTO log_mark (only, position, hash) VALUES (1, ?, ?)
       ON CONFLICT (only) DO UPDATE SET position = excluded.position, hash = excluded.hash`,
    );
    this.#addCluster = database.prepare(
      "INSERT INTO cluster (only, id) VALUES (1, lower(hex(randomblob(16))))",
    );
    this.#putCluster = database.prepare(
      "INSERT INTO cluster (only, id) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET id = excluded.id",
    );
    this.#state = this.#rows.readState();
    this.#mark = this.#readMark();
    this.#cluster = this.#readCluster();
  }

  /** Which cluster's registry this is; undefined before it is the first time that of any. */
  get cluster(): string | undefined {
    return this.#cluster;
  }

  /** The same; one that has none gets an id of its own. */
  ensureCluster(): string {
    if (this.#cluster !== undefined) return this.#cluster;
    this.#database.transaction(() => this.#addCluster.run([]));
    this.#cluster = this.#readCluster();
    assert(this.#cluster !== undefined, "a registry has the id that it was just given");
    return this.#cluster;
  }

  /**
   * Equal to the file whenever no batch is under way. Whoever changes it has to `write` the changes,
   * or to `reload`.
   */
  get state(): RegistryState {
    return this.#state;
  }

  get mark(): LogMark {
    return this.#mark;
  }

  get path(): string {
    return this.#database.path;
  }

  /** One transaction: what `operations`, already applied to the state, changed; masters; the mark. */
  write(
    operations: readonly RegistryOperation[],
    { masters = [], mark }: { readonly masters?: readonly MasterInfo[]; readonly mark?: LogMark },
  ): void {
    this.#database.transaction(() => {
      this.#rows.writeTouched(this.#state, operations);
      for (const master of masters) this.#rows.writeMaster(master);
      if (mark !== undefined) this.#putMark.run([mark.position, mark.hash]);
    });
    if (mark !== undefined) this.#mark = mark;
  }

  /**
   * Of another registry: rows of these agents, in that order behind those that are there. What is in
   * memory stays as it is, for a file that is closed when it is whole.
   */
  addAgents(state: RegistryState, agentIds: readonly string[]): void {
    this.#database.transaction(() => this.#rows.addAgents(state, agentIds));
  }

  /** Of another registry: all but its agents, in place of what is there. */
  replaceSettings(state: RegistryState, mark: LogMark, cluster: string | undefined): void {
    this.#database.transaction(() => {
      this.#rows.replaceSettings(state);
      this.#putOrigin(mark, cluster);
    });
  }

  /** Another registry in place of this one, in one transaction; of the same cluster unless said. */
  replace(state: RegistryState, mark: LogMark, cluster: string | undefined = this.#cluster): void {
    this.#database.transaction(() => {
      this.#rows.writeAll(state);
      this.#putOrigin(mark, cluster);
    });
    this.#state = state;
    this.#mark = mark;
    this.#cluster = cluster;
  }

  /** A consistent copy of it as one file, in place of what is at `path`. */
  copyTo(path: string): void {
    this.#database.copyTo(path);
  }

  /** Gives up what was changed in memory and not written. */
  reload(): void {
    this.#state = this.#rows.readState();
    this.#mark = this.#readMark();
  }

  masters(): readonly MasterInfo[] {
    return this.#rows.readMasters();
  }

  bytes(): number {
    return this.#database.fileBytes();
  }

  close(): void {
    this.#database.close();
  }

  #putOrigin(mark: LogMark, cluster: string | undefined): void {
    if (cluster !== undefined) this.#putCluster.run([cluster]);
    this.#putMark.run([mark.position, mark.hash]);
  }

  #readCluster(): string | undefined {
    return this.#database.all(this.#database.query.selectFrom("cluster").selectAll())[0]?.id;
  }

  #readMark(): LogMark {
    const [row] = this.#database.all(this.#database.query.selectFrom("log_mark").selectAll());
    return row === undefined
      ? { position: 0, hash: "" }
      : { position: row.position, hash: row.hash };
  }
}
