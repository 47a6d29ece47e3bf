/** Types of tools.mjs for the TypeScript files that use it. */

/** The top folder of the project, absolute. */
export const ROOT: string;
/** The compiled program. */
export const BINARY: string;
/** A Bun that runs here, in the pinned version; throws when there is none. */
export function bunPath(): string;
/** A Deno that runs here, in the pinned version, or undefined. */
export function denoPath(): string | undefined;
/** package.json as data. */
export function packageManifest(): { version: string; devDependencies: Record<string, string> };
