/**
 * An executor from its container's launch to its removal. Built-in command executors and custom
 * ones take the same path; a command executor is just one that needs no subscription.
 * Source: semantics 6.4.6, 7.1, 7.3; http-api 5.
 */
import { assert } from "../../base/assert.ts";
import type { ContainerId } from "../../base/ids.ts";
import { shutdownGraceMs, taskShareMs } from "../../protocol/grace.ts";
import { isUnhealthy } from "../../protocol/health.ts";
import {
  describeProcessEnd,
  endSubjectOf,
  rawWaitStatus,
  taskEndOf,
} from "../../protocol/task-exit.ts";
import type { ExecutorEvent, Resource } from "../../protocol/v1/types.ts";
import type { PendingEnd } from "./checkpoint-state.ts";
import type { ContainerTermination } from "./container-termination.ts";
import { destroyBelow, executorContainerEnded, forgetBelow } from "./containers/api-containers.ts";
import { containerIdOf, nameOf } from "./containers/container-names.ts";
import type { ContainerLaunch } from "./effects.ts";
import { forgetFrameworkIfIdle, rememberExecutor, rememberTask } from "./history.ts";
import { type AgentInput, isTerminalState } from "./inputs.ts";
import {
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
  isGroupMember,
  liveMembers,
  shownExecutorId,
  type TaskRecord,
} from "./state.ts";
import { cancelTimer, checkpoint, findFramework, log, type Step, send, setTimer } from "./step.ts";
import { type AgentReport, checkpointTask, droppedState, goneState, reportTask } from "./tasks.ts";
import { acknowledgeUpdate, dropStream } from "./updates.ts";

/** The container's first process runs. */
export function containerLaunched(
  step: Step,
  { containerId, pid, networkInfos }: Extract<AgentInput, { kind: "containerLaunched" }>,
): void {
  const executor = step.state.containers.get(containerId);
  if (executor === undefined || executor.phase === "terminated") return;
  executor.pid = pid;
  executor.networkInfos = networkInfos;
  // Tasks may have come or gone while the container was being made.
  if (executor.tasks.size > 1) updateContainer(step, executor);
  if (executor.phase === "terminating") {
    // The order to destroy it may have come before there was anything to destroy.
    step.effects.push({ kind: "destroyContainer", containerId });
    return;
  }
  if (!executor.isCommandExecutor) return;
  executor.phase = "running";
  executor.hasHadTask = true;
  for (const task of executor.tasks.values()) task.isQueued = false;
}

/** The container never came to be; `message` says why and is shown to the framework. */
export function containerLaunchFailed(
  step: Step,
  { containerId, message, isUnsupported }: Extract<AgentInput, { kind: "containerLaunchFailed" }>,
): void {
  const executor = step.state.containers.get(containerId);
  if (executor === undefined || executor.phase === "terminated") return;
  step.state.counters["slave/container_launch_errors"] += 1;
  executor.pendingEnd ??=
    isUnsupported === true
      ? {
          state: "TASK_FAILED",
          reason: "REASON_EXECUTOR_TERMINATED",
          message: `Abnormal executor termination: unknown container (${message})`,
        }
      : {
          state: "TASK_FAILED",
          reason: "REASON_CONTAINER_LAUNCH_FAILED",
          message: `Failed to launch container: ${message}`,
        };
  endExecutor(step, executor, { exit: { kind: "unknown", message } });
}

/** The container cannot have what its tasks need: it must not run on with less. */
export function containerUpdateFailed(step: Step, containerId: ContainerId, message: string): void {
  const executor = step.state.containers.get(containerId);
  if (executor === undefined || executor.phase === "terminated") return;
  destroyExecutor(step, executor, {
    state: "gone",
    reason: "REASON_CONTAINER_UPDATE_FAILED",
    message: `Failed to update resources for container: ${message}`,
  });
}

/** The container is over; whatever of it was alive has now ended. */
export function containerTerminated(
  step: Step,
  containerId: ContainerId,
  termination: ContainerTermination,
): void {
  const executor = step.state.containers.get(containerId);
  if (executor === undefined || executor.phase === "terminated") return;
  endExecutor(step, executor, termination);
}

/**
 * Ends an executor with its grace period, then by force. `pendingEnd` says what tasks that are
 * alive at its end become; without one they end as the executor reports, or failed.
 */
