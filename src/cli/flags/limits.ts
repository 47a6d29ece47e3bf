/** Bounds on what flags may cost, each with its reason. */

/** Bytes of a configuration file or `file://` value: ACLs of a large site are a few hundred KB. */
export const VALUE_BYTES_MAX: number = 8 * 1024 * 1024;

/** Words of a command line; the kernel allows far more, a flag table never needs them. */
export const ARGUMENT_COUNT_MAX = 10_000;

/** Longest name that is compared with others to find the nearest. */
export const NAME_LENGTH_MAX = 64;

/** Characters of a bad value that an error repeats. */
export const SHOWN_VALUE_LENGTH = 80;
