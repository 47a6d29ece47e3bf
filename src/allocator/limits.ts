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

/** Characters of a regular expression; a program of the allowed size is written in far fewer. */
export const REGEX_LENGTH_MAX: number = 1024;

/**
 * Expressions that would expand to so many times the allowed program are refused unseen. Not at
 * once, since alternatives with common parts are folded together when they are compiled.
 */
export const REGEX_REFUSED_FACTOR: number = 20;

/**
 * Refusals taken out of the wake queue by one question for the next end because nobody waits for
 * them now. Beyond it a cycle may be woken in vain, which costs less than to look at all at once.
 */
export const UNWANTED_WAKES_MAX: number = 1000;
