/**
 * The messages of a link: every kind comes through CBOR unchanged, and each that is malformed is
 * refused with the path of what is wrong.
 */
import { describe, expect, test } from "bun:test";
import { must } from "../../src/base/assert.ts";
import type { Result } from "../../src/base/result.ts";
import { type Codec, createCodec } from "../../src/protocol/codec.ts";
import { CODEC_LIMITS } from "../../src/protocol/limits.ts";
import { createLinkCodec, type LinkMessages } from "../../src/protocol/link-codec.ts";
import type {
  AgentCommand,
  AgentToMaster,
  MasterToAgent,
  StreamRequest,
} from "../../src/protocol/link-frames.ts";
import { MAX_LINK_ARRAY, MAX_LINK_VALUES } from "../../src/protocol/link-limits.ts";
import { checkStreamRequest } from "../../src/protocol/stream-requests.ts";
import type { V1Messages } from "../../src/protocol/v1/types.ts";
import { threadTimeMs } from "../bench/thread-clock.ts";

const codec: Codec = createCodec();
const linkCodec = createLinkCodec();

/** A v1 message with its defaults filled in, as messages in memory always are. */
function v1<N extends keyof V1Messages>(name: N, value: unknown): V1Messages[N] {
  const result = codec.fromJson(name, value);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

const framework = v1("mesos.v1.FrameworkInfo", { user: "u", name: "n", id: { value: "f" } });
const executor = v1("mesos.v1.ExecutorInfo", { executor_id: { value: "e" } });
const status = v1("mesos.v1.TaskStatus", {
  task_id: { value: "t" },
  state: "TASK_RUNNING",
  timestamp: 1700000000.25,
  uuid: "AAECAwQFBgcICQoLDA0ODw==",
});
const taskInfo = v1("mesos.v1.TaskInfo", {
  name: "n",
  task_id: { value: "t" },
  agent_id: { value: "a" },
  resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 0.1 } }],
});
const task = v1("mesos.v1.Task", {
  name: "n",
  task_id: { value: "t" },
  framework_id: { value: "f" },
  agent_id: { value: "a" },
  state: "TASK_RUNNING",
  resources: [],
  statuses: [status],
});

const cpus = v1("mesos.v1.Resource", { name: "cpus", type: "SCALAR", scalar: { value: 1 } });
const uuid = "AAECAwQFBgcICQoLDA0ODw==";
const operation = {
  uuid,
  frameworkId: "f",
  info: v1("mesos.v1.Offer.Operation", { type: "RESERVE", reserve: { resources: [cpus] } }),
};
const operationStatus = v1("mesos.v1.OperationStatus", {
  state: "OPERATION_FINISHED",
  uuid: { value: uuid },
});

const AGENT_SAMPLES: { readonly [K in AgentToMaster["kind"]]: AgentToMaster & { kind: K } } = {
  register: {
    kind: "register",
    agentInfo: v1("mesos.v1.AgentInfo", { hostname: "h", port: 5051 }),
    version: "1.0.0",
    capabilities: [v1("mesos.v1.AgentInfo.Capability", { type: "MULTI_ROLE" })],
    lastCommand: 2 ** 53 - 1,
    epoch: "e1",
    frameworks: [framework],
    executors: [{ frameworkId: "f", executorInfo: executor }],
    tasks: [{ task }, { task }],
    checkpointedResources: [cpus],
    oversubscribedResources: [cpus],
    isDraining: true,
    operations: [{ operation, status: operationStatus }],
  },
  commandDone: { kind: "commandDone", number: 2 ** 40 },
  statusUpdate: { kind: "statusUpdate", frameworkId: "f", status, latestState: "TASK_FINISHED" },
  executorExited: { kind: "executorExited", frameworkId: "f", executorId: "e", status: 256 },
  executorMessage: { kind: "executorMessage", frameworkId: "f", executorId: "e", data: "AAE=" },
  resourcesChanged: {
    kind: "resourcesChanged",
    resources: [v1("mesos.v1.Resource", { name: "mem", type: "SCALAR", scalar: { value: 1e9 } })],
    checkpointedResources: [],
  },
  oversubscribedChanged: { kind: "oversubscribedChanged", resources: [cpus] },
  operationStatus: { kind: "operationStatus", operation, status: operationStatus },
  pong: { kind: "pong", number: 0 },
  unregister: { kind: "unregister" },
};

