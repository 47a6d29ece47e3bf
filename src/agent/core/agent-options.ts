/** Settings of an agent that its decisions depend on; names and defaults as in reference/flags.md. */
import type { AgentInfo, AgentInfoCapability } from "../../protocol/v1/types.ts";
import type { Acls } from "../../security/acls.ts";

/**
 * `equal`: none; `additive`: growth; `fitting`, our own: any that leaves enough for what runs, is
 * reserved and has volumes.
 */
export type ReconfigurationPolicy = "equal" | "additive" | "fitting";

export interface AgentOptions {
  /** Without `id`; resources and attributes complete (flags plus detection). */
  readonly info: AgentInfo;
  readonly version: string;
  readonly capabilities: readonly AgentInfoCapability[];
  /** Absolute; sandboxes lie below it. */
  readonly workDir: string;
  /** Shown as the address of tasks that share the host's network. */
  readonly ip: string;
  readonly executorRegistrationTimeoutMs: number;
  readonly executorReregistrationTimeoutMs: number;
  readonly executorShutdownGraceMs: number;
  /** The agent's own; of the master's it knows nothing. */
  readonly acls: Acls;
  /** Run tasks as their own user; needs root. */
  readonly isUserSwitched: boolean;
  /** An isolator enforces `TaskInfo.limits`; without one such tasks are refused. */
  readonly areLimitsEnforced: boolean;
  /** Which changes of the agent's own description a restart may bring (semantics 7.7). */
  readonly reconfigurationPolicy: ReconfigurationPolicy;
}

/** What agents advertise unless `--agent_features` says otherwise (semantics 2.9). */
export const DEFAULT_CAPABILITIES: readonly AgentInfoCapability[] = [
  { type: "MULTI_ROLE" },
  { type: "HIERARCHICAL_ROLE" },
  { type: "RESERVATION_REFINEMENT" },
  { type: "RESOURCE_PROVIDER" },
  { type: "RESIZE_VOLUME" },
  { type: "AGENT_OPERATION_FEEDBACK" },
  { type: "AGENT_DRAINING" },
  { type: "TASK_RESOURCE_LIMITS" },
];
