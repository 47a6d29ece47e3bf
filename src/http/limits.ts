/** Bounds of the HTTP edge, each with its reason. */

/** Bytes an event stream may hold for a reader that lags: several state-sized events. */
export const STREAM_BUFFER_BYTES: number = 16 * 1024 * 1024;
/** Bytes of one piece of a file: 16 pages, as Mesos reads. */
export const FILE_CHUNK_BYTES: number = 64 * 1024;
