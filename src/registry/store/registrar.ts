/**
 * The registry of a single master in its SQLite file. Commits made in one turn of the event loop, or
 * soon after a transaction, share the next: the disk's flush is what costs, so a hundred commits
 * cost about what one does, and the loop is never held up by flushes for more than half of its time
 * (DESIGN §5, stack.md §3; Mesos: src/master/registrar.cpp).
 */
import type { Clock, Log, SqlOpen } from "../../base/ports.ts";
import type { Result } from "../../base/result.ts";
import { DatabaseError } from "../../database/database-error.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import {
  copyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../core/registry-state.ts";
import { FLUSH_PAUSE_MS_MAX, TRANSACTION_OPERATIONS_MAX } from "./limits.ts";
import { RegistryFile } from "./registry-file.ts";
import { imageOf, type RegistryImage } from "./registry-image.ts";
import type { RegistryStore, RegistryStoreStats } from "./registry-store.ts";
import { applyBatch, type Submission, Submissions } from "./submissions.ts";

export interface RegistrarOptions {
  /** The file, in a folder of its own. */
  readonly path: string;
  readonly open: SqlOpen;
  readonly clock: Clock;
  readonly log: Log;
}

/** See `RegistryStore` for the contract. */
export class Registrar implements RegistryStore {
  readonly #file: RegistryFile;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #submissions: Submissions;
  #isFlushDue = false;
  #failure: unknown;
  /** End of the last transaction. */
  #lastFlushMs = Number.NEGATIVE_INFINITY;
  readonly #fetchMs: number;

  /**
   * Opens or creates the file and reads it. Rejects with `DatabaseError`, as `openDatabase`, and with
   * `shared`: changes made here would be unknown to the other masters.
   */
  static async open(options: RegistrarOptions): Promise<Registrar> {
    const startMs = options.clock.monotonicMs();
    const file = await RegistryFile.open(options);
    if (file.mark.position > 0) {
      file.close();
      const remedy =
        "start this master with --zk=zk://…, or make it one alone again with `allot registry restore --alone`";
      throw new DatabaseError(
        "shared",
        `${options.path} is a copy of the registry that several masters share through ZooKeeper; ${remedy}`,
      );
    }
    file.ensureCluster();
    return new Registrar(file, options, options.clock.monotonicMs() - startMs);
  }

  private constructor(file: RegistryFile, { clock, log }: RegistrarOptions, fetchMs: number) {
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#fetchMs = fetchMs;
    this.#submissions = new Submissions(file.path);
  }

  load(): RegistryState {
    return copyRegistry(this.#file.state);
  }

  commit(operations: readonly RegistryOperation[]): Promise<readonly Result<boolean>[]> {
    return new Promise((resolve, reject) => {
      this.#submit({ operations, masters: [], resolve, reject });
    });
  }

  async putMaster(master: MasterInfo): Promise<void> {
    await new Promise((resolve, reject) => {
      this.#submit({ operations: [], masters: [master], resolve, reject });
    });
  }

  masters(): readonly MasterInfo[] {
    return this.#file.masters();
  }

  stats(): RegistryStoreStats {
    return this.#submissions.stats({ fetchMs: this.#fetchMs, bytes: this.#file.bytes() });
  }

  metrics(): Readonly<Record<string, number>> {
    return {
      ...this.#submissions.metrics({ fetchMs: this.#fetchMs, bytes: this.#file.bytes() }),
      // A master that acts alone is its own quorum, and has its registry once it is open.
      "registrar/log/recovered": 1,
      "registrar/log/ensemble_size": 1,
    };
  }

  /** What is durable now. */
  image(): Promise<RegistryImage> {
    return Promise.resolve(imageOf(this.#file));
  }

  async close(): Promise<void> {
    while (!this.#submissions.isEmpty) this.#flush();
    this.#failure ??= new DatabaseError("closed", `${this.#file.path} is closed`);
    this.#file.close();
  }

  #submit(submission: Submission): void {
    if (this.#failure !== undefined) {
      submission.reject(this.#failure);
      return;
    }
    this.#submissions.add(submission);
    if (!this.#submissions.isEmpty) this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    const restMs = this.#lastFlushMs + this.#submissions.lastCommitMs - this.#clock.monotonicMs();
    this.#clock.schedule(Math.min(Math.max(0, restMs), FLUSH_PAUSE_MS_MAX), () => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  /**
   * Writes the oldest submissions as one transaction and tells their outcome. State and file change
   * together within this call, so nobody sees one without the other. A batch that changes nothing
   * needs no transaction.
   */
  #flush(): void {
    const batch = this.#submissions.take(TRANSACTION_OPERATIONS_MAX);
    if (batch.length === 0) return;
    try {
      const startMs = this.#clock.monotonicMs();
      const applied = applyBatch(this.#file.state, batch);
      const { mutations, masters } = applied;
      if (mutations.length > 0 || masters.length > 0) {
        this.#file.write(mutations, { masters });
        this.#lastFlushMs = this.#clock.monotonicMs();
        this.#submissions.measure(this.#lastFlushMs - startMs);
      }
      this.#submissions.complete(applied);
    } catch (error) {
      this.#fail(error, batch);
      return;
    }
    if (!this.#submissions.isEmpty) this.#scheduleFlush();
  }

  /** After a failed write the file may hold less than the state, so nothing further is accepted. */
  #fail(error: unknown, batch: readonly Submission[]): void {
    this.#failure = error;
    this.#log.write("error", "registry could not be written", { error });
    this.#submissions.reject(error, batch);
  }
}
