/** Bounds and periods of the master's runtime. */

/** How often the file of `--whitelist` is read, as Mesos does it. */
export const WHITELIST_PERIOD_MS = 5000;
