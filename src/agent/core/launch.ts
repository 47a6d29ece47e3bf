/**
 * From a run command to a container being launched: the checks that the agent repeats, the executor
 * a command task gets, and the queue in front of custom executors.
 * Source: semantics 6.3, 7.1, 7.2, 7.5.
 */
import { brand, type ContainerId } from "../../base/ids.ts";
import type {
  ExecutorInfo,
  FrameworkInfo,
  TaskGroupInfo,
  TaskInfo,
  TaskStatusReason,
} from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { denialOfTask } from "../../security/run-task.ts";
import { checkpointExecutor, launchOf, sendEvent, updateContainer } from "./executors.ts";
import { forgetFrameworkIfIdle, recallFramework } from "./history.ts";
import {
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
  liveMembers,
  memberKey,
  type TaskRecord,
} from "./state.ts";
import { agentIdOf, checkpoint, log, type Step, send, setTimer } from "./step.ts";
import { checkpointTask, droppedState, reportAbsentTask } from "./tasks.ts";
import { dropStream } from "./updates.ts";

/** One task, or several that an executor gets together. */
export interface RunRequest {
  readonly framework: FrameworkInfo;
  readonly tasks: readonly TaskInfo[];
  readonly taskGroup: TaskGroupInfo | undefined;
  /** Undefined for a command task. */
  readonly executor: ExecutorInfo | undefined;
  /** What the master believes of the executor: see `AgentCommand`. */
  readonly launchesExecutor: boolean;
}

/** Launches the tasks, or reports for each why it was not launched. */
export function runTasks(step: Step, request: RunRequest): void {
  const frameworkId = request.framework.id?.value;
  if (frameworkId === undefined || !validateId(frameworkId, "framework.id").ok) {
    log(step, "error", "ignored tasks of a framework without a usable id");
    return;
  }
  const known = step.state.frameworks.get(frameworkId);
  const tasks = request.tasks.filter((task) => isNewTask(step, known, task));
  if (tasks.length === 0) return;
  const framework = known ?? addFramework(step, frameworkId, request.framework);
  const fault = faultOf(step, framework, request);
  if (fault === undefined) startTasks(step, framework, { ...request, tasks });
  else refuseTasks(step, framework, { ...request, tasks }, fault);
}

/** Framework of the first task here; on disk before anything of it is visible. */
export function addFramework(step: Step, frameworkId: string, info: FrameworkInfo): FrameworkState {
  const framework: FrameworkState = {
    frameworkId,
    info,
    executors: new Map(),
    tasks: new Map(),
    completedExecutors: recallFramework(step, frameworkId),
  };
  step.state.frameworks.set(frameworkId, framework);
  if (isCheckpointing(info)) {
    checkpoint(step, { kind: "putFramework", framework: { framework: info } });
  }
  return framework;
}

/** Puts an executor into the state's indexes. */
export function addExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): ExecutorState {
  framework.executors.set(executor.executorId, executor);
  step.state.containers.set(executor.containerId, executor);
  return executor;
}

/** Puts a task into the state's indexes. */
export function addTask(
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
): TaskRecord {
  framework.tasks.set(task.taskId, task);
  executor.tasks.set(task.taskId, task);
  return task;
}

interface Fault {
  readonly state: "dropped" | "TASK_FAILED" | "TASK_ERROR";
  readonly reason: TaskStatusReason;
  readonly message: string;
}

function isNewTask(step: Step, framework: FrameworkState | undefined, task: TaskInfo): boolean {
  if (framework?.tasks.has(task.task_id.value) !== true) return true;
  log(step, "error", "ignored a task whose id is already in use here", {
    framework: framework.frameworkId,
    task: task.task_id.value,
  });
  return false;
}

function faultOf(step: Step, framework: FrameworkState, request: RunRequest): Fault | undefined {
  const executorId = executorIdOf(request);
  const ids = [executorId, ...request.tasks.map((task) => task.task_id.value)];
  if (ids.some((id) => !validateId(id, "id").ok)) {
    return invalid("Task or executor has an id that cannot be a folder name");
  }
  if (request.executor === undefined && request.tasks.some((task) => task.command === undefined)) {
    return invalid("Task has neither a command nor an executor");
  }
  const denial = denialOf(step, framework.info, request);
  if (denial !== undefined) return denial;
  if (step.state.drain !== undefined) {
    return {
      state: "dropped",
      reason: "REASON_AGENT_DRAINING",
      message: "Task was received while agent was already draining",
    };
  }
  if (step.state.diskShortage !== undefined) {
    return {
      state: "dropped",
      reason: "REASON_CONTAINER_LAUNCH_FAILED",
      message: `The agent takes no tasks for now: ${step.state.diskShortage}`,
    };
  }
  if (!step.options.areLimitsEnforced && request.tasks.some(hasUnenforcedLimits)) {
    return {
      state: "dropped",
      reason: "REASON_GC_ERROR",
      message: "Task has resource limits, which no isolator of this agent enforces",
    };
  }
  if (isForDefaultExecutor(request)) return faultOfGroup(framework, request);
  const executor = framework.executors.get(executorId);
  if (executor === undefined) {
    const isExpected = request.executor !== undefined && !request.launchesExecutor;
    return isExpected ? executorIsOver(executorId, "terminated") : undefined;
  }
  return request.executor === undefined ? collision(executor) : faultOfExecutor(executor);
}

