/** Every bound of the master core, with the reason beside the number. */
import type { CycleBudget } from "../../allocator/allocator.ts";

/** Task states a task remembers; runs of one state count once, so more means flapping. */
export const STATUSES_PER_TASK_MAX = 100;

/**
 * Commands an agent may leave unanswered. A healthy agent answers within milliseconds; one that
 * does not is cut, which stops offers on it while nothing already promised is forgotten.
 */
export const PENDING_COMMANDS_PER_AGENT_MAX = 100_000;

/**
 * Changes that are remembered for readers who ask what is new: minutes of a busy cluster, about ten
 * megabytes at most.
 */
export const CHANGES_MAX = 65_536;

/** Longest filter of a declined offer, seconds: 365 days (semantics 4.5). */
export const REFUSE_SECONDS_MAX = 31_536_000;

/** Filter of a declined offer that names none, seconds (semantics 4.5). */
export const REFUSE_SECONDS_DEFAULT = 5;

/** Longest duration an int64 of nanoseconds can hold, seconds. */
export const DURATION_SECONDS_MAX = 9_223_372_036;

/** Longest delay that keeps epoch milliseconds exact and any runtime's timer valid (100 years). */
export const TIMER_DELAY_MS_MAX = 3_155_760_000_000;

/** Roles of one framework; each costs the allocator a few microseconds when they change. */
export const ROLES_PER_FRAMEWORK_MAX = 10_000;

/** Tasks of one group: agents write each of them down together with the names of all. */
export const TASKS_PER_GROUP_MAX = 200;

/**
 * Characters of why a task or an operation is refused: all of an ACCEPT may be for what one long text
 * of it says, which the answers would repeat as often.
 */
export const REFUSAL_LENGTH_MAX = 4096;

/** Calls that may wait for their turn where `--rate_limits` names no capacity. */
export const WAITING_CALLS_MAX = 10_000;

/** Predicates of all offer constraints of a framework: each is looked at for each agent. */
export const CONSTRAINTS_MAX = 1000;

/**
 * Regular expressions among them. Compiling one takes up to a few milliseconds, and matching keeps
 * up to some megabytes of states.
 */
export const CONSTRAINT_REGEXES_MAX = 100;

/** Roles with a quota: each is told in several metrics, and all metrics are told in one go. */
export const QUOTA_ROLES_MAX = 5000;

/** Resource names in the quota of one role; for the same reason. */
export const QUOTA_NAMES_MAX = 50;

/** Roles with a weight: all of them are told in one answer. */
export const WEIGHT_ROLES_MAX = 10_000;

/** Pings of one step: after a stall those of many agents are due together. */
export const PINGS_PER_STEP_MAX = 256;

/** Offers sent in one step, about 5 ms of work with their encoding; the next ones follow at once. */
export const OFFERS_PER_STEP_MAX = 250;

/** Doomed offers that end in one step, about 5 ms of work with the encoding of what is told. */
export const OFFER_ENDS_PER_STEP_MAX = 500;

/** Losses of agents that never came back, each told to each framework, in one step: about 5 ms. */
export const LOSSES_TOLD_PER_STEP_MAX = 1000;

/** Tasks and commands to agents that a sweep deals with in one step, about 5 ms of work. */
export const SWEEP_COST_PER_STEP_MAX = 500;

/** Tasks and operations that are answered for in one step, about 5 ms of work with their encoding. */
export const RECONCILED_PER_STEP_MAX = 1000;

/** Tasks that may wait for such an answer; beyond them a call is answered whole, at its own cost. */
export const RECONCILED_WAITING_MAX = 1_000_000;

/** Agents that may come back per second after a failover: somewhat fewer than a master can take. */
export const RECONNECTIONS_PER_SECOND = 3000;

/** Longest time over which agents come back, however many there are. */
export const RECONNECT_SPREAD_MS_MAX = 60_000;

/**
 * Agents looked at for inverse offers in one step, about 5 ms of work; an inverse offer that is made
 * or withdrawn counts as much as `INVERSE_OFFER_LOOKS` of them.
 */
export const INVERSE_LOOKS_PER_STEP_MAX = 2000;
export const INVERSE_OFFER_LOOKS = 8;

/**
 * What one run of the allocator may do, some 10 ms of work, and several times that before the engine
 * has compiled it; the next run goes on with the agents whose turn did not come.
 */
export const RUN_BUDGET: CycleBudget = { offers: 600, looks: 8000 };
