/**
 * A task's state and the statuses that tell of it: what the agent fills into them, and the one way
 * a status becomes state, history, disk record and update at once.
 * Source: semantics 6.1, 6.2.
 */
import { assert } from "../../base/assert.ts";
import type {
  ContainerStatus,
  FrameworkInfo,
  TaskResourceLimitation,
  TaskState,
  TaskStatus,
  TaskStatusReason,
} from "../../protocol/v1/types.ts";
import type { CheckedStatus } from "./checkpoint-state.ts";
import { containerIdOf } from "./containers/container-names.ts";
import { counterOfState } from "./counters.ts";
import { drainedStatus } from "./drain-state.ts";
import { isTerminalState } from "./inputs.ts";
import { NEWEST_STATUS_LENGTH, OLDER_STATUS_LENGTH, STATUSES_PER_TASK } from "./limits.ts";
import {
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
  isPartitionAware,
  shownExecutorId,
  type TaskRecord,
} from "./state.ts";
import { agentIdOf, checkpoint, newStatusUuid, type Step } from "./step.ts";
import { enqueueUpdate, findStream } from "./updates.ts";

/** What the agent itself has to say about a task. */
export interface AgentReport {
  readonly state: TaskState;
  readonly reason?: TaskStatusReason | undefined;
  readonly message: string;
  readonly limitation?: TaskResourceLimitation | undefined;
  readonly checked?: Pick<TaskStatus, "healthy" | "check_status"> | undefined;
  /** Set when the agent speaks for a built-in executor that is no more. */
  readonly source?: "SOURCE_EXECUTOR" | undefined;
}

/** Reports a change of a task that the agent itself decided or observed. */
export function reportTask(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
  report: AgentReport,
): void {
  recordStatus(step, framework, task, {
    ...statusOf(step, task.taskId, report),
    executor_id: { value: shownExecutorId(executor) },
    container_status: containerStatusOf(step, executor),
  });
}

/**
 * Answers reliably for a task the agent does not hold (refused at launch, or unknown). Says nothing
 * when an answer is already under way.
 */
export function reportAbsentTask(
  step: Step,
  frameworkId: string,
  taskId: string,
  report: AgentReport,
): void {
  if (findStream(step, { frameworkId, taskId }) !== undefined) return;
  const framework = step.state.frameworks.get(frameworkId);
  const isCheckpointed = framework === undefined || isCheckpointing(framework.info);
  countEnd(step, report.state);
  enqueueUpdate(step, { frameworkId, taskId, isCheckpointed }, statusOf(step, taskId, report));
}

/** Makes a status the newest of its task: state, history, disk and update stream. */
export function recordStatus(
  step: Step,
  framework: FrameworkState,
  task: TaskRecord,
  told: TaskStatus,
): void {
  assert(!isTerminalState(task.state), "nothing follows a terminal state");
  const status = drainedStatus(step, framework, told);
  const checked = checkedAfter(task, status);
  task.state = status.state;
  task.checked = checked;
  rememberStatus(task, status);
  countEnd(step, status.state);
  if (isTerminalState(status.state)) task.isQueued = false;
  checkpointStatus(step, framework, task);
  if (status.state === "TASK_FAILED" || status.state === "TASK_KILLED") {
    step.fallen.push({ frameworkId: framework.frameworkId, task });
  }
  enqueueUpdate(
    step,
    {
      frameworkId: framework.frameworkId,
      taskId: task.taskId,
      isCheckpointed: isCheckpointing(framework.info),
    },
    status,
  );
}

/** The same object as before when the status says nothing new of the task's checks. */
function checkedAfter({ checked }: TaskRecord, status: TaskStatus): CheckedStatus | undefined {
  const { healthy = checked?.healthy, check_status = checked?.check_status } = status;
  const failures = failuresAfter(checked?.failures ?? 0, status);
  const after = {
    ...(healthy === undefined ? {} : { healthy }),
    ...(check_status === undefined ? {} : { check_status }),
    ...(failures === 0 ? {} : { failures }),
  };
  return JSON.stringify(after) === JSON.stringify(checked ?? {}) ? checked : after;
}

function failuresAfter(failures: number, { reason, healthy }: TaskStatus): number {
  if (reason !== "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED") return failures;
  return healthy === false ? failures + 1 : 0;
}

/**
 * Adds to the history, where equal neighbouring states are one entry, `data` is left out, and what is
 * long is shortened.
 */
