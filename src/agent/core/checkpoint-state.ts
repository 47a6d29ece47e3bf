/**
 * What the agent must remember across its own death (DESIGN §7), as plain data, and the changes to
 * it. A change is on disk before any other effect of the same step is visible to anyone.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { ReportedOperation } from "../../protocol/link-frames.ts";
import type {
  AgentInfo,
  CommandInfo,
  ContainerID,
  ContainerInfo,
  DrainConfig,
  ExecutorInfo,
  FrameworkInfo,
  Resource,
  TaskGroupInfo,
  TaskInfo,
  TaskState,
  TaskStatus,
  TaskStatusReason,
  ValueScalar,
} from "../../protocol/v1/types.ts";
import type { ContainerTermination } from "./container-termination.ts";

export interface CheckpointedFramework {
  readonly framework: FrameworkInfo;
}

export interface CheckpointedExecutor {
  readonly frameworkId: string;
  readonly executorId: string;
  readonly containerId: string;
  /** For a command task: the generated one, id equal to the task's. */
  readonly executor: ExecutorInfo;
  readonly isCommandExecutor: boolean;
  /** Sandbox, absolute. */
  readonly directory: string;
  /** Set for a task of a default executor: see `ExecutorState`. */
  readonly parentId: string | undefined;
  /** Set before it is destroyed, so that its end is told for what it was even after a restart. */
  readonly pendingEnd: PendingEnd | undefined;
}

/** Why an executor that is being destroyed ends. `gone`: GONE, or LOST by partition awareness. */
export interface PendingEnd {
  readonly state: "TASK_FAILED" | "TASK_KILLED" | "gone";
  readonly reason: TaskStatusReason;
  readonly message: string;
}

/** A container that a call of the operator API launched. */
export interface CheckpointedContainer {
  /** The containerizer's; operators know it by `id`. */
  readonly containerId: ContainerId;
  readonly id: ContainerID;
  /** Of `id`: see containers/container-names.ts. */
  readonly name: string;
  /** Container of the executor at its root; undefined when a standalone one is there. */
  readonly owner: ContainerId | undefined;
  /** What it is nested in; undefined for a standalone one. */
  readonly parentId: ContainerId | undefined;
  readonly command: CommandInfo | undefined;
  readonly container: ContainerInfo | undefined;
  readonly resources: readonly Resource[];
  readonly limits: Readonly<Record<string, ValueScalar>> | undefined;
  /** Whom it runs as; undefined for the agent's own user. */
  readonly user: string | undefined;
  /** Sandbox, absolute; a session's is its parent's. */
  readonly directory: string;
  readonly isSession: boolean;
  readonly isCheckpointed: boolean;
  readonly termination: ContainerTermination | undefined;
}

/** A task that is not yet forgotten: alive, or ended with updates still unacknowledged. */
export interface CheckpointedTask {
  readonly frameworkId: string;
  readonly taskId: string;
  readonly executorId: string;
  readonly info: TaskInfo;
  /** Set for the members of a task group. */
  readonly taskGroup: TaskGroupInfo | undefined;
  /** Newest state known here. */
  readonly state: TaskState;
  /** Set once a kill was asked for, so that a later end reads TASK_KILLED even after a restart. */
  readonly kill: { readonly graceMs: number; readonly atMs: number } | undefined;
  /** What its checks were last told to have found, so that only news is told after a restart. */
  readonly checked: CheckedStatus | undefined;
  /** Its newest status, without `data`: a master that has just started learns it from us. */
  readonly status: TaskStatus | undefined;
}

/** What a status changes of a task. */
export type CheckpointedStatus = Pick<
  CheckpointedTask,
  "frameworkId" | "taskId" | "state" | "checked" | "status"
>;

/** The part of a status that checks are the source of, and what they go on from. */
export type CheckedStatus = Pick<TaskStatus, "healthy" | "check_status"> & {
  /** Failed health checks in a row; left out for none. */
  readonly failures?: number | undefined;
};

/** One status update of a task's stream, in order of `sequence`. */
export interface CheckpointedUpdate {
  readonly frameworkId: string;
  readonly taskId: string;
  readonly sequence: number;
  readonly status: TaskStatus;
  /** Kept, in front of those that are not, as long as the executor may send it again. */
  readonly isAcknowledged: boolean;
}

/** Everything on disk, as read at recovery. */
export interface CheckpointState {
  readonly agentInfo: AgentInfo | undefined;
  /** Of the host's boot during which it was written; differs after a reboot. */
  readonly bootId: string | undefined;
  readonly epoch: string | undefined;
  readonly lastCommand: number;
  readonly frameworks: readonly CheckpointedFramework[];
  readonly executors: readonly CheckpointedExecutor[];
  readonly tasks: readonly CheckpointedTask[];
  /** In stream order per task. */
  readonly updates: readonly CheckpointedUpdate[];
  /** Reservations and volumes, unallocated. */
  readonly resources: readonly Resource[];
  /** In the order they were first put. */
  readonly operations: readonly ReportedOperation[];
  /** In the order they were first put. */
  readonly containers: readonly CheckpointedContainer[];
  /** Set while draining. */
  readonly drain: DrainConfig | undefined;
}

/** One change; all changes of a batch are one transaction. `put…` inserts or replaces. */
export type CheckpointOperation =
  | { readonly kind: "putAgent"; readonly agentInfo: AgentInfo; readonly bootId: string }
  | { readonly kind: "putCommand"; readonly epoch: string; readonly number: number }
  | { readonly kind: "putFramework"; readonly framework: CheckpointedFramework }
  | { readonly kind: "removeFramework"; readonly frameworkId: string }
  | { readonly kind: "putExecutor"; readonly executor: CheckpointedExecutor }
  | { readonly kind: "removeExecutor"; readonly frameworkId: string; readonly executorId: string }
  | { readonly kind: "putTask"; readonly task: CheckpointedTask }
  /** Of a task that is on disk; does nothing when it is not. */
  | { readonly kind: "putStatus"; readonly status: CheckpointedStatus }
  | { readonly kind: "removeTask"; readonly frameworkId: string; readonly taskId: string }
  | { readonly kind: "putContainer"; readonly container: CheckpointedContainer }
  | { readonly kind: "removeContainer"; readonly containerId: ContainerId }
  /** In place of all there were. */
  | { readonly kind: "putResources"; readonly resources: readonly Resource[] }
  | { readonly kind: "putOperation"; readonly operation: ReportedOperation }
  | { readonly kind: "removeOperation"; readonly operationUuid: string }
  /** Undefined: not draining. */
  | { readonly kind: "putDrain"; readonly config: DrainConfig | undefined }
  | { readonly kind: "appendUpdate"; readonly update: CheckpointedUpdate }
  | {
      readonly kind: "acknowledgeUpdate";
      readonly frameworkId: string;
      readonly taskId: string;
      readonly sequence: number;
    }
  | {
      readonly kind: "removeUpdate";
      readonly frameworkId: string;
      readonly taskId: string;
      readonly sequence: number;
    };
