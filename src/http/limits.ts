/** Bounds of the HTTP edge, each with its reason. */

/** Bytes an event stream may hold for a reader that lags: several state-sized events. */
export const STREAM_BUFFER_BYTES: number = 16 * 1024 * 1024;

/**
 * Bytes of a command's output that wait for their reader before the command has to: enough to keep a
 * connection busy, little enough for hundreds of slow readers.
 */
export const OUTPUT_HELD_BYTES: number = 512 * 1024;

/** Bytes of one piece of a file: 16 pages, as Mesos reads. */
export const FILE_CHUNK_BYTES: number = 64 * 1024;

/**
 * Milliseconds that long answers may hold up everything else at a time: the stall bound is 20, and
 * other work wants its share of it. Between two slices a timer of 0 lets everybody else in.
 */
export const READ_SLICE_MS = 8;

/** Bytes of a long answer that are handed on at once: about what one slice of time writes. */
export const READ_CHUNK_BYTES: number = 1024 * 1024;

/** Bytes a reader may lag behind those it shares a production with before it gets its own. */
export const READ_LAG_BYTES: number = 4 * 1024 * 1024;

/** Readers of long answers at a time: each may hold a few megabytes in buffers. */
export const READERS_MAX = 128;

/** How long a reader may take nothing before it is cut. */
export const READ_IDLE_MS = 60_000;

/** How long a request waits at most for an equal one that is being answered, to share the next. */
export const READ_SHARE_WAIT_MS = 3000;

/** Elements of one page of a list of ours, unless the reader says otherwise, and at most. */
export const LIST_LIMIT_DEFAULT = 1000;
export const LIST_LIMIT_MAX = 10_000;

/** How often the end of a container whose files are followed is looked for. */
export const ATTACH_POLL_MS = 200;
