/** Settings of a master that its decisions depend on; names and defaults as in reference/flags.md. */
import type { RegexLimits } from "../../allocator/constraint-regex.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import type { Acls } from "../../security/acls.ts";

export interface MasterOptions {
  /** `id` is new for each process start and is the epoch of the agent links. */
  readonly info: MasterInfo;
  readonly cluster: string | undefined;
  readonly allocationIntervalMs: number;
  readonly agentPingTimeoutMs: number;
  readonly maxAgentPingTimeouts: number;
  readonly agentReregisterTimeoutMs: number;
  /** Undefined: offers never time out. */
  readonly offerTimeoutMs: number | undefined;
  readonly maxCompletedFrameworks: number;
  readonly maxCompletedTasksPerFramework: number;
  readonly maxUnreachableTasksPerFramework: number;
  /** Undefined: every role may be used. */
  readonly roles: ReadonlySet<string> | undefined;
  readonly isRootSubmissionAllowed: boolean;
  readonly acls: Acls;
  readonly isGpuFiltered: boolean;
  readonly minAllocatable: readonly Readonly<Record<string, number>>[];
  readonly fairSharingExcluded: ReadonlySet<string>;
  /** Operators that may follow the event stream; one more closes the oldest. */
  readonly maxOperatorStreams: number;
  readonly constraintRegexLimits: RegexLimits;
  /** `--weights`; used when the registry has none. */
  readonly weights: ReadonlyMap<string, number>;
  /** Share of the admitted agents that must be back before offers are made, if there is quota. */
  readonly allocatorAgentRecoveryFactor: number;
  readonly allocatorRecoveryTimeoutMs: number;
  /** Share of the admitted agents that may be missing after a failover, 0 to 1. */
  readonly recoveryAgentRemovalLimit: number;
  /** Least time between two agents becoming unreachable; undefined does not limit it. */
  readonly agentRemovalIntervalMs: number | undefined;
  /** Agents without a fault domain are refused. */
  readonly isAgentDomainRequired: boolean;
  /** False leaves frameworks' own figures out of the metrics. */
  readonly arePerFrameworkMetricsShown: boolean;
  /** `--rate_limits`; undefined limits nobody. */
  readonly rateLimits: RateLimits | undefined;
  readonly registryGcIntervalMs: number;
  readonly registryMaxAgentAgeMs: number;
  readonly registryMaxAgentCount: number;
}

/** How fast the calls of a principal's frameworks are carried out. */
export interface RateLimit {
  /** Least time between two calls; undefined: as they come. */
  readonly intervalMs: number | undefined;
  /** Calls that may wait; one more is refused. Undefined: as many as come. */
  readonly capacity: number | undefined;
}

export interface RateLimits {
  readonly byPrincipal: ReadonlyMap<string, RateLimit>;
  /** All frameworks without a limit of their own share it; undefined: they have none. */
  readonly aggregate: RateLimit | undefined;
}

/** Heartbeat period of scheduler and operator streams, seconds (http-api 3.4). */
export const HEARTBEAT_SECONDS = 15;
