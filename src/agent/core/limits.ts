/** Bounds and fixed times of the agent core, each with its reason. */

/** Containers launched by calls that run at once; each costs about as much as a task. */
export const API_CONTAINERS_LIVE = 10_000;
/** Such containers that are over and can still be asked how they ended; the oldest go first. */
export const API_CONTAINERS_OVER = 500;
/** How deep containers may be nested below a root; each level is a folder in a sandbox. */
export const CONTAINER_DEPTH = 4;
/** Callers that wait for the end of one container. */
export const WAITERS_PER_CONTAINER = 1_000;

/** Things that a refusal to start names; who has more of them sees what is meant. */
export const MISFITS_TOLD = 20;

/** First retry of an unacknowledged update (semantics 6.4). */
export const UPDATE_RETRY_MS_MIN = 10_000;
/** The doubling retry delay stops here (semantics 6.4). */
export const UPDATE_RETRY_MS_MAX = 600_000;

/**
 * Updates one task may have waiting for acknowledgement. A task with health checks whose framework
 * is away makes one every few seconds; beyond this the oldest that is neither in flight nor
 * terminal is given up, since newer ones say more.
 */
export const PENDING_UPDATES_PER_TASK = 256;
/** And bytes of them, beside the first and the last one: an executor may send 22 MB in each. */
export const PENDING_BYTES_PER_TASK: number = 32 * 1024 * 1024;

/** Acknowledged updates remembered per task, so that an executor's resend is not reported twice. */
export const REMEMBERED_ACKNOWLEDGEMENTS = 16;

/**
 * Updates that follow a registration at once: the link holds 64 MB, and one of an executor may have
 * 22 MB. The pause is enough for 3 MB a second.
 */
export const RESUMED_BYTES: number = 16 * 1024 * 1024;
export const RESUME_PAUSE_MS = 5_000;

/**
 * Characters that each text or list of an executor's status may have in a task's history, all of
 * which a registration tells: in the newest one, and in those before it.
 */
export const NEWEST_STATUS_LENGTH = 65_536;
export const OLDER_STATUS_LENGTH = 4_096;

/** States kept in a task's history; equal neighbours are one, so real tasks need fewer than ten. */
export const STATUSES_PER_TASK = 32;

/**
 * Registration is repeated after this, doubling. Differs from semantics 2.3, which begins with 2 s:
 * a link loses nothing as long as it is up, and a master that all its agents have come back to must
 * not get all that they hold a second time while it is busy with the first.
 */
export const REGISTER_RETRY_MS_MIN = 15_000;
/** The doubling registration delay stops here (semantics 2.3). */
export const REGISTER_RETRY_MS_MAX = 60_000;

/** Default of the master's ping tolerance, until it has told its own (15 s × 5). */
export const PING_TIMEOUT_MS = 75_000;

/** History shown by `/state` and GET_STATE (semantics 7.6). */
export const COMPLETED_FRAMEWORKS = 50;
export const COMPLETED_EXECUTORS_PER_FRAMEWORK = 150;
export const COMPLETED_TASKS_PER_EXECUTOR = 200;

/**
 * Completed tasks kept in the whole process. The three bounds above multiply to 1.5 million, far
 * beyond any budget; a busy agent forgets its oldest history first.
 */
export const COMPLETED_EXECUTORS_IN_ALL = 2_000;
