/**
 * What an executor tells the agent: its subscription, its tasks' states, messages for its scheduler.
 * Built-in executors use the same calls, made in the agent's own process. Source: http-api 5.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { base64ToUuid } from "../../protocol/base64.ts";
import type { CheckStatusInfo, ExecutorCall, TaskStatus } from "../../protocol/v1/types.ts";
import { restartReport, sendEvent, shutdownExecutor, updateContainer } from "./executors.ts";
import { isTerminalState } from "./inputs.ts";
import type { ExecutorState, FrameworkState } from "./state.ts";
import { cancelTimer, findFramework, type Step, send } from "./step.ts";
import { completeStatus, recordStatus, reportTask } from "./tasks.ts";
import { findStream, isKnownUpdate } from "./updates.ts";

/** Carries out a call of an executor; the result goes back to it. */
export function executorCall(step: Step, call: ExecutorCall): Result<void> {
  const framework = findFramework(step, call.framework_id.value);
  const executor = framework?.executors.get(call.executor_id.value);
  if (call.type === "HEARTBEAT") return ok(undefined);
  if (framework === undefined) return refuse("invalid", "Framework cannot be found");
  if (executor === undefined || executor.phase === "terminated") {
    return refuse("invalid", "Executor cannot be found");
  }
  switch (call.type) {
    case "SUBSCRIBE":
      return ok(undefined);
    case "UPDATE":
      if (call.update === undefined) return refuse("invalid", "'update' is missing", "update");
      return acceptUpdate(step, framework, executor, call.update.status);
    case "MESSAGE":
      return acceptMessage(step, executor, call);
    default:
      return refuse("invalid", `Unknown call type ${call.type ?? "(none)"}`, "type");
  }
}

/**
 * A custom executor has opened its stream: tell it who it is, take in what it could not tell
 * before, and hand over the tasks that waited for it. Runs after the call was answered.
 */
export function executorSubscribed(step: Step, call: ExecutorCall): void {
  const framework = findFramework(step, call.framework_id.value);
  const executor = framework?.executors.get(call.executor_id.value);
  if (framework === undefined || executor === undefined) return;
  cancelTimer(step, { kind: "executorRegistration", containerId: executor.containerId });
  sendEvent(step, executor, {
    type: "SUBSCRIBED",
    subscribed: {
      executor_info: executor.info,
      framework_info: framework.info,
      agent_info: step.state.info,
      container_id: { value: executor.containerId },
    },
  });
  if (executor.phase === "terminating") {
    sendEvent(step, executor, { type: "SHUTDOWN" });
    return;
  }
  executor.phase = "running";
  executor.isAwaited = false;
  for (const update of call.subscribe?.unacknowledged_updates ?? []) {
    acceptUpdate(step, framework, executor, update.status);
  }
  dropUndeliveredTasks(step, framework, executor, call);
  repeatKills(step, executor);
  deliverQueuedTasks(step, executor);
  if (!executor.hasHadTask) shutdownExecutor(step, framework, executor);
}

function acceptMessage(step: Step, executor: ExecutorState, call: ExecutorCall): Result<void> {
  if (executor.phase === "registering") return refuse("forbidden", "Executor is not subscribed");
  send(step, {
    kind: "executorMessage",
    frameworkId: executor.frameworkId,
    executorId: executor.executorId,
    data: call.message?.data ?? "",
  });
  return ok(undefined);
}

function acceptUpdate(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  status: TaskStatus,
): Result<void> {
  const counters = step.state.counters;
  if (executor.phase === "registering" && !executor.isCommandExecutor) {
    return refuse("forbidden", "Executor is not subscribed");
  }
  const fault = faultOfUpdate(executor, status);
  if (fault !== undefined) {
    counters["slave/invalid_status_updates"] += 1;
    if (status.state === "TASK_STAGING") shutdownExecutor(step, framework, executor);
    return fault;
  }
  const complete = completeStatus(step, executor, status);
  const task = executor.tasks.get(status.task_id.value);
  const stream = findStream(step, {
    frameworkId: framework.frameworkId,
    taskId: status.task_id.value,
  });
  const isNews =
    task !== undefined &&
    !isTerminalState(task.state) &&
    !isVerdictOfAgent(executor, status) &&
    !isKnownUpdate(stream, complete.uuid ?? "") &&
    (!task.isQueued || executor.isCommandExecutor || isTerminalState(status.state));
  counters[isNews ? "slave/valid_status_updates" : "slave/invalid_status_updates"] += 1;
  if (isNews) recordStatus(step, framework, task, complete);
  if (isNews && isTerminalState(status.state)) updateContainer(step, executor);
  // Late and repeated updates are acknowledged too, so that the executor stops sending them.
  sendEvent(step, executor, {
    type: "ACKNOWLEDGED",
    acknowledged: { task_id: status.task_id, uuid: complete.uuid ?? "" },
  });
  return ok(undefined);
}

