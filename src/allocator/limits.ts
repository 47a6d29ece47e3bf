/** Bounds of the allocator, each with its reason. */

/**
 * Refusals remembered per framework, role and agent. A framework that declines an agent's resources
 * piece by piece makes one each; beyond this the one that ends first is forgotten, which at worst
 * makes an offer too early.
 */
export const FILTERS_PER_KEY: number = 32;

/**
 * Ended or forgotten filters may stay in the wake queue up to this many before it is tidied;
 * after that up to half of the queue. Filters live for up to a year, so they cannot be waited for.
 */
export const DEAD_FILTERS_MIN: number = 256;
