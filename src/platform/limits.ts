/** Bounds of the servers, each with its reason. */

/**
 * Bytes a WebSocket may hold for a peer that does not read; then it is cut. Above the window of a
 * link and its largest single message, since a sender may overrun its window by one.
 */
export const SOCKET_BACKLOG_BYTES: number = 32 * 1024 * 1024;
