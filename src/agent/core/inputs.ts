/**
 * Everything that can happen to an agent, as one union. The runtime (or the simulator) turns the
 * outside world into these and hands them to `AgentCore.step` one at a time.
 */
import type { ContainerId } from "../../base/ids.ts";
import type { MasterToAgent } from "../../protocol/link-frames.ts";
import type { ExecutorCall, NetworkInfo, Resource, TaskState } from "../../protocol/v1/types.ts";
import type { CheckpointState } from "./checkpoint-state.ts";
import type { ContainerTermination } from "./container-termination.ts";
import type { ContainerCall, ContainerCaller } from "./containers/container-calls.ts";

export type AgentTimer =
  | { readonly kind: "retryUpdate"; readonly frameworkId: string; readonly taskId: string }
  | { readonly kind: "retryOperation"; readonly operationUuid: string }
  | { readonly kind: "register" }
  | { readonly kind: "pingTimeout" }
  | { readonly kind: "executorRegistration"; readonly containerId: ContainerId }
  | { readonly kind: "executorShutdown"; readonly containerId: ContainerId };

export type AgentInput =
  /** First input ever. `alive` are containers of ours found running; others are known to be over. */
  | {
      readonly kind: "recovered";
      readonly checkpoint: CheckpointState;
      readonly bootId: string;
      readonly alive: ReadonlySet<string>;
      /** Ends that happened while the agent was away, by container id. */
      readonly terminations: ReadonlyMap<string, ContainerTermination>;
    }
  | { readonly kind: "linkUp"; readonly epoch: string }
  | { readonly kind: "linkDown" }
  | { readonly kind: "masterMessage"; readonly message: MasterToAgent }
  | {
      readonly kind: "containerLaunched";
      readonly containerId: ContainerId;
      readonly pid: number;
      /** Left out for a container on the agent's own network. */
      readonly networkInfos?: readonly NetworkInfo[] | undefined;
    }
  | {
      readonly kind: "containerLaunchFailed";
      readonly containerId: ContainerId;
      readonly message: string;
      /** No containerizer runs containers of that type. */
      readonly isUnsupported?: boolean;
    }
  | {
      readonly kind: "containerUpdateFailed";
      readonly containerId: ContainerId;
      readonly message: string;
    }
  /** After the built-in executor of the container, if any, has had its last word. */
  | {
      readonly kind: "containerTerminated";
      readonly containerId: ContainerId;
      readonly termination: ContainerTermination;
    }
  /** A built-in executor wants its task killed, by the task's own kill policy. */
  | { readonly kind: "killRequested"; readonly frameworkId: string; readonly taskId: string }
  | {
      readonly kind: "executorCall";
      readonly requestId: number;
      readonly call: ExecutorCall;
    }
  | {
      readonly kind: "containerCall";
      readonly requestId: number;
      readonly call: ContainerCall;
      readonly caller: ContainerCaller;
    }
  /** Whoever made that call has gone, without its answer. */
  | { readonly kind: "containerCallLeft"; readonly requestId: number }
  /** Whoever listened to a session has gone. */
  | { readonly kind: "sessionLeft"; readonly containerId: ContainerId }
  | {
      readonly kind: "executorDisconnected";
      readonly frameworkId: string;
      readonly executorId: string;
    }
  /** The disk has no room for another task, or has it again. */
  | { readonly kind: "diskShortage"; readonly message: string | undefined }
  /** An estimate: revocable scalars that are in use, and those that may be given beside them. */
  | { readonly kind: "oversubscribable"; readonly resources: readonly Resource[] }
  /** Containers that must give their revocable resources back. */
  | { readonly kind: "qosCorrections"; readonly containerIds: readonly ContainerId[] }
  | { readonly kind: "timer"; readonly timer: AgentTimer };

/** Terminal means the task has ended for good (semantics 6.1). */
export function isTerminalState(state: TaskState): boolean {
  switch (state) {
    case "TASK_FINISHED":
    case "TASK_FAILED":
    case "TASK_KILLED":
    case "TASK_LOST":
    case "TASK_ERROR":
    case "TASK_DROPPED":
    case "TASK_GONE":
    case "TASK_GONE_BY_OPERATOR":
      return true;
    default:
      return false;
  }
}