export function shutdownExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): void {
  if (executor.phase === "terminating" || executor.phase === "terminated") return;
  if (executor.phase === "registering") {
    const end = killedDuringLaunch("Executor was shut down before the task was launched");
    if (executor.isCommandExecutor) sendEvent(step, executor, { type: "SHUTDOWN" });
    else if (!executor.isDisowned) killQueuedTasks(step, framework, executor, end);
    destroyExecutor(step, executor, end);
    return;
  }
  executor.phase = "terminating";
  const graceMs = graceOf(step, executor);
  for (const task of executor.tasks.values()) {
    if (isTerminalState(task.state) || task.kill !== undefined) continue;
    task.kill = { graceMs: taskShareMs(graceMs), atMs: step.nowMs };
    checkpointTask(step, framework, task);
  }
  sendEvent(step, executor, { type: "SHUTDOWN" });
  setTimer(step, { kind: "executorShutdown", containerId: executor.containerId }, graceMs);
}

/** Shuts an executor down whose tasks are no longer ours to report. */
export function disownExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): void {
  executor.isDisowned = true;
  // The grace period is its task's, so the task goes after.
  shutdownExecutor(step, framework, executor);
  dropTasks(step, framework, executor);
  removeExecutorIfDone(step, framework, executor);
}

/** Ends an executor by force. */
export function destroyExecutor(
  step: Step,
  executor: ExecutorState,
  pendingEnd: PendingEnd | undefined,
): void {
  if (executor.phase === "terminated") return;
  executor.phase = "terminating";
  if (executor.pendingEnd === undefined && pendingEnd !== undefined) {
    executor.pendingEnd = pendingEnd;
    const framework = findFramework(step, executor.frameworkId);
    assert(framework !== undefined, "an executor has a framework");
    checkpointExecutor(step, framework, executor);
  }
  destroyBelow(step, nameOf(containerIdOf(executor)));
  step.effects.push({ kind: "destroyContainer", containerId: executor.containerId });
}

/** Writes the executor to disk, unless its framework's tasks end with the agent process. */
export function checkpointExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): void {
  if (!isCheckpointing(framework.info)) return;
  checkpoint(step, {
    kind: "putExecutor",
    executor: {
      frameworkId: framework.frameworkId,
      executorId: executor.executorId,
      containerId: executor.containerId,
      executor: executor.info,
      isCommandExecutor: executor.isCommandExecutor,
      directory: executor.directory,
      parentId: executor.parentId,
      pendingEnd: executor.pendingEnd,
    },
  });
}

/** Ends tasks that their executor has never seen (semantics 6.3, killed during launch). */
function killQueuedTasks(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  end: AgentReport,
): void {
  for (const task of [...executor.tasks.values()]) {
    if (task.isQueued) reportTask(step, framework, executor, task, end);
  }
}

/** What a task becomes that is ended before its process is known to run (semantics 6.3). */
export function killedDuringLaunch(message: string): PendingEnd & AgentReport {
  return { state: "TASK_KILLED", reason: "REASON_TASK_KILLED_DURING_LAUNCH", message };
}

/** The executor did not subscribe in time, at first or after a restart of the agent. */
export function registrationTimedOut(step: Step, containerId: ContainerId): void {
  const executor = step.state.containers.get(containerId);
  if (executor === undefined || executor.phase !== "registering") return;
  const end: PendingEnd = executor.isAwaited
    ? {
        state: "gone",
        reason: "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
        message: `Executor did not reregister within ${step.options.executorReregistrationTimeoutMs} ms`,
      }
    : {
        state: "TASK_FAILED",
        reason: "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        message: `Executor did not register within ${step.options.executorRegistrationTimeoutMs} ms`,
      };
  executor.isAwaited = false;
  destroyExecutor(step, executor, end);
}

/** The grace of a shutdown is over. */
export function shutdownTimedOut(step: Step, containerId: ContainerId): void {
  const executor = step.state.containers.get(containerId);
  if (executor?.phase === "terminating") destroyExecutor(step, executor, undefined);
}

/** The framework (through the master) acknowledged an update. */
export function acknowledge(step: Step, frameworkId: string, taskId: string, uuid: string): void {
  const outcome = acknowledgeUpdate(step, { frameworkId, taskId }, uuid);
  if (outcome === "rejected") {
    log(step, "warning", "ignored an acknowledgement that does not match the update in flight", {
      framework: frameworkId,
      task: taskId,
    });
    return;
  }
  if (outcome !== "ended") return;
  const framework = findFramework(step, frameworkId);
  const task = framework?.tasks.get(taskId);
  if (framework === undefined) return;
  if (task !== undefined) completeTask(step, framework, task);
  forgetFrameworkIfIdle(step, framework);
}

/** Hands an event to an executor, built-in or custom. */
export function sendEvent(step: Step, executor: ExecutorState, event: ExecutorEvent): void {
  step.effects.push({
    kind: "executorEvent",
    frameworkId: executor.frameworkId,
    executorId: executor.executorId,
    event,
  });
}

