/** Bounds of what operators decide, with the reason beside each number. */

/**
 * Machines in a maintenance schedule, which is replaced as a whole: every one of the largest cluster
 * there is, and all of them can begin at once within the second that no call may take.
 */
export const SCHEDULE_MACHINES_MAX = 50_000;