const COMMAND_SAMPLES: { readonly [K in AgentCommand["kind"]]: AgentCommand & { kind: K } } = {
  runTask: { kind: "runTask", framework, task: taskInfo, launchesExecutor: true },
  applyOperation: { kind: "applyOperation", operation },
  acknowledgeOperation: { kind: "acknowledgeOperation", operationUuid: uuid, uuid },
  drain: { kind: "drain", config: v1("mesos.v1.DrainConfig", { mark_gone: true }) },
  runTaskGroup: {
    kind: "runTaskGroup",
    framework,
    executor,
    taskGroup: v1("mesos.v1.TaskGroupInfo", { tasks: [taskInfo] }),
    launchesExecutor: false,
  },
  killTask: {
    kind: "killTask",
    frameworkId: "f",
    taskId: "t",
    killPolicy: v1("mesos.v1.KillPolicy", { grace_period: { nanoseconds: 5e9 } }),
  },
  acknowledgeUpdate: {
    kind: "acknowledgeUpdate",
    frameworkId: "f",
    taskId: "tä",
    uuid: "AAECAwQFBgcICQoLDA0ODw==",
  },
  shutdownExecutor: { kind: "shutdownExecutor", frameworkId: "f", executorId: "e" },
  shutdownFramework: { kind: "shutdownFramework", frameworkId: "f" },
  updateFramework: { kind: "updateFramework", framework },
  frameworkMessage: { kind: "frameworkMessage", frameworkId: "f", executorId: "e", data: "" },
  reconcileTasks: {
    kind: "reconcileTasks",
    tasks: [{ frameworkId: "f", taskId: "t", isPartitionAware: true }],
  },
};

const MASTER_SAMPLES: readonly MasterToAgent[] = [
  { kind: "registered", agentId: "a", totalPingTimeoutMs: 75_000, isReregistration: false },
  { kind: "ping", number: 3, connected: false },
  { kind: "shutdown", message: "gone" },
  { kind: "refused", message: "not yet" },
  ...Object.values(COMMAND_SAMPLES).map(
    (command, index) => ({ kind: "command", number: index, command }) as const,
  ),
];

const REQUEST_SAMPLES: readonly StreamRequest[] = [
  { kind: "http", method: "POST", path: "/api/v1", body: "{}" },
  { kind: "tailFile", path: "/var/log/x", offset: 2 ** 45, follow: true },
];

/** What the other side reads of a packet with this message. */
function read<Sender extends keyof LinkMessages>(
  sender: Sender,
  message: unknown,
): Result<LinkMessages[Sender]> {
  const packet = linkCodec.joinMessages("e1", [linkCodec.encodeMessage(message)]);
  const decoded = linkCodec.decodeFrom(sender, packet);
  if (!decoded.ok) return decoded;
  if (decoded.value.fault !== undefined) return { ok: false, error: decoded.value.fault };
  const [frame] = decoded.value.frames;
  if (frame?.kind !== "messages") throw new Error("not the frame that was sent");
  return { ok: true, value: must(frame.messages[0], "the message") };
}

describe("every kind comes through unchanged", () => {
  for (const sample of Object.values(AGENT_SAMPLES)) {
    test(`from the agent: ${sample.kind}`, () => {
      expect(read("agent", sample)).toEqual({ ok: true, value: sample });
    });
  }
  for (const sample of MASTER_SAMPLES) {
    const name = sample.kind === "command" ? `command ${sample.command.kind}` : sample.kind;
    test(`from the master: ${name}`, () => {
      expect(read("master", sample)).toEqual({ ok: true, value: sample });
    });
  }
  for (const sample of REQUEST_SAMPLES) {
    test(`for a stream: ${sample.kind}`, () => {
      expect(checkStreamRequest(sample)).toEqual({ ok: true, value: sample });
    });
  }
  test("optional fields may be absent, undefined or null, and are absent after", () => {
    const { epoch: _, ...without } = AGENT_SAMPLES.register;
    for (const message of [
      without,
      { ...without, epoch: undefined },
      { ...without, epoch: null },
    ]) {
      const checked = read("agent", message);
      expect(checked.ok && "epoch" in checked.value).toBe(false);
    }
  });
  test("what is not part of a message is left out", () => {
    const checked = read("agent", { kind: "pong", number: 1, extra: [1] });
    expect(checked).toEqual({ ok: true, value: { kind: "pong", number: 1 } });
  });
});

