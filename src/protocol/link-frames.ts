/**
 * What an agent and the leading master say to each other over their one WebSocket (DESIGN §6).
 * Messages are the cores' business; `LinkFrame` is what really travels: messages in batches, the
 * handshake, heartbeats, credit and multiplexed streams. Source: semantics 2.3–2.8 for meaning.
 *
 * Commands (master to agent) are numbered per agent and epoch, carried out exactly once and in
 * order: the agent keeps the last number in the same transaction as the command's result and tells
 * it when it registers; the master resends what is above it.
 */
import type {
  AgentInfo,
  AgentInfoCapability,
  DrainConfig,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  MasterInfo,
  OfferOperation,
  OperationStatus,
  Resource,
  Task,
  TaskGroupInfo,
  TaskInfo,
  TaskState,
  TaskStatus,
} from "./v1/types.ts";

/** A task as the agent tells it at registration: what it is plus which framework may see what. */
export interface ReportedTask {
  /** `state` is the newest the agent knows; `status_update_state`/`uuid` is the head of the stream. */
  readonly task: Task;
}

/** An executor that holds resources on the agent (not the generated command executors). */
export interface ReportedExecutor {
  readonly frameworkId: string;
  readonly executorInfo: ExecutorInfo;
}

/**
 * An operation on an agent's resources (reservation, volume) as both sides keep it: until its last
 * status is acknowledged.
 */
export interface AgentOperation {
  /** Base64 of 16 bytes, the master's; unlike `info.id` always there. */
  readonly uuid: string;
  /** Undefined when an operator asked for it. */
  readonly frameworkId: string | undefined;
  /** Resources in it are post-refinement and, for a framework's, allocated. */
  readonly info: OfferOperation;
}

/** Newest status of an operation; sent again until acknowledged. */
export interface ReportedOperation {
  readonly operation: AgentOperation;
  readonly status: OperationStatus;
}

/** Agent asks to be admitted, or returns with all it runs. */
export interface RegisterMessage {
  readonly kind: "register";
  /** Without `id` on the first registration. `resources` are what the agent was started with. */
  readonly agentInfo: AgentInfo;
  /** Resources that were reserved or made volumes since, unallocated; they replace a part of those. */
  readonly checkpointedResources: readonly Resource[];
  /** As in `oversubscribedChanged`; none when undefined. */
  readonly oversubscribedResources?: readonly Resource[] | undefined;
  /** It takes no new tasks by an order to drain; left out when it does. */
  readonly isDraining?: boolean | undefined;
  readonly version: string;
  readonly capabilities: readonly AgentInfoCapability[];
  /** Number of the last command of `epoch` whose result is on the agent's disk; 0 when none. */
  readonly lastCommand: number;
  /** Epoch (master id) that `lastCommand` belongs to. */
  readonly epoch: string | undefined;
  readonly frameworks: readonly FrameworkInfo[];
  readonly executors: readonly ReportedExecutor[];
  readonly tasks: readonly ReportedTask[];
  /** Those whose last status is not acknowledged. */
  readonly operations: readonly ReportedOperation[];
}

export type AgentToMaster =
  | RegisterMessage
  /** This command and all before it are carried out. */
  | { readonly kind: "commandDone"; readonly number: number }
  /** Head of a task's update stream; resent with back-off until acknowledged by a command. */
  | {
      readonly kind: "statusUpdate";
      readonly frameworkId: string;
      readonly status: TaskStatus;
      readonly latestState: TaskState;
    }
  | {
      readonly kind: "executorExited";
      readonly frameworkId: string;
      readonly executorId: string;
      /** Raw wait status. */
      readonly status: number;
    }
  | {
      readonly kind: "executorMessage";
      readonly frameworkId: string;
      readonly executorId: string;
      readonly data: string;
    }
  | ({ readonly kind: "operationStatus" } & ReportedOperation)
  /** As in the registration; what the master believed is void. */
  | {
      readonly kind: "resourcesChanged";
      readonly resources: readonly Resource[];
      readonly checkpointedResources: readonly Resource[];
    }
  /** All that may be given beyond what the agent has, in use or not; revocable scalars. */
  | { readonly kind: "oversubscribedChanged"; readonly resources: readonly Resource[] }
  /** `shortage`: why the agent takes no tasks for now; left out when it does. */
  | { readonly kind: "pong"; readonly number: number; readonly shortage?: string | undefined }
  | { readonly kind: "unregister" };

