/** The messages inside link frames, as link-frames.ts declares them, in the form of data. */
import type { AgentCommand, AgentToMaster, MasterToAgent } from "./link-frames.ts";
import {
  nameReader,
  readBase64,
  readCount,
  readFlag,
  readText,
  readWaitStatus,
} from "./link-scalars.ts";
import type { Shape, Shapes } from "./link-shapes.ts";
import type { TaskState, V1Messages } from "./v1/types.ts";

type UnionOf<Message extends { readonly kind: string }> = Readonly<Record<Message["kind"], Shapes>>;

const TASK_STATES: Readonly<Record<TaskState, true>> = {
  TASK_STAGING: true,
  TASK_STARTING: true,
  TASK_RUNNING: true,
  TASK_KILLING: true,
  TASK_FINISHED: true,
  TASK_FAILED: true,
  TASK_KILLED: true,
  TASK_ERROR: true,
  TASK_LOST: true,
  TASK_DROPPED: true,
  TASK_UNREACHABLE: true,
  TASK_GONE: true,
  TASK_GONE_BY_OPERATOR: true,
  TASK_UNKNOWN: true,
};

const text: Shape = { kind: "scalar", read: readText };
const count: Shape = { kind: "scalar", read: readCount };
const waitStatus: Shape = { kind: "scalar", read: readWaitStatus };
const flag: Shape = { kind: "scalar", read: readFlag };
const base64: Shape = { kind: "scalar", read: readBase64 };
const taskState: Shape = {
  kind: "scalar",
  read: nameReader(new Set(Object.keys(TASK_STATES)), { isRequired: true }),
};

function v1(name: keyof V1Messages): Shape {
  return { kind: "v1", name };
}

function optional(of: Shape): Shape {
  return { kind: "optional", of };
}

function listOf(of: Shape): Shape {
  return { kind: "list", of };
}

function record(fields: Shapes): Shape {
  return { kind: "record", fields };
}

const OPERATION = record({
  uuid: base64,
  frameworkId: optional(text),
  info: v1("mesos.v1.Offer.Operation"),
});
const REPORTED_OPERATION: Shapes = {
  operation: OPERATION,
  status: v1("mesos.v1.OperationStatus"),
};
const RESOURCES = listOf(v1("mesos.v1.Resource"));

/** What agents say. */
export const AGENT_MESSAGES: UnionOf<AgentToMaster> = {
  register: {
    agentInfo: v1("mesos.v1.AgentInfo"),
    checkpointedResources: RESOURCES,
    oversubscribedResources: optional(RESOURCES),
    isDraining: optional(flag),
    version: text,
    capabilities: listOf(v1("mesos.v1.AgentInfo.Capability")),
    lastCommand: count,
    epoch: optional(text),
    frameworks: listOf(v1("mesos.v1.FrameworkInfo")),
    executors: listOf(record({ frameworkId: text, executorInfo: v1("mesos.v1.ExecutorInfo") })),
    tasks: listOf(record({ task: v1("mesos.v1.Task") })),
    operations: listOf(record(REPORTED_OPERATION)),
  },
  commandDone: { number: count },
  statusUpdate: {
    frameworkId: text,
    status: v1("mesos.v1.TaskStatus"),
    latestState: taskState,
  },
  executorExited: { frameworkId: text, executorId: text, status: waitStatus },
  executorMessage: { frameworkId: text, executorId: text, data: base64 },
  operationStatus: REPORTED_OPERATION,
  resourcesChanged: { resources: RESOURCES, checkpointedResources: RESOURCES },
  oversubscribedChanged: { resources: RESOURCES },
  pong: { number: count, shortage: optional(text) },
  unregister: {},
};

const COMMANDS: UnionOf<AgentCommand> = {
  runTask: {
    framework: v1("mesos.v1.FrameworkInfo"),
    task: v1("mesos.v1.TaskInfo"),
    launchesExecutor: flag,
  },
  runTaskGroup: {
    framework: v1("mesos.v1.FrameworkInfo"),
    executor: v1("mesos.v1.ExecutorInfo"),
    taskGroup: v1("mesos.v1.TaskGroupInfo"),
    launchesExecutor: flag,
  },
  killTask: {
    frameworkId: text,
    taskId: text,
    killPolicy: optional(v1("mesos.v1.KillPolicy")),
  },
  acknowledgeUpdate: { frameworkId: text, taskId: text, uuid: base64 },
  shutdownExecutor: { frameworkId: text, executorId: text },
  shutdownFramework: { frameworkId: text },
  updateFramework: { framework: v1("mesos.v1.FrameworkInfo") },
  frameworkMessage: { frameworkId: text, executorId: text, data: base64 },
  applyOperation: { operation: OPERATION },
  acknowledgeOperation: { operationUuid: base64, uuid: base64 },
  drain: { config: optional(v1("mesos.v1.DrainConfig")) },
  reconcileTasks: {
    tasks: listOf(record({ frameworkId: text, taskId: text, isPartitionAware: flag })),
  },
};

/** What the master says. */
export const MASTER_MESSAGES: UnionOf<MasterToAgent> = {
  registered: { agentId: text, totalPingTimeoutMs: count, isReregistration: flag },
  command: { number: count, command: { kind: "union", shapes: COMMANDS } },
  ping: { number: count, connected: flag, reconnectSpreadMs: optional(count) },
  shutdown: { message: text },
  refused: { message: text },
};
