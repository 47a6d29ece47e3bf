/**
 * Checks the messages inside link frames when they arrive, field by field, with the v1 messages in
 * them checked by the codec. What passes is exactly a message of link-frames.ts.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { canonicalBase64 } from "./base64.ts";
import type { Codec } from "./codec.ts";
import type { AgentCommand, AgentToMaster, MasterToAgent, StreamRequest } from "./link-frames.ts";
import type { TaskState, V1Messages } from "./v1/types.ts";

/** Gives back the checked value; throws `BadLinkValue`, whose path each level completes. */
type Check = (value: unknown, codec: Codec) => unknown;
type Shape = Readonly<Record<string, Check>>;
type Shapes = ReadonlyMap<string, Check>;

/** Checks one message that came from an agent. Errors: `invalid`, naming the path. */
export function checkAgentMessage(value: unknown, codec: Codec): Result<AgentToMaster> {
  return run<AgentToMaster>(AGENT_MESSAGE, value, "message", codec);
}

/** Checks one message that came from the master. Errors: `invalid`, naming the path. */
export function checkMasterMessage(value: unknown, codec: Codec): Result<MasterToAgent> {
  return run<MasterToAgent>(MASTER_MESSAGE, value, "message", codec);
}

/** Checks what a stream is opened for. Errors: `invalid`, naming the path. */
export function checkStreamRequest(value: unknown, codec: Codec): Result<StreamRequest> {
  return run<StreamRequest>(STREAM_REQUEST, value, "request", codec);
}

/** Thrown by checks; paths are put together only then, as a registration has 100,000 values. */
class BadLinkValue extends Error {
  override readonly name: string = "BadLinkValue";
  /** From the innermost outwards: `.name` or `[index]`. */
  readonly path: string[] = [];
}

function run<T>(check: Check, value: unknown, root: string, codec: Codec): Result<T> {
  try {
    return ok(check(value, codec) as T);
  } catch (error) {
    if (!(error instanceof BadLinkValue)) throw error;
    const path = root + error.path.reverse().join("");
    return refuse("invalid", `${path}: ${error.message}`, path);
  }
}

/** Runs the check of a part; what it throws learns where the part is. */
function checkPart(check: Check, value: unknown, codec: Codec, name: string | number): unknown {
  try {
    return check(value, codec);
  } catch (error) {
    if (error instanceof BadLinkValue) {
      error.path.push(typeof name === "number" ? `[${name}]` : `.${name}`);
    }
    throw error;
  }
}

const text: Check = (value) => {
  if (typeof value === "string" && value.isWellFormed()) return value;
  throw new BadLinkValue("Expecting text");
};

const count: Check = (value) => {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return value;
  throw new BadLinkValue("Expecting a whole number, 0 or more");
};

/** Raw status of a process; -1 when nobody saw how it ended. */
const waitStatus: Check = (value, codec) => (value === -1 ? value : count(value, codec));

const flag: Check = (value) => {
  if (typeof value === "boolean") return value;
  throw new BadLinkValue("Expecting true or false");
};

/** Canonical base64, as every `bytes` field has; it goes into v1 messages unchanged. */
const base64: Check = (value) => {
  const canonical = typeof value === "string" ? canonicalBase64(value) : undefined;
  if (canonical !== undefined) return canonical;
  throw new BadLinkValue("Expecting base64");
};

const taskState: Check = (value) => {
  if (typeof value === "string" && Object.hasOwn(TASK_STATES, value)) return value;
  throw new BadLinkValue("Expecting the name of a task state");
};

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

function v1(name: keyof V1Messages): Check {
  return (value, codec) => {
    const result = codec.fromJson(name, value);
    if (result.ok) return result.value;
    const bad = new BadLinkValue(result.error.message);
    if (result.error.field !== undefined) bad.path.push(`.${result.error.field}`);
    throw bad;
  };
}

function optional(check: Check): Check {
  return (value, codec) =>
    value === undefined || value === null ? undefined : check(value, codec);
}

function listOf(check: Check): Check {
  return (value, codec) => {
    if (!Array.isArray(value)) throw new BadLinkValue("Expecting a list");
    const items: unknown[] = [];
    for (let index = 0; index < value.length; index++) {
      items.push(checkPart(check, value[index], codec, index));
    }
    return items;
  };
}

function record(shape: Shape): Check {
  const fields = Object.entries(shape);
  return (value, codec) => {
    if (typeof value !== "object" || value === null) throw new BadLinkValue("Expecting a record");
    const source = value as Readonly<Record<string, unknown>>;
    const checked: Record<string, unknown> = {};
    for (const [name, check] of fields) {
      const result = checkPart(check, source[name], codec, name);
      if (result !== undefined) checked[name] = result;
    }
    return checked;
  };
}

/** A record whose `kind` says which of the shapes it has. */
function union<Kind extends string>(shapes: Readonly<Record<Kind, Shape>>): Check {
  const checks: Shapes = new Map(
    Object.entries<Shape>(shapes).map(([kind, shape]) => [
      kind,
      record({ kind: (value) => value, ...shape }),
    ]),
  );
  return (value, codec) => {
    const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : "";
    const check = typeof kind === "string" ? checks.get(kind) : undefined;
    if (check !== undefined) return check(value, codec);
    const bad = new BadLinkValue(`Expecting one of ${[...checks.keys()].join(", ")}`);
    bad.path.push(".kind");
    throw bad;
  };
}

const OPERATION = record({
  uuid: base64,
  frameworkId: optional(text),
  info: v1("mesos.v1.Offer.Operation"),
});
const REPORTED_OPERATION: Shape = {
  operation: OPERATION,
  status: v1("mesos.v1.OperationStatus"),
};
const RESOURCES = listOf(v1("mesos.v1.Resource"));

const AGENT_MESSAGE = union<AgentToMaster["kind"]>({
  register: {
    agentInfo: v1("mesos.v1.AgentInfo"),
    checkpointedResources: RESOURCES,
    oversubscribedResources: optional(RESOURCES),
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
});

const COMMAND = union<AgentCommand["kind"]>({
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
});

const MASTER_MESSAGE = union<MasterToAgent["kind"]>({
  registered: { agentId: text, totalPingTimeoutMs: count, isReregistration: flag },
  command: { number: count, command: COMMAND },
  ping: { number: count, connected: flag, reconnectSpreadMs: optional(count) },
  shutdown: { message: text },
  refused: { message: text },
});

const STREAM_REQUEST = union<StreamRequest["kind"]>({
  http: { method: text, path: text, body: text },
  tailFile: { path: text, offset: count, follow: flag },
});
