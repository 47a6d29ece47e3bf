/** What waits to be committed to a registry, in order, and the figures of what has been. */
import { assert } from "../../base/assert.ts";
import { Durations } from "../../base/durations.ts";
import type { Result } from "../../base/result.ts";
import { DatabaseError } from "../../database/database-error.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import { applyOperation } from "../core/registry-operations.ts";
import type { RegistryOperation, RegistryState } from "../core/registry-state.ts";
import { PENDING_OPERATIONS_MAX } from "./limits.ts";
import type { RegistryStoreStats } from "./registry-store.ts";

/** One call of whoever uses the registry. */
export interface Submission {
  readonly operations: readonly RegistryOperation[];
  /** Masters that take office. */
  readonly masters: readonly MasterInfo[];
  resolve(results: readonly Result<boolean>[]): void;
  reject(error: unknown): void;
}

/** What a batch of submissions does, once it is applied to the state in memory. */
export interface AppliedBatch {
  readonly batch: readonly Submission[];
  /** Of each submission. */
  readonly results: readonly (readonly Result<boolean>[])[];
  /** Operations that changed something, and so have to be written. */
  readonly mutations: readonly RegistryOperation[];
  readonly masters: readonly MasterInfo[];
}

/** Applies the operations in order; a refused one does not stop those after it. */
export function applyBatch(state: RegistryState, batch: readonly Submission[]): AppliedBatch {
  const mutations: RegistryOperation[] = [];
  const results = batch.map(({ operations }) =>
    operations.map((operation) => {
      const result = applyOperation(state, operation);
      if (result.ok && result.value) mutations.push(operation);
      return result;
    }),
  );
  return { batch, results, mutations, masters: batch.flatMap(({ masters }) => masters) };
}

export class Submissions {
  /** Named where there are too many. */
  readonly #registry: string;
  readonly #waiting: Submission[] = [];
  readonly #commitMs = new Durations();
  #queuedOperations = 0;
  #completedOperations = 0;
  #transactions = 0;
  #lastCommitMs = 0;
  #longestCommitMs = 0;

  constructor(registry: string) {
    this.#registry = registry;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get lastCommitMs(): number {
    return this.#lastCommitMs;
  }

  /** Refused, and told so, where too much waits already. */
  add(submission: Submission): void {
    const { operations, reject } = submission;
    if (this.#queuedOperations + operations.length > PENDING_OPERATIONS_MAX) {
      const why = `${this.#queuedOperations} registry operations already wait to be written`;
      reject(new DatabaseError("overloaded", `${this.#registry}: ${why}; try again later`));
      return;
    }
    this.#waiting.push(submission);
    this.#queuedOperations += operations.length;
  }

  /** The oldest ones, up to so many operations, unless the first alone has more. */
  take(operationsMax: number): readonly Submission[] {
    let operationCount = 0;
    let count = 0;
    for (const { operations } of this.#waiting) {
      operationCount += operations.length;
      if (count > 0 && operationCount > operationsMax) break;
      count += 1;
    }
    const batch = this.#waiting.splice(0, count);
    for (const { operations } of batch) this.#queuedOperations -= operations.length;
    assert(this.#queuedOperations >= 0, "fewer than no registry operations are queued");
    return batch;
  }

  /** Tells the outcome of a batch that is durable, or had nothing to write. */
  complete({ batch, results }: AppliedBatch): void {
    for (const [index, { operations, resolve }] of batch.entries()) {
      this.#completedOperations += operations.length;
      resolve(results[index] ?? []);
    }
  }

  /** Rejects these and all that waits. */
  reject(error: unknown, batch: readonly Submission[] = []): void {
    for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
    this.#queuedOperations = 0;
  }

  /** One transaction was written in so many milliseconds. */
  measure(commitMs: number): void {
    this.#transactions += 1;
    this.#lastCommitMs = commitMs;
    this.#commitMs.add(commitMs);
    this.#longestCommitMs = Math.max(this.#longestCommitMs, commitMs);
  }

  stats(medium: Pick<RegistryStoreStats, "fetchMs" | "bytes">): RegistryStoreStats {
    return {
      queuedOperations: this.#queuedOperations,
      completedOperations: this.#completedOperations,
      transactions: this.#transactions,
      lastCommitMs: this.#lastCommitMs,
      longestCommitMs: this.#longestCommitMs,
      ...medium,
    };
  }

  /** Under their Mesos names. */
  metrics({
    fetchMs,
    bytes,
  }: Pick<RegistryStoreStats, "fetchMs" | "bytes">): Readonly<Record<string, number>> {
    return {
      "registrar/queued_operations": this.#queuedOperations,
      "registrar/registry_size_bytes": bytes,
      "registrar/state_fetch_ms": fetchMs,
      ...this.#commitMs.metrics("registrar/state_store_ms"),
    };
  }
}
