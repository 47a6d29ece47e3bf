/** Times of `allot execute`, each with its reason. */

/** First look at why nothing fits: an idle cluster makes its offers well before. */
export const HINT_DELAY_MS = 5000;

/** Later looks; the hint is printed again only when it has changed. */
export const HINT_PERIOD_MS = 30_000;

/** Offers that are too small come back after this long (Mesos' own default). */
export const REFUSE_SECONDS = 5;

/** Offers beyond the one that is used are not wanted again. */
export const REFUSE_FOREVER_SECONDS = 31_536_000;

/** How long a task with `--checkpoint` outlives a scheduler that is gone. */
export const FAILOVER_SECONDS = 3600;

/** Without `--checkpoint`: as long as a restarted master waits for its agents at least. */
export const RECONNECT_MS_MAX: number = 10 * 60_000;

/** Pauses between attempts to subscribe again; the first is short, as a restart takes a second. */
export const RECONNECT_PAUSE_MS_MIN = 250;
export const RECONNECT_PAUSE_MS_MAX = 5000;

/** Pauses between attempts to open a file that is not there yet. */
export const FOLLOW_PAUSE_MS_MIN = 100;
export const FOLLOW_PAUSE_MS_MAX = 2000;

/** How long the rest of the output is tried for when the agent cannot be reached. */
export const REST_MS_MAX = 30_000;

/** How long a file that should exist may be missing: an agent is registering again. */
export const MISSING_MS_MAX = 5000;

/** How long the end is told to a master that does not answer. */
export const FAREWELL_MS_MAX = 10_000;

/** The longest that a timer runs, 24.8 days; one that is set to more goes off at once. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1;

/** Bytes of a task id: room for what is added on the agent (limit of an id is 255). */
export const TASK_ID_LENGTH = 200;
