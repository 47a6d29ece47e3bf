/** Bounds on resources and attributes from outside, each with its reason. */

/** Characters of one `--resources` or `--attributes` value: hundreds of disks fit many times. */
export const RESOURCES_TEXT_LENGTH: number = 256 * 1024;

/** Resources of one text or one message, attributes of one text. */
export const RESOURCE_COUNT: number = 10_000;

/**
 * Largest scalar: 100 PB given in MB. Its thousandths leave room in a double for the sum of ninety
 * such agents before whole thousandths are lost.
 */
export const SCALAR_MAX: number = 1e11;

/** Most ranges, or set items, of one resource: every second port of a host fits. */
export const PIECE_COUNT: number = 32_768;

/** Reservations stacked on one resource: one per level of the role tree, which nobody nests so deep. */
export const RESERVATION_COUNT: number = 64;

/**
 * Contents allocated to a role that are remembered with the content they were made of, so that the
 * next offer of the same needs no new one. Beyond this all are forgotten.
 */
export const ALLOCATED_CONTENTS: number = 16_384;

/** Different contents that equal bundles share, such as those of agents of one make. */
export const INTERNED_CONTENTS: number = 1024;
