/** Bounds on resources given as text, each with its reason. */

/** Characters of one `--resources` value: an agent with hundreds of disks fits many times over. */
export const RESOURCES_TEXT_LENGTH: number = 256 * 1024;

/** Resource objects of one text or one message. */
export const RESOURCE_COUNT: number = 10_000;
