/**
 * What a durable registry promises, whichever medium is behind it: the SQLite file of a single
 * master (registrar.ts), or a log shared by several.
 */
import type { Result } from "../../base/result.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import type { RegistryOperation, RegistryState } from "../core/registry-state.ts";

/** Counters since the store was opened; times in milliseconds. */
export interface RegistryStoreStats {
  /** Operations that wait for their transaction. */
  readonly queuedOperations: number;
  /** Operations whose outcome has been told, refused ones included. */
  readonly completedOperations: number;
  /** Transactions written; fewer than commits when commits shared one. */
  readonly transactions: number;
  /** Duration of the newest transaction, and of the longest; 0 before the first. */
  readonly lastCommitMs: number;
  readonly longestCommitMs: number;
  /** Time it took to read the registry when it was opened. */
  readonly fetchMs: number;
  /** Size of the registry where it is stored. */
  readonly bytes: number;
}

/** The registry as the master's runtime uses it. */
export interface RegistryStore {
  /** The durable state now, as a copy that the caller may change. O(agents). */
  load(): RegistryState;

  /**
   * Applies the operations in order and resolves, one result each, when they are durable. A refused
   * operation does not stop those after it. Commits apply in the order they were made. Rejects with
   * an error when the medium fails: it is then unknown whether these operations are durable, every
   * later call rejects too, and the master must start over.
   */
  commit(operations: readonly RegistryOperation[]): Promise<readonly Result<boolean>[]>;

  /** Records that this master took office; resolves when that is durable. */
  putMaster(info: MasterInfo): Promise<void>;

  /** The masters recorded, newest last. */
  masters(): readonly MasterInfo[];

  stats(): RegistryStoreStats;

  /** The same figures and the times of the last transactions, under their Mesos names. */
  metrics(): Readonly<Record<string, number>>;

  /** Commits what waits, then releases the medium. */
  close(): Promise<void>;
}
