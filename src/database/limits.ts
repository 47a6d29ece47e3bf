/** Bounds of a database file and of its checks, with the reason beside each number. */

/** How long opening waits for another process to let go: a restart overlaps its predecessor. */
export const BUSY_TIMEOUT_MS = 1_000;

/** Pages in the WAL before SQLite moves them into the file by itself: 4 MB, its own default. */
export const WAL_AUTOCHECKPOINT_PAGES = 1_000;

/**
 * Size at which the WAL is emptied and cut. Only a transaction larger than this passes it, and the
 * file does not keep that size afterwards.
 */
export const WAL_BYTES_MAX: number = 16 * 1024 * 1024;

/** Findings of the integrity check that are shown: the first ones tell what is damaged. */
export const DAMAGE_REPORTS_MAX = 3;

/** Bytes read of the table of locks of the kernel, for the message that names the holder. */
export const LOCK_TABLE_BYTES_MAX: number = 1024 * 1024;