export function rememberStatus(task: TaskRecord, status: TaskStatus): void {
  const { data: _, ...entry } = status;
  const last = task.statuses.pop();
  if (last !== undefined && last.state !== status.state) {
    task.statuses.push(shortened(last, OLDER_STATUS_LENGTH));
  }
  task.statuses.push(shortened(entry, NEWEST_STATUS_LENGTH));
  if (task.statuses.length > STATUSES_PER_TASK) task.statuses.shift();
}

/** The same object when nothing in it is longer. */
function shortened(status: TaskStatus, length: number): TaskStatus {
  const { message = "", labels, container_status, ...rest } = status;
  const isLong = (value: unknown): boolean =>
    value !== undefined && JSON.stringify(value).length > length;
  const isLabelled = !isLong(labels);
  const isContained = !isLong(container_status);
  if (message.length <= length && isLabelled && isContained) return status;
  return {
    ...rest,
    ...(message !== "" && { message: message.slice(0, length) }),
    ...(isLabelled && labels !== undefined && { labels }),
    ...(isContained && container_status !== undefined && { container_status }),
  };
}

/** Writes the task to disk, unless its framework's tasks end with the agent process. */
export function checkpointTask(step: Step, framework: FrameworkState, task: TaskRecord): void {
  if (!isCheckpointing(framework.info)) return;
  checkpoint(step, {
    kind: "putTask",
    task: {
      frameworkId: framework.frameworkId,
      taskId: task.taskId,
      executorId: task.executorId,
      info: task.info,
      taskGroup: task.taskGroup,
      state: task.state,
      kill: task.kill,
      checked: task.checked,
      status: task.statuses.at(-1),
    },
  });
}

/** What a status has changed; the task itself is on disk since it was added. */
function checkpointStatus(
  step: Step,
  { frameworkId, info }: FrameworkState,
  { taskId, state, checked, statuses }: TaskRecord,
): void {
  if (!isCheckpointing(info)) return;
  const status = { frameworkId, taskId, state, checked, status: statuses.at(-1) };
  checkpoint(step, { kind: "putStatus", status });
}

/** Fills what only the agent knows into a status that an executor sent (semantics 6.2). */
export function completeStatus(
  step: Step,
  executor: ExecutorState,
  status: TaskStatus,
): TaskStatus {
  const own = containerStatusOf(step, executor);
  return {
    ...status,
    source: "SOURCE_EXECUTOR",
    timestamp: status.timestamp ?? step.nowMs / 1000,
    agent_id: { value: agentIdOf(step.state) },
    executor_id: { value: shownExecutorId(executor) },
    container_status: { ...own, ...status.container_status },
  };
}

/** State for a task that never ran, in the words the framework understands. */
export function droppedState(info: FrameworkInfo): TaskState {
  return isPartitionAware(info) ? "TASK_DROPPED" : "TASK_LOST";
}

/** State for a task whose end nobody can vouch for, in the words the framework understands. */
export function goneState(info: FrameworkInfo): TaskState {
  return isPartitionAware(info) ? "TASK_GONE" : "TASK_LOST";
}

/** The container as frameworks see it: its id, pid, and its addresses or, on the host's network, the agent's. */
function containerStatusOf(step: Step, executor: ExecutorState): ContainerStatus {
  const { ip } = step.options;
  const hostInfos = [{ ip_addresses: [{ protocol: protocolOf(ip), ip_address: ip }] }];
  return {
    container_id: containerIdOf(executor),
    network_infos: executor.networkInfos ?? hostInfos,
    ...(executor.pid === undefined ? {} : { executor_pid: executor.pid }),
  };
}

function protocolOf(ip: string): "IPv4" | "IPv6" {
  return ip.includes(":") ? "IPv6" : "IPv4";
}

function statusOf(step: Step, taskId: string, report: AgentReport): TaskStatus {
  return {
    task_id: { value: taskId },
    state: report.state,
    message: report.message,
    source: report.source ?? "SOURCE_AGENT",
    ...(report.reason === undefined ? {} : { reason: report.reason }),
    ...(report.limitation === undefined ? {} : { limitation: report.limitation }),
    ...report.checked,
    agent_id: { value: agentIdOf(step.state) },
    timestamp: step.nowMs / 1000,
    uuid: newStatusUuid(step),
  };
}

function countEnd(step: Step, state: TaskState): void {
  const counter = counterOfState(state);
  if (counter !== undefined) step.state.counters[counter] += 1;
}
