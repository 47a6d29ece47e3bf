/**
 * Checks the messages inside link frames when they arrive, field by field, with the v1 messages in
 * them checked by the codec. What passes is exactly a message of link-frames.ts.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import type { Codec } from "./codec.ts";
import type { AgentCommand, AgentToMaster, MasterToAgent, StreamRequest } from "./link-frames.ts";
import type { V1Messages } from "./v1/types.ts";

type Check = (value: unknown, path: string, codec: Codec) => Result<unknown>;
type Shape = Readonly<Record<string, Check>>;
type Shapes = Readonly<Record<string, Shape>>;

/** Checks one message that came from an agent. Errors: `invalid`, naming the path. */
export function checkAgentMessage(value: unknown, codec: Codec): Result<AgentToMaster> {
  return checkUnion(AGENT_MESSAGES, value, "message", codec) as Result<AgentToMaster>;
}

/** Checks one message that came from the master. Errors: `invalid`, naming the path. */
export function checkMasterMessage(value: unknown, codec: Codec): Result<MasterToAgent> {
  return checkUnion(MASTER_MESSAGES, value, "message", codec) as Result<MasterToAgent>;
}

/** Checks what a stream is opened for. Errors: `invalid`, naming the path. */
export function checkStreamRequest(value: unknown, codec: Codec): Result<StreamRequest> {
  return checkUnion(STREAM_REQUESTS, value, "request", codec) as Result<StreamRequest>;
}

const text: Check = (value, path) =>
  typeof value === "string" ? ok(value) : refuse("invalid", `Expecting ${path} to be text`, path);

const count: Check = (value, path) =>
  Number.isSafeInteger(value) && Number(value) >= 0
    ? ok(value)
    : refuse("invalid", `Expecting ${path} to be a whole number`, path);

const flag: Check = (value, path) =>
  typeof value === "boolean"
    ? ok(value)
    : refuse("invalid", `Expecting ${path} to be true or false`, path);

function v1(name: keyof V1Messages): Check {
  return (value, path, codec) => {
    const result = codec.fromJson(name, value);
    if (result.ok) return result;
    const field = result.error.field === undefined ? path : `${path}.${result.error.field}`;
    return refuse(result.error.code, `${path}: ${result.error.message}`, field);
  };
}

function optional(check: Check): Check {
  return (value, path, codec) =>
    value === undefined || value === null ? ok(undefined) : check(value, path, codec);
}

function listOf(check: Check): Check {
  return (value, path, codec) => {
    if (!Array.isArray(value)) return refuse("invalid", `Expecting ${path} to be a list`, path);
    const items: unknown[] = [];
    for (const [index, item] of (value as unknown[]).entries()) {
      const result = check(item, `${path}[${index}]`, codec);
      if (!result.ok) return result;
      items.push(result.value);
    }
    return ok(items);
  };
}

function record(shape: Shape): Check {
  return (value, path, codec) => checkShape(shape, value, path, codec);
}

function checkShape(shape: Shape, value: unknown, path: string, codec: Codec): Result<unknown> {
  if (typeof value !== "object" || value === null) {
    return refuse("invalid", `Expecting ${path} to be a record`, path);
  }
  const source = value as Readonly<Record<string, unknown>>;
  const checked: Record<string, unknown> = {};
  for (const [name, check] of Object.entries(shape)) {
    const result = check(source[name], `${path}.${name}`, codec);
    if (!result.ok) return result;
    if (result.value !== undefined) checked[name] = result.value;
  }
  return ok(checked);
}

function checkUnion(shapes: Shapes, value: unknown, path: string, codec: Codec): Result<unknown> {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : "";
  const shape = typeof kind === "string" && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
  if (shape === undefined) {
    return refuse(
      "invalid",
      `Expecting ${path}.kind to be one of ${Object.keys(shapes).join(", ")}`,
      `${path}.kind`,
    );
  }
  const result = checkShape(shape, value, path, codec);
  return result.ok ? ok({ kind, ...(result.value as object) }) : result;
}

const AGENT_MESSAGES: Readonly<Record<AgentToMaster["kind"], Shape>> = {
  register: {
    agentInfo: v1("mesos.v1.AgentInfo"),
    version: text,
    capabilities: listOf(v1("mesos.v1.AgentInfo.Capability")),
    lastCommand: count,
    epoch: optional(text),
    frameworks: listOf(v1("mesos.v1.FrameworkInfo")),
    executors: listOf(record({ frameworkId: text, executorInfo: v1("mesos.v1.ExecutorInfo") })),
    tasks: listOf(record({ task: v1("mesos.v1.Task") })),
  },
  commandDone: { number: count },
  statusUpdate: {
    frameworkId: text,
    status: v1("mesos.v1.TaskStatus"),
    latestState: text,
  },
  executorExited: { frameworkId: text, executorId: text, status: count },
  executorMessage: { frameworkId: text, executorId: text, data: text },
  resourcesChanged: { resources: listOf(v1("mesos.v1.Resource")) },
  pong: { number: count },
  unregister: {},
};

const COMMANDS: Readonly<Record<AgentCommand["kind"], Shape>> = {
  runTask: { framework: v1("mesos.v1.FrameworkInfo"), task: v1("mesos.v1.TaskInfo") },
  runTaskGroup: {
    framework: v1("mesos.v1.FrameworkInfo"),
    executor: v1("mesos.v1.ExecutorInfo"),
    taskGroup: v1("mesos.v1.TaskGroupInfo"),
  },
  killTask: {
    frameworkId: text,
    taskId: text,
    killPolicy: optional(v1("mesos.v1.KillPolicy")),
  },
  acknowledgeUpdate: { frameworkId: text, taskId: text, uuid: text },
  shutdownExecutor: { frameworkId: text, executorId: text },
  shutdownFramework: { frameworkId: text },
  updateFramework: { framework: v1("mesos.v1.FrameworkInfo") },
  frameworkMessage: { frameworkId: text, executorId: text, data: text },
  reconcileTasks: {
    tasks: listOf(record({ frameworkId: text, taskId: text, isPartitionAware: flag })),
  },
};

const MASTER_MESSAGES: Readonly<Record<MasterToAgent["kind"], Shape>> = {
  registered: { agentId: text, totalPingTimeoutMs: count, isReregistration: flag },
  command: {
    number: count,
    command: (value, path, codec) => checkUnion(COMMANDS, value, path, codec),
  },
  ping: { number: count, connected: flag },
  shutdown: { message: text },
  refused: { message: text },
};

const STREAM_REQUESTS: Readonly<Record<StreamRequest["kind"], Shape>> = {
  http: { method: text, path: text, body: text },
  tailFile: { path: text, offset: count, follow: flag },
};