/** The agent judges anew, by ACLs of its own. One task that may not run is enough for a group. */
function denialOf(step: Step, framework: FrameworkInfo, request: RunRequest): Fault | undefined {
  for (const task of request.tasks) {
    const message = denialOfTask(step.options.acls, framework, task, request.executor);
    if (message === undefined) continue;
    const isGroup = request.taskGroup !== undefined;
    const reason = isGroup ? "REASON_TASK_GROUP_UNAUTHORIZED" : "REASON_TASK_UNAUTHORIZED";
    return { state: "TASK_ERROR", reason, message };
  }
  return undefined;
}

/** Tasks of such a group get a container each; there is no process to hand them to. */
function isForDefaultExecutor(request: RunRequest): boolean {
  return request.executor?.type === "DEFAULT";
}

function faultOfGroup(framework: FrameworkState, request: RunRequest): Fault | undefined {
  const executorId = executorIdOf(request);
  const other = framework.executors.get(executorId);
  if (other !== undefined) return collision(other);
  const members = liveMembers(framework, executorId);
  const isRunning = members.length > 0;
  if (!isRunning && !request.launchesExecutor) return executorIsOver(executorId, "terminated");
  // It ends as a whole, and what joined it now would be left behind.
  const isEnding = isRunning && members.every(({ phase }) => phase === "terminating");
  if (isEnding) return executorIsOver(executorId, "terminating");
  for (const { task_id: id } of request.tasks) {
    const member = framework.executors.get(memberKey(executorId, id.value));
    if (member !== undefined) return executorIsOver(executorId, member.phase);
  }
  return undefined;
}

function collision(executor: ExecutorState): Fault {
  return {
    state: "dropped",
    reason: "REASON_TASK_INVALID",
    message: `Task has the id of the existing executor ${executor.executorId}`,
  };
}

function faultOfExecutor(executor: ExecutorState): Fault | undefined {
  if (executor.isCommandExecutor) {
    return {
      state: "TASK_FAILED",
      reason: "REASON_TASK_INVALID",
      message: 'Attempted to run multiple tasks using a "command" executor',
    };
  }
  if (executor.phase !== "terminating" && executor.phase !== "terminated") return undefined;
  return executorIsOver(executor.executorId, executor.phase);
}

function executorIsOver(executorId: string, phase: string): Fault {
  return {
    state: "dropped",
    reason: "REASON_EXECUTOR_TERMINATED",
    message: `Executor ${executorId} is ${phase}`,
  };
}

function invalid(message: string): Fault {
  return { state: "TASK_ERROR", reason: "REASON_TASK_INVALID", message };
}

/** Docker enforces the limits of what it runs, whatever else this agent can do. */
function hasUnenforcedLimits({ limits, container }: TaskInfo): boolean {
  if (container?.type === "DOCKER") return false;
  return limits !== undefined && Object.keys(limits).length > 0;
}

/** Wait status of an executor that was not launched. */
const NEVER_RAN = -1;

function refuseTasks(
  step: Step,
  framework: FrameworkState,
  { tasks, executor, launchesExecutor }: RunRequest,
  fault: Fault,
): void {
  const { frameworkId } = framework;
  const state = fault.state === "dropped" ? droppedState(framework.info) : fault.state;
  for (const task of tasks) {
    reportAbsentTask(step, frameworkId, task.task_id.value, { ...fault, state });
  }
  if (executor !== undefined && launchesExecutor) {
    const executorId = executor.executor_id.value;
    send(step, { kind: "executorExited", frameworkId, executorId, status: NEVER_RAN });
  }
  forgetFrameworkIfIdle(step, framework);
}

function startTasks(step: Step, framework: FrameworkState, request: RunRequest): void {
  if (!isForDefaultExecutor(request)) {
    startTogether(step, framework, request);
    return;
  }
  // Nobody needs more of the others than who they are, and each task is written with its group.
  const tasks = request.tasks.map(({ name, task_id, agent_id }) => ({ name, task_id, agent_id }));
  for (const task of request.tasks) {
    startTogether(step, framework, { ...request, tasks: [task], taskGroup: { tasks } });
  }
}

