/**
 * The registry of a single master in its SQLite file. Commits made in one turn of the event loop, or
 * soon after a transaction, share the next: the disk's flush is what costs, so a hundred commits
 * cost about what one does, and the loop is never held up by flushes for more than half of its time
 * (DESIGN §5, stack.md §3; Mesos: src/master/registrar.cpp).
 */
import { assert } from "../../base/assert.ts";
import { Durations } from "../../base/durations.ts";
import type { Clock, Log, SqlOpen } from "../../base/ports.ts";
import type { Result } from "../../base/result.ts";
import { DatabaseError } from "../../database/database-error.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import { applyOperation } from "../core/registry-operations.ts";
import {
  copyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../core/registry-state.ts";
import {
  FLUSH_PAUSE_MS_MAX,
  PENDING_OPERATIONS_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from "./limits.ts";
import { RegistryFile } from "./registry-file.ts";
import type { RegistryStore, RegistryStoreStats } from "./registry-store.ts";

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
  readonly #pending: Submission[] = [];
  #queuedOperations = 0;
  #isFlushDue = false;
  #failure: unknown;
  #completedOperations = 0;
  #transactions = 0;
  #lastCommitMs = 0;
  readonly #commitMs = new Durations();
  /** End of the last transaction. */
  #lastFlushMs = Number.NEGATIVE_INFINITY;
  #longestCommitMs = 0;
  readonly #fetchMs: number;

  /** Opens or creates the file and reads it. Rejects with `DatabaseError`, as `openDatabase`. */
  static async open(options: RegistrarOptions): Promise<Registrar> {
    const startMs = options.clock.monotonicMs();
    const file = await RegistryFile.open(options);
    return new Registrar(file, options, options.clock.monotonicMs() - startMs);
  }

  private constructor(file: RegistryFile, { clock, log }: RegistrarOptions, fetchMs: number) {
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#fetchMs = fetchMs;
  }

  load(): RegistryState {
    return copyRegistry(this.#file.state);
  }

  commit(operations: readonly RegistryOperation[]): Promise<readonly Result<boolean>[]> {
    return new Promise((resolve, reject) => {
      this.#submit({ operations, master: undefined, resolve, reject });
    });
  }

  async putMaster(master: MasterInfo): Promise<void> {
    await new Promise((resolve, reject) => {
      this.#submit({ operations: [], master, resolve, reject });
    });
  }

  masters(): readonly MasterInfo[] {
    return this.#file.masters();
  }

  stats(): RegistryStoreStats {
    return {
      queuedOperations: this.#queuedOperations,
      completedOperations: this.#completedOperations,
      transactions: this.#transactions,
      lastCommitMs: this.#lastCommitMs,
      longestCommitMs: this.#longestCommitMs,
      fetchMs: this.#fetchMs,
      bytes: this.#file.bytes(),
    };
  }

  metrics(): Readonly<Record<string, number>> {
    return {
      "registrar/queued_operations": this.#queuedOperations,
      "registrar/registry_size_bytes": this.#file.bytes(),
      "registrar/state_fetch_ms": this.#fetchMs,
      ...this.#commitMs.metrics("registrar/state_store_ms"),
      // A master that acts alone is its own quorum, and has its registry once it is open.
      "registrar/log/recovered": 1,
      "registrar/log/ensemble_size": 1,
    };
  }

  async close(): Promise<void> {
    while (this.#pending.length > 0) this.#flush();
    this.#failure ??= new DatabaseError("closed", `${this.#file.path} is closed`);
    this.#file.close();
  }

  #submit(submission: Submission): void {
    if (this.#failure !== undefined) {
      submission.reject(this.#failure);
      return;
    }
    if (this.#queuedOperations + submission.operations.length > PENDING_OPERATIONS_MAX) {
      submission.reject(this.#overloaded());
      return;
    }
    this.#pending.push(submission);
    this.#queuedOperations += submission.operations.length;
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    const restMs = this.#lastFlushMs + this.#lastCommitMs - this.#clock.monotonicMs();
    this.#clock.schedule(Math.min(Math.max(0, restMs), FLUSH_PAUSE_MS_MAX), () => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  /** Writes the oldest submissions as one transaction and tells their outcome. */
  #flush(): void {
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    try {
      const outcomes = this.#write(batch);
      for (const { submission, results } of outcomes) submission.resolve(results);
    } catch (error) {
      this.#fail(error, batch);
      return;
    }
    if (this.#pending.length > 0) this.#scheduleFlush();
  }

  #takeBatch(): Submission[] {
    let operationCount = 0;
    let submissionCount = 0;
    for (const { operations } of this.#pending) {
      operationCount += operations.length;
      if (submissionCount > 0 && operationCount > TRANSACTION_OPERATIONS_MAX) break;
      submissionCount += 1;
    }
    const batch = this.#pending.splice(0, submissionCount);
    for (const { operations } of batch) this.#queuedOperations -= operations.length;
    assert(this.#queuedOperations >= 0, "fewer than no registry operations are queued");
    return batch;
  }

  /**
   * State and file change together within this call, so nobody sees one without the other. A batch
   * that changes nothing needs no transaction.
   */
  #write(batch: readonly Submission[]): readonly Outcome[] {
    const startMs = this.#clock.monotonicMs();
    const mutations: RegistryOperation[] = [];
    const outcomes = batch.map((submission) => ({
      submission,
      results: submission.operations.map((operation) => this.#apply(operation, mutations)),
    }));
    const masters = batch.flatMap(({ master }) => (master === undefined ? [] : [master]));
    if (mutations.length > 0 || masters.length > 0) {
      this.#file.write(mutations, { masters });
      this.#measure(startMs);
    }
    for (const { operations } of batch) this.#completedOperations += operations.length;
    return outcomes;
  }

  #apply(operation: RegistryOperation, mutations: RegistryOperation[]): Result<boolean> {
    const result = applyOperation(this.#file.state, operation);
    if (result.ok && result.value) mutations.push(operation);
    return result;
  }

  #measure(startMs: number): void {
    this.#lastFlushMs = this.#clock.monotonicMs();
    const commitMs = this.#lastFlushMs - startMs;
    this.#transactions += 1;
    this.#lastCommitMs = commitMs;
    this.#commitMs.add(commitMs);
    this.#longestCommitMs = Math.max(this.#longestCommitMs, commitMs);
  }

  /** After a failed write the file may hold less than the state, so nothing further is accepted. */
  #fail(error: unknown, batch: readonly Submission[]): void {
    this.#failure = error;
    this.#log.write("error", "registry could not be written", { error });
    for (const { reject } of [...batch, ...this.#pending.splice(0)]) reject(error);
    this.#queuedOperations = 0;
  }

  #overloaded(): DatabaseError {
    return new DatabaseError(
      "overloaded",
      `${this.#file.path}: ${this.#queuedOperations} registry operations already wait to be written; try again later`,
    );
  }
}

interface Submission {
  readonly operations: readonly RegistryOperation[];
  readonly master: MasterInfo | undefined;
  resolve(results: readonly Result<boolean>[]): void;
  reject(error: unknown): void;
}

interface Outcome {
  readonly submission: Submission;
  readonly results: readonly Result<boolean>[];
}
