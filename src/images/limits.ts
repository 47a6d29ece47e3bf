/** Bounds of getting, keeping and stacking images, each with its reason. */

/** Manifests, indexes and answers of token servers: registries themselves refuse larger ones. */
export const MANIFEST_BYTES_MAX: number = 4 * 1024 * 1024;
/** A configuration holds the history of an image too. */
export const CONFIG_BYTES_MAX: number = 8 * 1024 * 1024;

/** More layers than Docker builds; each is a name in the options of one mount. */
export const LAYERS_MAX = 127;

/** What one layer may be unpacked, so that a small file cannot fill a disk by itself. */
export const LAYER_BYTES_MAX: number = 64 * 1024 ** 3;

/**
 * What is kept of a layer beside its files: names of what it takes away, and of folders that it only has
 * something in. The agent reads it at each launch, and one path of an archive may name 2,000 folders.
 */
export const LAYER_FACTS_BYTES_MAX: number = 8 * 1024 * 1024;

/** Layers of all images on their way at one time: each has a helper of some 40 MB. */
export const LAYERS_AT_ONCE = 4;

/** Mounting, unmounting and making a device are quick; a file system that hangs must not hang us. */
export const PROGRAM_DEADLINE_MS = 30_000;

/** Challenges answered for one request: more would be a server that takes nothing. */
export const CHALLENGES_MAX = 2;

/** A token is used for half of the time it lasts, so that none ends in the middle of a pull. */
export const TOKEN_SHARE = 0.5;
/** How long a token lasts whose server does not say (the specification's own figure). */
export const TOKEN_SECONDS = 60;
