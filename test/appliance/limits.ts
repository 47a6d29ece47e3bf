/** Bounds of the test machine: every wait ends. */

/** Of the machine, mebibytes. */
export const MEMORY_MIB: number = 2048;
/** From start to the first line of the command, on a busy host of two processors. */
export const BOOT_MS_MAX: number = 180_000;
/** Of one command, when the command line names nothing else. */
export const COMMAND_SECONDS_MAX: number = 600;
/** From the command's answer to the end of the machine. */
export const HALT_MS_MAX: number = 20_000;
/** Of one file of tests: system calls cost ten times what they do elsewhere. */
export const FILE_SECONDS_MAX: number = 600;
/** The first image takes minutes, and somebody else may be making it just now. */
export const IMAGE_MS_MAX: number = 2_400_000;
/** How often the host looks whether the machine has begun or ended its command. */
export const LOOK_EVERY_MS: number = 100;
/** Of the machine's console, kept to be shown when it does not come up. */
export const CONSOLE_CHARS_MAX: number = 20_000;
