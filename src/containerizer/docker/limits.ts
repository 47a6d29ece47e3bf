/** Bounds of everything that is asked of a Docker Engine, each with its reason. */

/** API versions spoken: the first that Debian 12 has beside the oldest worth having, the last known. */
export const API_VERSION_MIN = "1.40";
export const API_VERSION_MAX = "1.51";

/** A healthy Engine answers a look-up in milliseconds; ten seconds mean that it hangs. */
export const LOOKUP_DEADLINE_MS = 10_000;

/** Making and starting a container: a busy disk or a full set of launches takes seconds. */
export const LAUNCH_CALL_DEADLINE_MS = 120_000;

/** Kill and remove wait for the container's processes and its layers. */
export const END_CALL_DEADLINE_MS = 60_000;

/** Largest answer that is read: the list of thousands of stopped containers. */
export const ANSWER_BYTES_MAX: number = 64 * 1024 * 1024;

/** Longest line of a stream of JSON lines (events, pull). */
export const STREAM_LINE_BYTES_MAX: number = 1024 * 1024;

/** Largest message of a container's log; the Engine cuts at 16 KiB. */
export const LOG_MESSAGE_BYTES_MAX: number = 16 * 1024 * 1024;

/** A pull that moved nothing for so long is given up. */
export const PULL_STALL_MS = 60_000;

/** How often the log of the agent tells how far a pull is. */
export const PULL_REPORT_MS = 10_000;

/** Between two pings of an Engine, and how long one may take. */
export const PING_PERIOD_MS = 5_000;
export const PING_DEADLINE_MS = 5_000;

/** A launch waits so long for an Engine that is known not to answer: one restarts in a few seconds. */
export const ENGINE_WAIT_MS = 10_000;

/**
 * How long the start of the agent waits for a sign of life and for the list of containers, before it
 * goes on with what it wrote down itself.
 */
export const RECOVERY_PING_DEADLINE_MS = 1_500;
export const LIST_DEADLINE_MS = 10_000;

/** Between two looks at all containers, in case an event was lost. */
export const RECONCILE_PERIOD_MS = 60_000;

/** Between two looks at the containers' processes while the Engine is away. */
export const SIGHT_PERIOD_MS = 200;

/**
 * An end that the Engine dates so long after the process was gone was made up when it came back: it
 * takes longer than this to start, and less to learn of an end while it runs.
 */
export const END_DATE_SLACK_MS = 250;

/** Pauses before a call or stream is tried again, doubling from the first to the second. */
export const RETRY_MS_MIN = 200;
export const RETRY_MS_MAX = 5_000;

/**
 * Containers being made and started at one time: so many per processor, and some on the smallest
 * host. Fewer leave the processors to others while they wait for disks and locks, which on a busy
 * host costs a third of the speed; more only wait for the Engine's own locks.
 */
export const STARTS_PER_PROCESSOR = 4;
export const STARTS_AT_ONCE_MIN = 16;

/** Look-ups at one time after a restart of the agent. */
export const LOOKUPS_AT_ONCE = 16;

/**
 * What is left of an ended container's output begins to come at once and goes on coming; a broken log
 * must not hold the end.
 */
export const LAST_OUTPUT_DEADLINE_MS = 30_000;

/** Longest record of the kernel's log, and more of them than its buffer of a few megabytes holds. */
export const KERNEL_RECORD_BYTES_MAX = 8192;
export const KERNEL_LOG_RECORDS_MAX = 50_000;

/** Smallest memory of a container (semantics 7.15). */
export const MEMORY_BYTES_MIN: number = 32 * 1024 * 1024;

/** Pauses before the Engine is asked again whether a command has ended, doubling to the second. */
export const INSIDE_POLL_MS = 20;
export const INSIDE_POLL_MS_MAX = 500;

/**
 * A command inside that has not been started by then is too late, if the Engine is well: a busy host
 * takes a second. How soon an Engine answers that is well.
 */
export const INSIDE_START_MS = 10_000;
export const WELL_ANSWER_MS = 1_000;

/** A session's command has ended, and its output not: that was let go of by everyone but strangers. */
export const INSIDE_LAST_OUTPUT_MS = 2_000;

/**
 * Files of the Engine's own log of a container whose output is bounded, and the least of each: a reader
 * that falls behind by more than one is told nothing of what was in between.
 */
export const ENGINE_LOG_FILES = 5;
export const ENGINE_LOG_BYTES_MIN: number = 16 * 1024 * 1024;

/** What a message takes in that log beside its bytes: stream, time and the marks around them. */
export const ENGINE_LOG_MESSAGE_BYTES = 90;

/** The speed of a log is that of messages over at least so much of its time. */
export const LOG_RATE_MS = 20;
