/**
 * The agent's state as plain data: frameworks hold executors, executors hold tasks, and each task
 * with unacknowledged updates has a stream. Only the files of this folder change it.
 *
 * | executor    | from        | when                                                      |
 * |-------------|-------------|-----------------------------------------------------------|
 * | registering | –           | container asked for (custom: until it has subscribed)     |
 * | running     | registering | command task's process runs, or custom one has subscribed |
 * | terminating | both        | shut down, or being destroyed                             |
 * | terminated  | all         | its container is over; waits for acknowledgements         |
 */
import type { ContainerId } from "../../base/ids.ts";
import type { ReportedOperation } from "../../protocol/link-frames.ts";
import type {
  AgentInfo,
  DrainConfig,
  ExecutorInfo,
  FrameworkInfo,
  NetworkInfo,
  Resource,
  Task,
  TaskGroupInfo,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "../../protocol/v1/types.ts";
import type { CheckedStatus, CheckpointedContainer, PendingEnd } from "./checkpoint-state.ts";
import type { ContainerTermination } from "./container-termination.ts";
import type { AgentCounters } from "./counters.ts";

/**
 * `recovering` until everything found on disk is settled; `terminating` after the master's
 * shutdown; `stopped` once the process was asked to exit, after which nothing happens any more.
 */
export type AgentPhase = "recovering" | "disconnected" | "running" | "terminating" | "stopped";

export interface AgentState {
  phase: AgentPhase;
  /** With `id` once the master has given one. */
  info: AgentInfo;
  bootId: string;
  /** Epoch `lastCommand` belongs to. */
  epoch: string | undefined;
  lastCommand: number;
  isLinkUp: boolean;
  registerRetryMs: number;
  pingTimeoutMs: number;
  /** In order of arrival. */
  readonly frameworks: Map<string, FrameworkState>;
  /** Oldest first, bounded. */
  readonly completedFrameworks: CompletedFramework[];
  /** By `streamKey`; tasks the agent does not have may have one too. */
  readonly streams: Map<string, UpdateStream>;
  /** Executor of each container that is not over, and those over but not yet removed. */
  readonly containers: Map<ContainerId, ExecutorState>;
  /** Launched by calls of the operator API; also those over that can still be asked about. */
  readonly apiContainers: Map<ContainerId, ApiContainer>;
  /** Requests that wait for the end of a container, by its name. */
  readonly waiters: Map<string, number[]>;
  readonly counters: AgentCounters;
  /** Reserved or made volumes since the agent was new; they replace a part of `info.resources`. */
  checkpointedResources: readonly Resource[];
  /** Found last: revocable resources in use and those that may be given beside them. */
  oversubscribable: readonly Resource[];
  /** Those last told to the master; all registrations on one link tell the same. */
  oversubscribed: readonly Resource[];
  /** By operation uuid; those whose status is not acknowledged. */
  readonly operations: Map<string, OperationRecord>;
  /** Why no task can be taken; undefined when the disk has room. */
  diskShortage: string | undefined;
  /** Set while the agent ends what it runs for an operator. */
  drain: DrainConfig | undefined;
  /** When it began, or the agent started again meanwhile; as far as is known. */
  drainStartMs: number | undefined;
}

/** Launched by a call of the operator API. What does not change is on disk as it is. */
export interface ApiContainer extends CheckpointedContainer {
  phase: "launching" | "running" | "destroying" | "over";
  termination: ContainerTermination | undefined;
  /** Requests that wait for the launch. */
  readonly launches: number[];
}

export interface OperationRecord extends ReportedOperation {
  /** Delay until the status is sent again. */
  retryMs: number;
}

export interface FrameworkState {
  readonly frameworkId: string;
  info: FrameworkInfo;
  readonly executors: Map<string, ExecutorState>;
  /** Every task of every executor, by task id. */
  readonly tasks: Map<string, TaskRecord>;
  /** Oldest first, bounded. */
  readonly completedExecutors: CompletedExecutor[];
}

export type ExecutorPhase = "registering" | "running" | "terminating" | "terminated";

export interface ExecutorState {
  readonly frameworkId: string;
  readonly executorId: string;
  readonly containerId: ContainerId;
  /**
   * Of the container that tasks of one default executor are nested in, which is nothing but a name
   * and a folder. Undefined for all others.
   */
  readonly parentId: ContainerId | undefined;
  readonly info: ExecutorInfo;
  readonly isCommandExecutor: boolean;
  readonly directory: string;
  phase: ExecutorPhase;
  /** The master has settled its tasks without us: it holds none any more and nothing of it is told. */
  isDisowned: boolean;
  /** Found alive at recovery and not heard of since (custom executors only). */
  isAwaited: boolean;
  /** It was given a task at least once. */
  hasHadTask: boolean;
  pid: number | undefined;
  /** Of a container that is not on the agent's own network, once it runs. */
  networkInfos?: readonly NetworkInfo[] | undefined;
  /** Decided before the container is over: what its live tasks will end as. */
  pendingEnd: PendingEnd | undefined;
  readonly tasks: Map<string, TaskRecord>;
  /** Oldest first, bounded. */
  readonly completedTasks: Task[];
}

export interface TaskRecord {
  readonly taskId: string;
  readonly executorId: string;
  readonly info: TaskInfo;
  readonly taskGroup: TaskGroupInfo | undefined;
  state: TaskState;
  /** Not yet given to its executor. */
  isQueued: boolean;
  kill: { readonly graceMs: number; readonly atMs: number } | undefined;
  /** What its checks have last found. */
  checked: CheckedStatus | undefined;
  /** One entry per change of state, oldest first, without `data`; bounded. */
  readonly statuses: TaskStatus[];
  /** Last update sent to the master. */
  forwarded: { readonly state: TaskState; readonly uuid: string | undefined } | undefined;
}

/** Updates of one task that are not acknowledged, first in first out; the head is in flight. */
export interface UpdateStream {
  readonly frameworkId: string;
  readonly taskId: string;
  /** False for frameworks that do not checkpoint: their tasks end with the agent process. */
  readonly isCheckpointed: boolean;
  readonly pending: PendingUpdate[];
  nextSequence: number;
  latestState: TaskState;
  /** Delay until the head is sent again. */
  retryMs: number;
  /** Oldest first, bounded. */
  readonly acknowledged: AcknowledgedUpdate[];
}

/** Kept so that an executor that sends it again, even after a restart of the agent, tells no news. */
export interface AcknowledgedUpdate {
  readonly uuid: string;
  /** Set for one that is still on disk. */
  readonly sequence: number | undefined;
}

export interface PendingUpdate {
  readonly sequence: number;
  readonly status: TaskStatus;
  /** About what it takes on the link. */
  readonly bytes: number;
}

export interface CompletedExecutor {
  readonly info: ExecutorInfo;
  readonly containerId: ContainerId;
  readonly isCommandExecutor: boolean;
  readonly directory: string;
  readonly tasks: readonly Task[];
}

export interface CompletedFramework {
  readonly info: FrameworkInfo;
  readonly executors: readonly CompletedExecutor[];
}

/** Key of a task's stream. Task ids hold no slash, so two tasks never share one. */
export function streamKey(frameworkId: string, taskId: string): string {
  return `${frameworkId}/${taskId}`;
}

/**
 * True for one task of a default executor. There is no executor process: each task of a group has a
 * container of its own, kept under `memberKey`, and all of an executor's are one to the outside.
 */
export function isGroupMember({ isCommandExecutor, info }: ExecutorState): boolean {
  return isCommandExecutor && info.type === "DEFAULT";
}

/** Where a task of a default executor is kept among its framework's executors; ids hold no slash. */
export function memberKey(executorId: string, taskId: string): string {
  return `${executorId}/${taskId}`;
}

/** The id under which everybody outside the agent knows the executor. */
export function shownExecutorId({ info }: ExecutorState): string {
  return info.executor_id.value;
}

/** What still runs, or is about to, of a default executor. */
export function liveMembers(framework: FrameworkState, executorId: string): ExecutorState[] {
  return [...framework.executors.values()].filter(
    (executor) =>
      isGroupMember(executor) &&
      shownExecutorId(executor) === executorId &&
      executor.phase !== "terminated" &&
      !executor.isDisowned,
  );
}

/** True when what belongs to the framework outlives the agent process. */
export function isCheckpointing(info: FrameworkInfo): boolean {
  return info.checkpoint === true;
}

/** True when the framework wants the states of partition-aware frameworks (semantics 6.3). */
export function isPartitionAware(info: FrameworkInfo): boolean {
  return (info.capabilities ?? []).some((capability) => capability.type === "PARTITION_AWARE");
}