describe("a malformed message is refused with the path to blame", () => {
  const { register, statusUpdate, executorMessage } = AGENT_SAMPLES;
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, "message.kind"],
    [null, "message.kind"],
    ["pong", "message.kind"],
    [[], "message.kind"],
    [{ kind: "toString" }, "message.kind"],
    [{ kind: "__proto__" }, "message.kind"],
    [{ kind: 7 }, "message.kind"],
    [{ kind: "pong" }, "message.number"],
    [{ kind: "pong", number: -1 }, "message.number"],
    [{ kind: "pong", number: 0.5 }, "message.number"],
    [{ kind: "pong", number: 2 ** 53 }, "message.number"],
    [{ kind: "pong", number: "5" }, "message.number"],
    [{ ...register, version: 1 }, "message.version"],
    [{ ...register, tasks: {} }, "message.tasks"],
    [{ ...register, tasks: "x" }, "message.tasks"],
    [{ ...register, tasks: [{ task }, 5] }, "message.tasks[1]"],
    [{ ...register, tasks: [{ task }, { task: 5 }] }, "message.tasks[1].task"],
    [
      { ...register, tasks: [{ task }, { task: { ...task, statuses: [{}] } }] },
      "message.tasks[1].task.statuses[0].task_id",
    ],
    [{ ...register, executors: [{ executorInfo: executor }] }, "message.executors[0].frameworkId"],
    [{ ...statusUpdate, latestState: "TASK_DANCING" }, "message.latestState"],
    [{ ...statusUpdate, latestState: "constructor" }, "message.latestState"],
    [{ ...executorMessage, data: "not base64!" }, "message.data"],
  ];
  for (const [message, path] of cases) {
    test(`${path}: ${Bun.inspect(message, { depth: 1 }).replace(/\s+/g, " ").slice(0, 60)}`, () => {
      const checked = read("agent", message);
      if (checked.ok) throw new Error("it was accepted");
      expect([checked.error.code, checked.error.field]).toEqual(["invalid", path]);
      expect(checked.error.message).toStartWith(`${path}: `);
    });
  }
  test("inside a command", () => {
    const command = { kind: "killTask", frameworkId: "f", taskId: "t", killPolicy: 4 };
    const checked = read("master", { kind: "command", number: 1, command });
    expect(!checked.ok && checked.error.field).toBe("message.command.killPolicy");
  });
  test("a request that is none", () => {
    const checked = checkStreamRequest({ kind: "tailFile", path: "a", offset: -1 });
    expect(!checked.ok && checked.error.field).toBe("request.offset");
  });
});

test("equal lists that follow one another are one object, others keep their own value", () => {
  const withCpus = (...amounts: number[]) => ({
    task: {
      ...task,
      resources: amounts.map((value) => ({ name: "cpus", type: "SCALAR", scalar: { value } })),
    },
  });
  const tasks = [withCpus(1, 2), withCpus(1, 2), withCpus(1), withCpus(1, 2, 3), withCpus(1, 2)];
  const checked = read("agent", { ...AGENT_SAMPLES.register, tasks });
  if (!checked.ok || checked.value.kind !== "register") throw new Error("it was refused");
  const lists = checked.value.tasks.map((reported) => reported.task.resources);
  expect(lists).toEqual(tasks.map((sent) => sent.task.resources) as typeof lists);
  expect(lists[1]).toBe(lists[0]);
});

test("records that are equal one after the other are one object, and nothing else is", () => {
  const place = (id: string, pid = 7) => ({ container_id: { value: id }, executor_pid: pid });
  const sent = [place("a"), place("a"), place("b"), place("a"), place("x".repeat(1000))];
  const messages = sent.map((container_status) => ({
    ...AGENT_SAMPLES.statusUpdate,
    status: { ...status, container_status },
  }));
  const packet = linkCodec.joinMessages("e", messages.map(linkCodec.encodeMessage));
  const decoded = linkCodec.decodeFrom("agent", packet);
  if (!decoded.ok) throw new Error(decoded.error.message);
  const [frame] = decoded.value.frames;
  if (frame?.kind !== "messages") throw new Error("not the frame that was sent");
  expect(frame.messages).toEqual(messages);
  const [first, second, third] = frame.messages.map(
    (message) => message.kind === "statusUpdate" && message.status.container_status,
  );
  expect(second).toBe(first as never);
  expect(third).not.toBe(first as never);
});