/** Tells the containerizer after the tasks of a custom executor have changed (semantics 7.1). */
export function updateContainer(step: Step, executor: ExecutorState): void {
  if (executor.isCommandExecutor || executor.pid === undefined) return;
  const { containerId } = executor;
  step.effects.push({ kind: "updateContainer", containerId, resources: resourcesOf(executor) });
}

/** The executor's and those of its live tasks. */
export function resourcesOf(executor: ExecutorState): Resource[] {
  return [...(executor.info.resources ?? []), ...liveTaskResources(executor)];
}

function liveTaskResources({ tasks }: ExecutorState): Resource[] {
  const live = [...tasks.values()].filter(({ state }) => !isTerminalState(state));
  return live.flatMap(({ info }) => info.resources ?? []);
}

/**
 * What each of these holds, with its live tasks, so that nothing counts twice: a default executor has
 * a container for each task, of which the first counts what it holds itself. O(tasks).
 */
export function holdingsOf(
  executors: Iterable<ExecutorState>,
): ReadonlyMap<ExecutorState, readonly Resource[]> {
  const counted = new Set<string>();
  const holdings = new Map<ExecutorState, readonly Resource[]>();
  for (const executor of executors) {
    const own = `${executor.frameworkId}/${shownExecutorId(executor)}`;
    const isCounted = isGroupMember(executor) && counted.has(own);
    counted.add(own);
    holdings.set(executor, isCounted ? liveTaskResources(executor) : resourcesOf(executor));
  }
  return holdings;
}

/** What a containerizer needs to launch or to take back the executor. */
export function launchOf(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): ContainerLaunch {
  const [task] = executor.tasks.values();
  const commandTask = executor.isCommandExecutor ? task?.info : undefined;
  const user = commandTask?.command?.user ?? executor.info.command?.user ?? framework.info.user;
  return {
    containerId: executor.containerId,
    frameworkId: framework.frameworkId,
    executorId: executor.executorId,
    framework: framework.info,
    executor: executor.info,
    commandTask,
    resources: containerResources(framework, executor),
    directory: executor.directory,
    groupId: executor.parentId,
    user: step.options.isUserSwitched ? user : undefined,
  };
}

/**
 * What the executor's container gets. Those of a default executor get ports, disk and volumes of it
 * each, as they share them; what is used up by whoever has it is the first one's alone, so that
 * nothing is given twice. A task with cgroups of its own has what it asked for (semantics 7.12).
 */
function containerResources(framework: FrameworkState, executor: ExecutorState): Resource[] {
  if (!isGroupMember(executor)) return resourcesOf(executor);
  const [first] = liveMembers(framework, shownExecutorId(executor));
  const [task] = executor.tasks.values();
  const isApart = task?.info.container?.linux_info?.share_cgroups === false;
  const own = (executor.info.resources ?? []).filter(({ name }) => {
    if (!USED_UP.has(name)) return true;
    return first === executor && !(isApart && name !== "gpus");
  });
  return [...own, ...liveTaskResources(executor)];
}

const USED_UP: ReadonlySet<string> = new Set(["cpus", "mem", "gpus"]);

/** Takes a task whose terminal update is acknowledged, or unwanted, out of the agent. */
export function completeTask(step: Step, framework: FrameworkState, task: TaskRecord): void {
  const executor = framework.executors.get(task.executorId);
  assert(executor !== undefined, "a task has an executor");
  rememberTask(step, framework, executor, task);
  framework.tasks.delete(task.taskId);
  executor.tasks.delete(task.taskId);
  if (isCheckpointing(framework.info)) {
    checkpoint(step, {
      kind: "removeTask",
      frameworkId: framework.frameworkId,
      taskId: task.taskId,
    });
  }
  removeExecutorIfDone(step, framework, executor);
}

/** For a task that was on disk but had not reached its executor when the agent ended. */
export function restartReport(framework: FrameworkState): AgentReport {
  return {
    state: droppedState(framework.info),
    reason: "REASON_AGENT_RESTARTED",
    message: "Task launched during agent restart",
  };
}

function endExecutor(step: Step, executor: ExecutorState, termination: ContainerTermination): void {
  const framework = findFramework(step, executor.frameworkId);
  assert(framework !== undefined, "an executor has a framework");
  executor.phase = "terminated";
  executor.isAwaited = false;
  executorContainerEnded(step, executor, termination);
  step.state.counters["slave/executors_terminated"] += 1;
  cancelTimer(step, { kind: "executorRegistration", containerId: executor.containerId });
  cancelTimer(step, { kind: "executorShutdown", containerId: executor.containerId });
  for (const task of [...executor.tasks.values()]) {
    if (isTerminalState(task.state)) continue;
    reportTask(step, framework, executor, task, endReport(framework, executor, task, termination));
  }
  tellExited(step, framework, executor, termination);
  removeExecutorIfDone(step, framework, executor);
}

