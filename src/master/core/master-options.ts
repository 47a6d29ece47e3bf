/** Settings of a master that its decisions depend on; names and defaults as in reference/flags.md. */
import type { RegexLimits } from "../../allocator/constraint-regex.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";

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
  readonly isGpuFiltered: boolean;
  readonly minAllocatable: readonly Readonly<Record<string, number>>[];
  readonly fairSharingExcluded: ReadonlySet<string>;
  /** Operators that may follow the event stream; one more closes the oldest. */
  readonly maxOperatorStreams: number;
  readonly constraintRegexLimits: RegexLimits;
  readonly registryGcIntervalMs: number;
  readonly registryMaxAgentAgeMs: number;
  readonly registryMaxAgentCount: number;
}

/** Heartbeat period of scheduler and operator streams, seconds (http-api 3.4). */
export const HEARTBEAT_SECONDS = 15;
