/** Fixed times of the built-in executors, each with its reason. */

/** Grace of a kill when neither the call nor the task sets one (semantics 6.6). */
export const KILL_GRACE_MS_DEFAULT = 3_000;

/**
 * Part of the shutdown grace that a command executor keeps for itself: one second to reap, one to
 * report. A task's own grace is stretched by the same amount (semantics 7.3).
 */
export const SHUTDOWN_MARGIN_MS = 2_000;

/** Times and bounds of checks whose task does not say (semantics 6.8). */
export const CHECK_PRESETS = {
  delaySeconds: 15,
  intervalSeconds: 10,
  timeoutSeconds: 20,
  graceSeconds: 10,
} as const;

/** Between two probes of one check: an interval of none would keep an agent busy with one task. */
export const CHECK_PAUSE_MS_MIN = 100;
