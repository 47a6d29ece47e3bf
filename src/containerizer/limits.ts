/** Bounds of starting, watching and ending containers, each with its reason. */

/** Keepers being started at one time: more only queue for the processors and hold three pipes each. */
export const LAUNCHES_AT_ONCE = 32;

/** Containers whose records are being removed at one time, by threads of which there are few. */
export const CLEANUPS_AT_ONCE = 8;

/**
 * A keeper starts in a few milliseconds; on a host that needs this long nothing else works either. As
 * long waits an agent that was restarted for one that is starting.
 */
export const LAUNCH_DEADLINE_MS = 30_000;

/** Between two looks for ends that no file event told of (lost event, keeper killed by hand). */
export const EXIT_POLL_MS = 5_000;

/** As long as Mesos tries to destroy a container's processes (semantics 7.3). */
export const DESTROY_DEADLINE_MS = 60_000;
/** Pause after the first round of SIGKILL, doubling up to the second figure. */
export const DESTROY_PAUSE_MS_MIN = 2;
export const DESTROY_PAUSE_MS_MAX = 200;

/** After a restart: between two looks at a keeper that was caught in the middle of its start. */
export const ADOPTION_PAUSE_MS = 5;

/** What the host is too short for is tried again after so long, doubling up to the second figure. */
export const SHORTAGE_PAUSE_MS_MIN = 50;
export const SHORTAGE_PAUSE_MS_MAX = 1_000;

/** Looking at every process or container is cut into slices, far below the 20 ms of DESIGN §8. */
export const SLICE_MS = 4;

/** Longest single argument or variable the kernel takes (MAX_ARG_STRLEN, terminator included). */
export const ARGUMENT_BYTES_MAX = 131_072;

/** Links followed when a path is looked up in an image, as many as Linux follows. */
export const LINKS_MAX = 40;

/** Users whose numbers are remembered; a host has far fewer that run tasks. */
export const REMEMBERED_USERS = 1_000;

/** Helper programs answer at once; a directory service that hangs must not hang launches. */
export const HELPER_DEADLINE_MS = 10_000;

/** After a keeper's end: time for what it said last to arrive. */
export const LAST_WORDS_MS = 500;
/** Longest part of a failed launch's output that goes into the task's status. */
export const WORDS_LENGTH_MAX = 500;

/** Cgroups that a task makes below its own are looked for down to this depth. */
export const CGROUP_DEPTH_MAX = 32;

/**
 * How long the last words of a command are waited for after its end: they are in a pipe or terminal
 * of this host already.
 */
export const LAST_OUTPUT_MS = 100;

/** How often it is waited for again while some comes. */
export const LAST_OUTPUT_ROUNDS = 10;

/** Bytes that wait for a command at a terminal before their sender does: more than is ever typed. */
export const TERMINAL_INPUT_BYTES = 65_536;
/** After that it is seen whether the command has read all of it. */
export const TERMINAL_INPUT_MS = 10;

/** A secret is a key or a password; its bytes travel through a line of shell. */
export const SECRET_BYTES_MAX = 65_536;

/** Walks through sandboxes at one time: each keeps a disk busy. */
export const WALKS_AT_ONCE = 1;
/** After each walk, so that a thousand sandboxes take no more than 20 processes a second. */
export const WALK_PAUSE_MS = 50;
/** Millions of files on a disk that turns are walked through in minutes; the next one waits for it. */
export const WALK_DEADLINE_MS = 600_000;

/** A plugin that asks a server for an address waits for seconds; a longer one hangs. */
export const CNI_DEADLINE_MS = 60_000;
/** A network that could not be left is tried again after this, then after twice as long each time. */
export const CNI_RETRY_MS_MIN = 5_000;
export const CNI_RETRY_MS_MAX = 600_000;
/** Networks of one container, and plugins of one network: each is a process at start and end. */
export const CNI_NETWORKS_MAX = 16;
export const CNI_PLUGINS_MAX = 16;
/** A configuration is a page or two, and answers are shorter. */
export const CNI_CONFIG_BYTES_MAX = 1_048_576;
export const CNI_OUTPUT_CHARACTERS = 262_144;

/** Seccomp programs that are remembered: a few profiles with a few sets of capabilities each. */
export const REMEMBERED_PROFILES = 100;

/** Project ids that one call of xfs_quota releases: its arguments have bounds, and it walks none. */
export const RELEASED_AT_ONCE = 500;