/**
 * A built-in executor sees its container end by a signal and cannot know that it was the agent's,
 * which has a reason of its own to tell (semantics 6.3).
 */
function isVerdictOfAgent(
  { isCommandExecutor, pendingEnd }: ExecutorState,
  status: TaskStatus,
): boolean {
  const isEnded = status.state === "TASK_FAILED" || status.state === "TASK_KILLED";
  return isCommandExecutor && pendingEnd?.state === "gone" && isEnded;
}

/** What http-api 5 asks of an update beyond its shape. */
function faultOfUpdate(executor: ExecutorState, status: TaskStatus): Result<void> | undefined {
  if (status.state === "TASK_STAGING") {
    return refuse("invalid", "An executor must not send TASK_STAGING", "update.status.state");
  }
  if (status.source !== "SOURCE_EXECUTOR") {
    return refuse("invalid", "'source' must be SOURCE_EXECUTOR", "update.status.source");
  }
  if (status.uuid === undefined || base64ToUuid(status.uuid) === undefined) {
    return refuse("invalid", "'uuid' must be the 16 bytes of a UUID", "update.status.uuid");
  }
  if (!Number.isFinite(status.timestamp ?? 0)) {
    return refuse("invalid", "'timestamp' must be a finite number", "update.status.timestamp");
  }
  const executorId = status.executor_id?.value ?? executor.executorId;
  if (executorId !== executor.executorId) {
    return refuse("invalid", "'executor_id' is another's", "update.status.executor_id");
  }
  return faultOfCheck(status.check_status);
}

/** The result of a check is of the kind it says. */
function faultOfCheck(check: CheckStatusInfo | undefined): Result<void> | undefined {
  if (check === undefined) return undefined;
  const field = "update.status.check_status";
  const kinds: Partial<Record<string, unknown>> = {
    COMMAND: check.command,
    HTTP: check.http,
    TCP: check.tcp,
  };
  if (kinds[check.type ?? ""] !== undefined) return undefined;
  return refuse("invalid", "'check_status' must have a type, and the result of that type", field);
}

/** After a restart of the agent: a task the executor does not know of never reached it. */
function dropUndeliveredTasks(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  call: ExecutorCall,
): void {
  const received = new Set(
    (call.subscribe?.unacknowledged_tasks ?? []).map((task) => task.task_id.value),
  );
  for (const task of [...executor.tasks.values()]) {
    if (task.isQueued || task.state !== "TASK_STAGING" || received.has(task.taskId)) continue;
    reportTask(step, framework, executor, task, restartReport(framework));
  }
}

/** Those that were asked for while the executor had no stream; hearing of one twice is no harm. */
function repeatKills(step: Step, executor: ExecutorState): void {
  for (const { info, isQueued, kill, state } of executor.tasks.values()) {
    if (kill === undefined || isQueued || isTerminalState(state)) continue;
    const leftMs = Math.max(0, kill.atMs + kill.graceMs - step.nowMs);
    sendEvent(step, executor, {
      type: "KILL",
      kill: {
        task_id: info.task_id,
        kill_policy: { grace_period: { nanoseconds: Math.round(leftMs * 1e6) } },
      },
    });
  }
}

function deliverQueuedTasks(step: Step, executor: ExecutorState): void {
  for (const task of executor.tasks.values()) {
    if (!task.isQueued) continue;
    executor.hasHadTask = true;
    const group = task.taskGroup;
    if (group === undefined) {
      task.isQueued = false;
      sendEvent(step, executor, { type: "LAUNCH", launch: { task: task.info } });
      continue;
    }
    for (const member of group.tasks ?? []) {
      const record = executor.tasks.get(member.task_id.value);
      if (record !== undefined) record.isQueued = false;
    }
    sendEvent(step, executor, { type: "LAUNCH_GROUP", launch_group: { task_group: group } });
  }
}
