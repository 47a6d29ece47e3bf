/** Bounds of the agent's runtime, each with its reason. */

/**
 * Inputs handled in one transaction. Large enough that a burst shares one sync to disk, small
 * enough that the loop is not held for more than a few tens of milliseconds.
 */
export const INPUTS_PER_BATCH = 512;

/**
 * Batches that follow each other sooner than this wait for each other: while a burst lasts one sync
 * then serves many inputs, and a lone input is never delayed.
 */
export const COALESCE_MS = 2;

/**
 * How long the word that commands are carried out may wait for something else to be said: it is a
 * third of what agents would send, and the master keeps such commands meanwhile, a few kilobytes.
 */
export const CONFIRMATION_MS = 50;

/**
 * Inputs that may wait. Beyond this executors are told to come back, and the link is given up, which
 * loses nothing since the master resends what was not done; what happens inside the agent is always
 * taken in.
 */
export const QUEUED_INPUTS = 20_000;

/** Bytes per answer of `/files/read` and READ_FILE: 16 pages (http-api 11). */
export const FILE_READ_BYTES = 65_536;

/** Bytes per chunk of a tail or download. */
export const FILE_CHUNK_BYTES = 65_536;

/** Entries of one folder that are listed; a task can make any number of files. */
export const BROWSE_ENTRIES = 10_000;

/** How often a followed file is looked at for more. */
export const TAIL_POLL_MS = 100;

/** Longest path accepted; Linux has no longer ones. */
export const PATH_CHARACTERS = 4_096;

/** Between heartbeats to a custom executor, the first one included (http-api 3.4). */
export const EXECUTOR_HEARTBEAT_MS: number = 30 * 60_000;

/** Longest token that is looked at; with ids of 255 bytes ours have about 1,100. */
export const TOKEN_CHARACTERS = 4_096;

/** How long a stop waits for what is under way before it goes on regardless. */
export const STOP_TIMEOUT_MS = 5_000;

/** Output of a session that nobody reads yet: between its launch and its first reader. */
export const SESSION_OUTPUT_BYTES: number = 1024 * 1024;

/** How long a session that is over waits for the answer to its launch: as long as a slow disk takes. */
export const OWED_SESSION_MS = 60_000;

/** How often files of tasks are looked at that may have grown too large. */
export const LOG_WATCH_MS = 2_000;

/** Bytes of a log that are copied at a time, between which others have their turn. */
export const LOG_COPY_BYTES = 1_048_576;

/** The cut changes only the map of a file; a disk that takes longer is in trouble. */
export const LOG_CUT_DEADLINE_MS = 10_000;

/** How often the disk is looked at, so that a task is not given to one that is full. */
export const DISK_WATCH_MS = 1_000;

/** Kept for the agent's own books; the larger one is for disks of any usual size. */
export const DISK_RESERVE_BYTES_MAX: number = 16 * 1024 * 1024;
export const DISK_RESERVE_SHARE = 0.02;

/** A task's sandbox takes some ten. */
export const INODES_MIN = 100;

/** Redirects that an HTTP check follows, as many as curl does. */
export const PROBE_REDIRECTS_MAX = 50;

/** What the helper of a probe says: a result, or why it has none. */
export const PROBE_OUTPUT_CHARACTERS = 4_096;
