/** Bounds of oversubscription. */

/** The busiest moment of so long decides what is left over. */
export const USAGE_WINDOW_MS = 300_000;
/** The part of what a task was given that is never given to others as well. */
export const CPU_RESERVE_SHARE = 0.2;
/** Smaller changes are not worth taking offers back for. */
export const CPU_STEP_MILLI = 100;
/** Between looks of a QoS controller, so that one correction shows before the next. */
export const QOS_INTERVAL_MS_MIN = 5_000;
