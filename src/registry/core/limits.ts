/** Bounds of what operators decide, with the reason beside each number. */

/**
 * Machines in a maintenance schedule, which is replaced as a whole: every one of the largest cluster
 * (50,000 agents) twice over, and still written within a fraction of a second.
 */
export const SCHEDULE_MACHINES_MAX = 100_000;