/** Starts tasks under one executor, which is launched unless it runs. */
function startTogether(step: Step, framework: FrameworkState, request: RunRequest): void {
  const existing = framework.executors.get(executorKeyOf(request));
  const executor = existing ?? newExecutor(step, framework, request);
  for (const info of request.tasks) {
    const task: TaskRecord = {
      taskId: info.task_id.value,
      executorId: executor.executorId,
      info,
      taskGroup: request.taskGroup,
      state: "TASK_STAGING",
      isQueued: executor.phase === "registering",
      kill: undefined,
      checked: undefined,
      statuses: [],
      forwarded: undefined,
    };
    // An answer that is still to be acknowledged was about an earlier task of that id.
    dropStream(step, { frameworkId: framework.frameworkId, taskId: task.taskId });
    addTask(framework, executor, task);
    checkpointTask(step, framework, task);
  }
  if (existing === undefined) {
    launchExecutor(step, framework, executor);
    return;
  }
  updateContainer(step, executor);
  if (executor.phase === "running") deliver(step, executor, request);
}

function newExecutor(step: Step, framework: FrameworkState, request: RunRequest): ExecutorState {
  const executorId = executorKeyOf(request);
  const containerId: ContainerId = brand(step.uuid());
  const parentId = isForDefaultExecutor(request)
    ? parentOf(step, framework, executorIdOf(request))
    : undefined;
  const [task] = request.tasks;
  const info = request.executor ?? commandExecutorInfo(framework.frameworkId, task);
  const executor = addExecutor(step, framework, {
    frameworkId: framework.frameworkId,
    executorId,
    containerId,
    info,
    isCommandExecutor: request.executor === undefined || isForDefaultExecutor(request),
    directory: sandboxPath(step, framework.frameworkId, executorIdOf(request), {
      containerId,
      parentId,
    }),
    parentId,
    phase: "registering",
    isDisowned: false,
    isAwaited: false,
    hasHadTask: false,
    pid: undefined,
    pendingEnd: undefined,
    tasks: new Map(),
    completedTasks: [],
  });
  checkpointExecutor(step, framework, executor);
  return executor;
}

function launchExecutor(step: Step, framework: FrameworkState, executor: ExecutorState): void {
  step.effects.push({ kind: "launchContainer", launch: launchOf(step, framework, executor) });
  if (executor.isCommandExecutor) return;
  setTimer(
    step,
    { kind: "executorRegistration", containerId: executor.containerId },
    step.options.executorRegistrationTimeoutMs,
  );
}

function deliver(step: Step, executor: ExecutorState, request: RunRequest): void {
  executor.hasHadTask = true;
  if (request.taskGroup !== undefined) {
    sendEvent(step, executor, {
      type: "LAUNCH_GROUP",
      launch_group: { task_group: request.taskGroup },
    });
    return;
  }
  for (const task of request.tasks) {
    sendEvent(step, executor, { type: "LAUNCH", launch: { task } });
  }
}

function executorIdOf(request: RunRequest): string {
  return request.executor?.executor_id.value ?? request.tasks[0]?.task_id.value ?? "";
}

/** Where the executor of a request is kept among its framework's. */
function executorKeyOf(request: RunRequest): string {
  const executorId = executorIdOf(request);
  if (!isForDefaultExecutor(request)) return executorId;
  return memberKey(executorId, request.tasks[0]?.task_id.value ?? "");
}

/** Longest command shown whole in an executor's name, and how much of a longer one. */
const COMMAND_SHOWN = { whole: 15, start: 12 };

/** What a command task gets as its executor (semantics 7.2). */
function commandExecutorInfo(frameworkId: string, task: TaskInfo | undefined): ExecutorInfo {
  const taskId = task?.task_id.value ?? "";
  const text = task?.command?.value ?? "";
  const isShell = task?.command?.shell !== false;
  const shown =
    text.length <= COMMAND_SHOWN.whole ? text : `${text.slice(0, COMMAND_SHOWN.start)}...`;
  return {
    executor_id: { value: taskId },
    framework_id: { value: frameworkId },
    command: task?.command,
    container: task?.container,
    name: `Command Executor (Task: ${taskId}) (Command: ${isShell ? `sh -c '${shown}'` : shown})`,
    source: taskId,
  };
}

/** The container all live tasks of a default executor are nested in; a new one for a new run. */
function parentOf(step: Step, framework: FrameworkState, executorId: string): ContainerId {
  const [member] = liveMembers(framework, executorId);
  return member?.parentId ?? brand<ContainerId>(step.uuid());
}

/** Semantics 7.2, 7.5; every part is safe as a folder name. */
function sandboxPath(
  step: Step,
  frameworkId: string,
  executorId: string,
  { containerId, parentId }: Pick<ExecutorState, "containerId" | "parentId">,
): string {
  const { workDir } = step.options;
  const agentId = agentIdOf(step.state);
  const runs = `${workDir}/slaves/${agentId}/frameworks/${frameworkId}/executors/${executorId}/runs`;
  return parentId === undefined
    ? `${runs}/${containerId}`
    : `${runs}/${parentId}/containers/${containerId}`;
}