/** So that the master frees what the executor held. */
function tellExited(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  { exit }: ContainerTermination,
): void {
  // The master has settled a disowned one, and may have a new one of that id in its books.
  if (executor.isDisowned) return;
  const executorId = shownExecutorId(executor);
  const isMember = isGroupMember(executor);
  if (executor.isCommandExecutor && !isMember) return;
  if (isMember && liveMembers(framework, executorId).length > 0) return;
  send(step, {
    kind: "executorExited",
    frameworkId: executor.frameworkId,
    executorId,
    // A default executor does not fail with its tasks.
    status: isMember ? 0 : rawWaitStatus(exit),
  });
}

/** As its executor would have told it. */
function checkedAtEnd({ info, kill, checked }: TaskRecord): AgentReport["checked"] {
  const isReason = kill !== undefined && isUnhealthy(info.health_check, checked?.failures ?? 0);
  const { check_status } = checked ?? {};
  return {
    ...(isReason && { healthy: false }),
    ...(check_status !== undefined && { check_status }),
  };
}

/** What a task that was alive when its container ended has become (semantics 6.3, 6.6). */
function endReport(
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
  termination: ContainerTermination,
): AgentReport {
  const { exit, limitation } = termination;
  if (limitation !== undefined) {
    return {
      state: "TASK_FAILED",
      reason: limitation.reason,
      message: limitation.message,
      limitation: { resources: limitation.resources },
    };
  }
  const told = builtInReport(executor, task, termination);
  const pending = executor.pendingEnd;
  // What was done before it could be ended is done.
  if (pending !== undefined && told?.state !== "TASK_FINISHED") {
    const state = pending.state === "gone" ? goneState(framework.info) : pending.state;
    return { state, reason: pending.reason, message: pending.message };
  }
  if (told !== undefined) return told;
  const detail = exit.kind === "unknown" ? exit.message : describeProcessEnd(exit, "Command");
  return {
    state: "TASK_FAILED",
    reason: "REASON_EXECUTOR_TERMINATED",
    message: `Executor terminated: ${detail}`,
  };
}

/** In place of a built-in executor that was not there to tell; undefined when nobody saw the end. */
function builtInReport(
  { isCommandExecutor }: ExecutorState,
  task: TaskRecord,
  { exit }: ContainerTermination,
): AgentReport | undefined {
  const isSeen = exit.kind !== "unknown" || task.kill !== undefined;
  if (!isCommandExecutor || !isSeen) return undefined;
  const cause = task.kill === undefined ? "none" : "killed";
  const end = taskEndOf(exit, cause, endSubjectOf(task.info.container));
  return { ...end, source: "SOURCE_EXECUTOR", checked: checkedAtEnd(task) };
}

/** Semantics 6.4.6: an executor stays until its end and every terminal update are acknowledged. */
function removeExecutorIfDone(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): void {
  if (executor.phase !== "terminated") return;
  if (executor.tasks.size > 0) return;
  framework.executors.delete(executor.executorId);
  step.state.containers.delete(executor.containerId);
  forgetBelow(step, executor);
  rememberExecutor(step, framework, executor);
  if (isCheckpointing(framework.info)) {
    checkpoint(step, {
      kind: "removeExecutor",
      frameworkId: framework.frameworkId,
      executorId: executor.executorId,
    });
  }
  step.effects.push({
    kind: "cleanupContainer",
    containerId: executor.containerId,
    directory: executor.directory,
  });
  forgetFrameworkIfIdle(step, framework);
  const isLast = step.state.containers.size === 0;
  if (step.state.phase === "terminating" && isLast) {
    step.state.phase = "stopped";
    step.effects.push({ kind: "exit", reason: "all executors of the shut down agent are over" });
  }
}

/** Forgets the tasks of an executor with all that was to be told of them. */
export function dropTasks(step: Step, framework: FrameworkState, executor: ExecutorState): void {
  for (const task of [...executor.tasks.values()]) {
    dropStream(step, { frameworkId: framework.frameworkId, taskId: task.taskId });
    // Nobody is told any more, but the history must not show it as alive.
    if (!isTerminalState(task.state)) task.state = "TASK_KILLED";
    rememberTask(step, framework, executor, task);
    framework.tasks.delete(task.taskId);
    executor.tasks.delete(task.taskId);
    if (isCheckpointing(framework.info)) {
      checkpoint(step, {
        kind: "removeTask",
        frameworkId: framework.frameworkId,
        taskId: task.taskId,
      });
    }
  }
}

/** Grace between SHUTDOWN and force. */
function graceOf({ options }: Step, executor: ExecutorState): number {
  const [task] = executor.isCommandExecutor ? executor.tasks.values() : [];
  return shutdownGraceMs(executor.info, task?.info, options.executorShutdownGraceMs);
}