/** Something the agent must do exactly once. */
export type AgentCommand =
  | {
      readonly kind: "runTask";
      readonly framework: FrameworkInfo;
      readonly task: TaskInfo;
      /** The master counts the task's executor as new: see `launchesExecutor` of a group. */
      readonly launchesExecutor: boolean;
    }
  | {
      readonly kind: "runTaskGroup";
      readonly framework: FrameworkInfo;
      readonly executor: ExecutorInfo;
      readonly taskGroup: TaskGroupInfo;
      /**
       * True when what the executor holds was taken from the offers just now: if it cannot be
       * launched, the agent must say that it exited. False when it runs: if it does not, the tasks
       * must not start, because nothing is set aside for their executor any more.
       */
      readonly launchesExecutor: boolean;
    }
  | {
      readonly kind: "killTask";
      readonly frameworkId: string;
      readonly taskId: string;
      readonly killPolicy?: KillPolicy | undefined;
    }
  | {
      readonly kind: "acknowledgeUpdate";
      readonly frameworkId: string;
      readonly taskId: string;
      /** Base64 of the 16 raw bytes. */
      readonly uuid: string;
    }
  | {
      readonly kind: "shutdownExecutor";
      readonly frameworkId: string;
      readonly executorId: string;
    }
  | { readonly kind: "shutdownFramework"; readonly frameworkId: string }
  | { readonly kind: "updateFramework"; readonly framework: FrameworkInfo }
  | {
      readonly kind: "frameworkMessage";
      readonly frameworkId: string;
      readonly executorId: string;
      readonly data: string;
    }
  /** Convert resources; the status comes back reliably. */
  | { readonly kind: "applyOperation"; readonly operation: AgentOperation }
  | {
      readonly kind: "acknowledgeOperation";
      readonly operationUuid: string;
      /** Of the status. */
      readonly uuid: string;
    }
  /** End what runs, take nothing new; undefined ends a drain. */
  | { readonly kind: "drain"; readonly config: DrainConfig | undefined }
  /** The master knows these tasks, the agent did not report them: answer for each (semantics 2.4). */
  | {
      readonly kind: "reconcileTasks";
      readonly tasks: readonly {
        readonly frameworkId: string;
        readonly taskId: string;
        readonly isPartitionAware: boolean;
      }[];
    };

export type MasterToAgent =
  | {
      readonly kind: "registered";
      readonly agentId: string;
      /** Silence after which the agent looks for the master anew (75,000 by default). */
      readonly totalPingTimeoutMs: number;
      readonly isReregistration: boolean;
    }
  | { readonly kind: "command"; readonly number: number; readonly command: AgentCommand }
  /** `connected` false tells a running agent that the master does not count it as registered. */
  | {
      readonly kind: "ping";
      readonly number: number;
      readonly connected: boolean;
      /** As in the welcome, which came when there were fewer agents or more. */
      readonly reconnectSpreadMs?: number | undefined;
    }
  /** The agent must end all executors and itself (gone, or refused for good). */
  | { readonly kind: "shutdown"; readonly message: string }
  /** Registration is not possible now; try again after the link's back-off. */
  | { readonly kind: "refused"; readonly message: string };

/** First frame from the agent on a new connection. */
export interface HelloFrame {
  readonly kind: "hello";
  readonly protocol: number;
  readonly version: string;
  readonly agentId: string | undefined;
  /** As whom the agent logs in; absent: it does not. */
  readonly login?: Login | undefined;
}

/** Who somebody is, and the proof. Never logged. */
export interface Login {
  readonly principal: string;
  readonly secret: string;
}

/** Master's answer: who leads, in which epoch, and how the link is to be run. */
export interface WelcomeFrame {
  readonly kind: "welcome";
  readonly protocol: number;
  readonly version: string;
  /** The master's id, new per process; every frame carries it and older ones are ignored. */
  readonly epoch: string;
  readonly masterInfo: MasterInfo;
  readonly heartbeatMs: number;
  /** Upper bound of the jittered reconnection delay, sized by the master to its agent count. */
  readonly reconnectSpreadMs: number;
  /** Bytes the other side may have in flight before it must wait for `credit`. */
  readonly windowBytes: number;
}

/** What a stream is opened for; opened by the master's side, served by the agent. */
export type StreamRequest =
  | { readonly kind: "http"; readonly method: string; readonly path: string; readonly body: string }
  | {
      readonly kind: "tailFile";
      readonly path: string;
      readonly offset: number;
      readonly follow: boolean;
    };

export type LinkFrame<Message> =
  | HelloFrame
  | WelcomeFrame
  /** `isFinal`: trying again as it is would never do better. */
  | { readonly kind: "rejected"; readonly message: string; readonly isFinal?: boolean | undefined }
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  | { readonly kind: "heartbeat" }
  /** Returns credit for bytes consumed since the last one. */
  | { readonly kind: "credit"; readonly bytes: number }
  | { readonly kind: "streamOpen"; readonly stream: number; readonly request: StreamRequest }
  | { readonly kind: "streamData"; readonly stream: number; readonly data: Uint8Array }
  | { readonly kind: "streamCredit"; readonly stream: number; readonly bytes: number }
  | { readonly kind: "streamEnd"; readonly stream: number; readonly error: string | undefined };

/** One WebSocket message: CBOR of `[epoch, frame, frame, …]`. */
export interface LinkPacket<Message> {
  /** Empty in the agent's hello, before it knows the epoch. */
  readonly epoch: string;
  readonly frames: readonly LinkFrame<Message>[];
}