test("what is not such CBOR is refused as a whole, wherever it stands", () => {
  const joined = (bytes: readonly number[]): Uint8Array =>
    linkCodec.joinMessages("e", [
      linkCodec.encodeMessage(AGENT_SAMPLES.pong),
      Uint8Array.of(...bytes),
    ]);
  const kind = [0x64, ...Buffer.from("kind"), 0x64, ...Buffer.from("pong")];
  const number = [0x66, ...Buffer.from("number")];
  const cases: readonly (readonly [number[], string])[] = [
    [[0xa2, ...kind, ...number, 0x1b, 0, 0, 0, 0, 0, 0, 0, 5], "more than 32 bits"],
    [[0xa2, ...kind, 0x61, 0xff, 0], "not valid UTF-8"],
    [[0xa2, ...kind, ...number, 0xc2, 0x41, 1], "message.number"],
    [[0xa3, ...kind, ...number, 0, 0x61, 0x78, 0xc2, 0x41, 1], "Tags"],
    [[0xa3, ...kind, ...number, 0], "ends early"],
    [[0xa2, ...kind, ...number, 0x9f, 0xff], "message.number"],
  ];
  for (const [bytes, message] of cases) {
    const decoded = linkCodec.decodeFrom("agent", joined(bytes));
    const error = decoded.ok ? decoded.value.fault : decoded.error;
    expect(error?.message).toContain(message);
  }
});

test("a message that names two kinds passes for neither with the name of the other", () => {
  const text = (value: string): readonly number[] => [0x60 | value.length, ...Buffer.from(value)];
  const twice = (first: string, second: string): Uint8Array =>
    Uint8Array.of(0xa2, ...text("kind"), ...text(first), ...text("kind"), ...text(second));
  const decoded = linkCodec.decodeFrom(
    "agent",
    linkCodec.joinMessages("e", [twice("unregister", "unregister"), twice("unregister", "pong")]),
  );
  if (!decoded.ok) throw new Error(decoded.error.message);
  expect(decoded.value.frames).toEqual([{ kind: "messages", messages: [{ kind: "unregister" }] }]);
  expect(decoded.value.fault?.field).toBe("message.kind");
});

test("ids nest as deep as the codec lets them, and no deeper", () => {
  const nested = (levels: number): object => {
    let id: object = { value: "0" };
    for (let level = 1; level < levels; level++) id = { value: `${level}`, parent: id };
    const container_status = { container_id: id };
    return { ...AGENT_SAMPLES.statusUpdate, status: { ...status, container_status } };
  };
  const faultOf = (levels: number): string | undefined => {
    const packet = linkCodec.joinMessages("e", [linkCodec.encodeMessage(nested(levels))]);
    // One that remembers nothing yet: what it has read before it takes wherever it finds it.
    const decoded = createLinkCodec().decodeFrom("agent", packet);
    return (decoded.ok ? decoded.value.fault : decoded.error)?.message;
  };
  const levelsMax = CODEC_LIMITS.messageDepth - 2;
  expect(faultOf(levelsMax)).toBeUndefined();
  expect(faultOf(levelsMax + 3)).toContain("Nested deeper");
});

test("texts in lists count among the values of a packet", () => {
  const listHead = [0x9a, MAX_LINK_ARRAY >> 24, MAX_LINK_ARRAY >> 16, MAX_LINK_ARRAY >> 8];
  const emptyTexts = new Uint8Array(listHead.length + 1 + MAX_LINK_ARRAY).fill(0x60);
  emptyTexts.set([...listHead, MAX_LINK_ARRAY]);
  const head = linkCodec.encodeMessage({ kind: "resourcesChanged", resources: [], x: 0 });
  const reserve = linkCodec.encodeMessage({ name: "m", type: "SET", set: { item: 0 } });
  const setOf = Buffer.concat([reserve.subarray(0, -1), emptyTexts]);
  const count = Math.ceil(MAX_LINK_VALUES / MAX_LINK_ARRAY);
  const resources = Buffer.concat([
    head.subarray(0, head.indexOf(0x80)),
    Uint8Array.of(0x98, count),
    ...Array.from({ length: count }, () => setOf),
    head.subarray(head.indexOf(0x80) + 1),
  ]);
  const decoded = linkCodec.decodeFrom("agent", linkCodec.joinMessages("e", [resources]));
  expect(!decoded.ok && decoded.error.message).toContain("values");
});

test("a registration of 10,000 tasks is read within a second", () => {
  const tasks = Array.from({ length: 10_000 }, () => ({ task }));
  const message = linkCodec.encodeMessage({ ...AGENT_SAMPLES.register, tasks });
  const packet = linkCodec.joinMessages("e1", [message]);
  const startMs = threadTimeMs();
  expect(linkCodec.decodeFrom("agent", packet).ok).toBe(true);
  expect(threadTimeMs() - startMs).toBeLessThan(1000);
});
