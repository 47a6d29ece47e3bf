/** Bounds of the registry's log in ZooKeeper, each with its reason. */

/** Bytes of one piece of a snapshot: half of what a node may hold. */
export const CHUNK_BYTES: number = 512 * 1024;

/** Entries that are kept behind a snapshot, so that a follower that lags reads on without it. */
export const ENTRIES_KEPT = 200;

/** Requests under way together: what a server takes in fastest (reference/stack.md §4). */
export const READS_AT_ONCE = 100;

/** Nodes removed by one transaction, well below the bytes that one may have. */
export const REMOVES_AT_ONCE = 200;

/** Reads that may find the log trimmed under their hands. */
export const READ_ATTEMPTS = 5;
