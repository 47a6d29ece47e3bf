/** Bounds of the registrar, with the reason beside each number. */

/**
 * Operations waiting to be committed. A failover of 100,000 agents asks for one each, all at once
 * in the worst case; what is beyond is refused, and the caller's retry finds a shorter queue.
 */
export const PENDING_OPERATIONS_MAX = 200_000;

/**
 * Operations in one transaction, unless one submission is longer. The transaction blocks the event
 * loop, so it is kept to about 10 ms; a longer one would save no more time per operation.
 */
export const TRANSACTION_OPERATIONS_MAX = 500;

/** Agents written to a copy in one turn: some milliseconds. */
export const AGENTS_AT_ONCE = 100;

/** Masters kept in the record, newest last: enough to see every failover of a bad week. */
export const MASTERS_MAX = 100;

/** Longest pause after a transaction; a disk that takes longer is slow enough as it is. */
export const FLUSH_PAUSE_MS_MAX = 50;

/** Operations in one entry of the shared log, unless one submission is longer: some 200 KB of 1 MB. */
export const ENTRY_OPERATIONS_MAX = 300;

/** Entries after which a snapshot saves a master that comes anew from reading more. */
export const ENTRIES_PER_SNAPSHOT = 1000;

/**
 * Bytes of entries after which a snapshot is due too, or as many as the last snapshot had where that is
 * more: so that what ZooKeeper holds, in memory, is a small multiple of the registry.
 */
export const ENTRY_BYTES_PER_SNAPSHOT: number = 4 * 1024 * 1024;

/** Bytes of one entry: what ZooKeeper takes in one request, less the rest of the transaction. */
export const ENTRY_BYTES_MAX: number = 900 * 1024;

/** Milliseconds after which a follower looks again for a log that is empty, or could not be read. */
export const LOOK_AGAIN_MS = 1000;
