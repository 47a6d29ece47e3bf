/** Random checkpoint operations over few ids, with texts that databases and JSON stumble on. */
import fc from "fast-check";
import type { CheckpointOperation } from "../../../src/agent/core/checkpoint-state.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";

const frameworkId = fc.constantFrom("F0", "F1");
const taskId = fc.constantFrom("T0", "T1", "ü😀'\"");
const executorId = fc.constantFrom("E0", "E1");
/** Stored as it is. */
const bare = fc.constantFrom("", "a", "\0", "'; DROP TABLE task; --", "line\nline", "😀");
/** Stored inside JSON, which escapes half of a surrogate pair. */
const text = fc.oneof(bare, fc.constant("\ud800"));
const uint = fc.integer({ min: 0, max: 2 ** 50 });
const name = fc.record({ value: text });

const resources = fc.array(
  fc.record({
    name: fc.constantFrom("cpus", "mem"),
    type: fc.constant("SCALAR" as const),
    scalar: fc.record({ value: fc.double({ min: 0, max: 1e9, noNaN: true }) }),
  }),
  { maxLength: 2 },
);
const agentInfo = fc.record({
  hostname: text,
  resources,
  port: fc.option(uint, { nil: undefined }),
});
const framework = fc.record({
  id: fc.record({ value: frameworkId }),
  user: text,
  name: text,
  failover_timeout: fc.double({ min: 0, max: 1e9, noNaN: true }),
});
const executorInfo = fc.record({ executor_id: name, framework_id: name, resources });
const taskInfo = fc.record({ name: text, task_id: name, agent_id: name, resources, data: text });
const taskGroup = fc.record({ tasks: fc.array(taskInfo, { maxLength: 2 }) });
const state = fc.constantFrom(
  "TASK_STAGING" as const,
  "TASK_RUNNING" as const,
  "TASK_FINISHED" as const,
);
const kill = fc.record({ graceMs: uint, atMs: fc.oneof(uint, fc.constant(1.25)) });
const checked = fc.record(
  {
    healthy: fc.boolean(),
    check_status: fc.record({ type: fc.constant("COMMAND" as const), command: fc.constant({}) }),
  },
  { requiredKeys: [] },
);
const pendingEnd = fc.record({
  state: fc.constantFrom("gone" as const, "TASK_FAILED" as const),
  reason: fc.constant("REASON_CONTAINER_PREEMPTED" as const),
  message: text,
});
const status = fc.record({ task_id: name, state, uuid: text, message: text, timestamp: uint });

const containerId = fc.constantFrom("C0", "C1").map((id) => brand<ContainerId>(id));
const container = fc.record({
  containerId,
  id: name,
  name: text,
  owner: fc.option(containerId, { nil: undefined }),
  parentId: fc.option(containerId, { nil: undefined }),
  command: fc.option(fc.record({ value: text }), { nil: undefined }),
  container: fc.constant(undefined),
  resources,
  limits: fc.constant(undefined),
  user: fc.option(text, { nil: undefined }),
  directory: text,
  isSession: fc.boolean(),
  isCheckpointed: fc.constant(true),
  termination: fc.constantFrom(undefined, { exit: { kind: "exited" as const, code: 7 } }),
});

export const checkpointOperation: fc.Arbitrary<CheckpointOperation> = fc.oneof(
  fc.record({ kind: fc.constant("putAgent" as const), agentInfo, bootId: bare }),
  fc.record({ kind: fc.constant("putCommand" as const), epoch: bare, number: uint }),
  fc.record({
    kind: fc.constant("putFramework" as const),
    framework: fc.record({ framework }),
  }),
  fc.record({ kind: fc.constant("removeFramework" as const), frameworkId }),
  fc.record({
    kind: fc.constant("putExecutor" as const),
    executor: fc.record({
      frameworkId,
      executorId,
      containerId: bare,
      executor: executorInfo,
      isCommandExecutor: fc.boolean(),
      directory: bare,
      parentId: fc.option(bare, { nil: undefined }),
      pendingEnd: fc.option(pendingEnd, { nil: undefined }),
    }),
  }),
  fc.record({ kind: fc.constant("removeExecutor" as const), frameworkId, executorId }),
  fc.record({ kind: fc.constant("putContainer" as const), container }),
  fc.record({ kind: fc.constant("removeContainer" as const), containerId }),
  fc.record({
    kind: fc.constant("putTask" as const),
    task: fc.record({
      frameworkId,
      taskId,
      executorId,
      info: taskInfo,
      taskGroup: fc.option(taskGroup, { nil: undefined }),
      state,
      kill: fc.option(kill, { nil: undefined }),
      checked: fc.option(checked, { nil: undefined }),
      status: fc.option(status, { nil: undefined }),
    }),
  }),
  fc.record({
    kind: fc.constant("putStatus" as const),
    status: fc.record({
      frameworkId,
      taskId,
      state,
      checked: fc.option(checked, { nil: undefined }),
      status: fc.option(status, { nil: undefined }),
    }),
  }),
  fc.record({ kind: fc.constant("removeTask" as const), frameworkId, taskId }),
  fc.record({
    kind: fc.constant("appendUpdate" as const),
    update: fc.record({
      frameworkId,
      taskId,
      sequence: fc.integer({ min: 0, max: 20 }),
      status,
      isAcknowledged: fc.constant(false),
    }),
  }),
  fc.record({
    kind: fc.constant("acknowledgeUpdate" as const),
    frameworkId,
    taskId,
    sequence: fc.integer({ min: 0, max: 20 }),
  }),
  fc.record({
    kind: fc.constant("removeUpdate" as const),
    frameworkId,
    taskId,
    sequence: fc.integer({ min: 0, max: 20 }),
  }),
);
