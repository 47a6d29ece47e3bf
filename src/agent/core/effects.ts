/**
 * Everything an agent core can ask for. Order rule: all `checkpoint` effects of a batch of steps
 * are made durable in one transaction first, then the other effects run in the order given. If the
 * transaction fails the process stops; nothing of the batch has then been visible to anyone.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { LogLevel } from "../../base/ports.ts";
import type { Result } from "../../base/result.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type {
  ExecutorEvent,
  ExecutorInfo,
  FrameworkInfo,
  Resource,
  TaskInfo,
} from "../../protocol/v1/types.ts";
import type {
  CheckedStatus,
  CheckpointedContainer,
  CheckpointOperation,
} from "./checkpoint-state.ts";
import type { ContainerAnswer } from "./containers/container-calls.ts";
import type { AgentTimer } from "./inputs.ts";

/** All a containerizer needs to start an executor's container. */
export interface ContainerLaunch {
  readonly containerId: ContainerId;
  readonly frameworkId: string;
  readonly executorId: string;
  readonly framework: FrameworkInfo;
  readonly executor: ExecutorInfo;
  /** Set when the container is the task itself (command executor inside the agent). */
  readonly commandTask: TaskInfo | undefined;
  /** The executor's and those of its tasks. */
  readonly resources: readonly Resource[];
  /** Sandbox, absolute; made by the containerizer. */
  readonly directory: string;
  /**
   * Set for a task of a default executor: the container without a process that it is nested in, whose
   * sandbox its own lies in and whose network it shares.
   */
  readonly groupId: ContainerId | undefined;
  /** User to run as; undefined when the agent does not switch users. */
  readonly user: string | undefined;
}

export type AgentEffect =
  | { readonly kind: "checkpoint"; readonly operation: CheckpointOperation }
  /** Dropped silently when there is no link; state is told anew at registration. */
  | { readonly kind: "send"; readonly message: AgentToMaster }
  /** The link is no longer trusted (ping silence, refused): close it and detect the master anew. */
  | { readonly kind: "reconnect"; readonly reason: string }
  | { readonly kind: "launchContainer"; readonly launch: ContainerLaunch }
  /** A container found alive at recovery: watch it, and give a command task its executor back. */
  | {
      readonly kind: "adoptContainer";
      readonly launch: ContainerLaunch;
      /** Kill that was under way, with the grace left counted from `atMs`. */
      readonly kill: { readonly graceMs: number; readonly atMs: number } | undefined;
      /** False when RUNNING has not been reported yet. */
      readonly isRunningReported: boolean;
      /** What the task's checks were last told to have found. */
      readonly checked: CheckedStatus | undefined;
    }
  /** The tasks of a custom executor have changed; `containerUpdateFailed` says when it fails. */
  | {
      readonly kind: "updateContainer";
      readonly containerId: ContainerId;
      readonly resources: readonly Resource[];
    }
  | { readonly kind: "launchApiContainer"; readonly container: CheckpointedContainer }
  /** Found alive at recovery: watch it. */
  | { readonly kind: "adoptApiContainer"; readonly container: CheckpointedContainer }
  /** Any signal but SIGKILL, to everything in the container. */
  | {
      readonly kind: "signalContainer";
      readonly containerId: ContainerId;
      readonly signal: number;
    }
  /** The folder with all that is in it. */
  | { readonly kind: "removeSandbox"; readonly directory: string }
  /** Answers a `containerCall`. */
  | {
      readonly kind: "respondContainer";
      readonly requestId: number;
      readonly outcome: Result<ContainerAnswer>;
    }
  /** SIGKILL to everything in the container; ends with a `containerTerminated`. */
  | { readonly kind: "destroyContainer"; readonly containerId: ContainerId }
  /** The executor is over and acknowledged: release what the container holds outside its sandbox. */
  | {
      readonly kind: "cleanupContainer";
      readonly containerId: ContainerId;
      readonly directory: string;
    }
  /** Make the folder of a persistent volume, empty and the framework's to use. */
  | { readonly kind: "createVolume"; readonly volume: Resource }
  /** Move the folder of a persistent volume to the trash, from where an operator can take it back. */
  | { readonly kind: "removeVolume"; readonly volume: Resource }
  /** To a built-in executor or to the stream of a custom one. */
  | {
      readonly kind: "executorEvent";
      readonly frameworkId: string;
      readonly executorId: string;
      readonly event: ExecutorEvent;
    }
  | { readonly kind: "respond"; readonly requestId: number; readonly outcome: Result<void> }
  /** Replaces a timer of the same value; fires as a `timer` input at `atMs`. */
  | { readonly kind: "setTimer"; readonly timer: AgentTimer; readonly atMs: number }
  | { readonly kind: "cancelTimer"; readonly timer: AgentTimer }
  /** End the agent process: shut down by the master, or all executors are gone after that. */
  | { readonly kind: "exit"; readonly reason: string }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
