/** Bounds of a ZooKeeper session, each with its reason. */

/** Share of the timeout that is not relied on: clocks differ in speed, and acts take their time. */
export const LEASE_MARGIN = 0.1;

/** Looks at the session per timeout; each asks the server something, if nothing else did. */
export const PROVES_PER_TIMEOUT = 6;

/** Share of the timeout after which a silent server is left; time for another one must be left. */
export const SILENCE_SHARE = 0.4;

/** Milliseconds from one session that never began to the next. */
export const REOPEN_MS = 1000;

/** Milliseconds for the server to take note of an orderly end. */
export const CLOSE_MS_MAX = 1000;

/** Milliseconds that one server may take to say how it is; a person waits for the answer. */
export const ASK_MS_MAX = 1500;

/** Session of a command, which lasts for a question or two. */
export const COMMAND_SESSION_MS = 10_000;

/** Milliseconds until a command gives a ZooKeeper up that does not answer. */
export const COMMAND_CONNECT_MS_MAX = 8000;
