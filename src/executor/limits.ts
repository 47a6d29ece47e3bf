/** Fixed times of the built-in executors, each with its reason. */

/** Times and bounds of checks whose task does not say (semantics 6.8). */
export const CHECK_PRESETS = {
  delaySeconds: 15,
  intervalSeconds: 10,
  timeoutSeconds: 20,
  graceSeconds: 10,
} as const;

/** Between two probes of one check: an interval of none would keep an agent busy with one task. */
export const CHECK_PAUSE_MS_MIN = 100;
