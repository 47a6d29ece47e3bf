/**
 * LAUNCH and LAUNCH_GROUP of an ACCEPT: tasks move from the offers to their agent, or are answered
 * with a terminal state. Source: semantics 4.8, 4.11, 5, 6.7; http-api 4.3.
 */
import { brand, type ExecutorId } from "../../base/ids.ts";
import { excerpt } from "../../base/text.ts";
import type {
  ExecutorInfo,
  OfferOperation,
  Task,
  TaskInfo,
  TaskState,
  TaskStatusReason,
} from "../../protocol/v1/types.ts";
import { denialOfTask } from "../../security/run-task.ts";
import { command } from "./commands.ts";
import type { MasterContext } from "./context.ts";
import { REFUSAL_LENGTH_MAX } from "./limits.ts";
import { healthCheckType } from "./message-validation.ts";
import type { OfferPool } from "./offer-pool.ts";
import { type AllocatedResources, allocatedResources } from "./resource-forms.ts";
import { type AgentEntry, type ExecutorEntry, executorKey, type FrameworkEntry } from "./state.ts";
import { faultOfGroup, faultOfTask } from "./task-validation.ts";
import { addExecutor, addTask, masterStatus, newTaskEntry, sendStatus } from "./tasks.ts";

/** An ACCEPT under way. */
export interface Launch {
  readonly framework: FrameworkEntry;
  readonly agent: AgentEntry;
  /** Role of the offers. */
  readonly role: string;
  readonly pool: OfferPool;
  launchedCount: number;
}

/** Why a task is not launched. */
export interface Verdict {
  readonly state: TaskState;
  readonly reason: TaskStatusReason;
  readonly message: string;
}

/** Launches each task on its own: a bad one does not stop the next. */
export function performLaunch(ctx: MasterContext, launch: Launch, operation: OfferOperation): void {
  const tasks = tasksOf(operation);
  if (tasks.length === 0) {
    ctx.counters.count("master/messages_decline_offers");
    return;
  }
  ctx.counters.count("master/messages_launch_tasks");
  for (const task of tasks) {
    const denial = denialOfTask(ctx.options.acls, launch.framework.info, task, task.executor);
    if (denial !== undefined) {
      refuseLaunch(ctx, launch, task, "REASON_TASK_UNAUTHORIZED", denial);
      continue;
    }
    const fault =
      operation.id === undefined
        ? launchTask(ctx, launch, task)
        : "The `id` field cannot be set on LAUNCH operations";
    if (fault !== undefined) refuseLaunch(ctx, launch, task, "REASON_TASK_INVALID", fault);
  }
}

/** Launches all tasks of a group, or none. */
export function performLaunchGroup(
  ctx: MasterContext,
  launch: Launch,
  operation: OfferOperation,
): void {
  ctx.counters.count("master/messages_launch_tasks");
  const tasks = tasksOf(operation);
  const denial = denialOfGroup(ctx, launch.framework, operation);
  if (denial !== undefined) {
    for (const task of tasks) {
      refuseLaunch(ctx, launch, task, "REASON_TASK_GROUP_UNAUTHORIZED", denial);
    }
    return;
  }
  const fault =
    operation.id === undefined
      ? launchGroup(ctx, launch, operation.launch_group)
      : "The `id` field cannot be set on LAUNCH_GROUP operations";
  if (fault === undefined) return;
  for (const task of tasks) refuseLaunch(ctx, launch, task, "REASON_TASK_GROUP_INVALID", fault);
}

/** Answers for a task that is not launched. */
export function refuseTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  task: TaskInfo,
  verdict: Verdict,
): void {
  const status = masterStatus(ctx, {
    taskId: task.task_id.value,
    agentId: task.agent_id.value,
    executorId: task.executor?.executor_id.value,
    ...verdict,
    message: excerpt(verdict.message, REFUSAL_LENGTH_MAX),
  });
  ctx.counters.countTerminal(framework, verdict.state, status);
  sendStatus(ctx, framework, status);
}

/** Tasks an operation would launch; none for operations on resources. */
export function tasksOf(operation: OfferOperation): readonly TaskInfo[] {
  if (operation.type === "LAUNCH") return operation.launch?.task_infos ?? [];
  if (operation.type === "LAUNCH_GROUP") return operation.launch_group?.task_group.tasks ?? [];
  return [];
}

function refuseLaunch(
  ctx: MasterContext,
  { framework }: Launch,
  task: TaskInfo,
  reason: TaskStatusReason,
  message: string,
): void {
  refuseTask(ctx, framework, task, { state: "TASK_ERROR", reason, message });
}

/** One task that may not run is enough for the whole group. */
function denialOfGroup(
  ctx: MasterContext,
  { info }: FrameworkEntry,
  operation: OfferOperation,
): string | undefined {
  for (const task of tasksOf(operation)) {
    const denial = denialOfTask(ctx.options.acls, info, task, operation.launch_group?.executor);
    if (denial !== undefined) return denial;
  }
  return undefined;
}

function launchTask(ctx: MasterContext, launch: Launch, task: TaskInfo): string | undefined {
  const { framework, agent } = launch;
  const executor =
    task.executor === undefined ? undefined : completeExecutor(framework, task.executor);
  const known = executor === undefined ? undefined : knownExecutor(launch, executor);
  const fault = faultOfTask(ctx, { ...launch, task, executor, known });
  if (fault !== undefined) return fault;
  const running =
    executor === undefined ? undefined : (known ?? startExecutor(ctx, launch, executor));
  const order = startTask(ctx, launch, task, running);
  command(ctx, agent, {
    kind: "runTask",
    framework: framework.info,
    task: order,
    launchesExecutor: running !== undefined && known === undefined,
  });
  return undefined;
}

function launchGroup(
  ctx: MasterContext,
  launch: Launch,
  group: OfferOperation["launch_group"],
): string | undefined {
  if (group === undefined) return "Expecting 'launch_group' to be present";
  const { framework, agent } = launch;
  const executor = completeExecutor(framework, group.executor);
  const known = knownExecutor(launch, executor);
  const tasks = group.task_group.tasks ?? [];
  const fault = faultOfGroup(ctx, { ...launch, tasks, executor, known });
  if (fault !== undefined) return fault;
  const running = known ?? startExecutor(ctx, launch, executor);
  command(ctx, agent, {
    kind: "runTaskGroup",
    framework: framework.info,
    executor: running.info,
    taskGroup: { tasks: tasks.map((task) => startTask(ctx, launch, task, running)) },
    launchesExecutor: known === undefined,
  });
  return undefined;
}

/** Puts a task that was judged on its agent; returns it as the agent gets it. */
function startTask(
  ctx: MasterContext,
  launch: Launch,
  task: TaskInfo,
  executor: ExecutorEntry | undefined,
): TaskInfo {
  const { framework, agent } = launch;
  const { bundle, messages } = spend(ctx, launch, task.resources ?? []);
  const type = task.health_check === undefined ? undefined : healthCheckType(task.health_check);
  const order: TaskInfo = {
    ...task,
    resources: messages,
    ...(executor !== undefined && { executor: executor.info }),
    ...(type !== undefined && { health_check: { ...task.health_check, type } }),
  };
  const entry = newTaskEntry(ctx, framework, agent, {
    task: describe(framework, order),
    resources: bundle,
    isDuplicate: false,
  });
  addTask(ctx, framework, agent, entry);
  launch.launchedCount += 1;
  return order;
}

/** The first task of an executor brings it along, and it takes its own share of the offer. */
function startExecutor(ctx: MasterContext, launch: Launch, executor: ExecutorInfo): ExecutorEntry {
  const { framework, agent } = launch;
  const { bundle, messages } = spend(ctx, launch, executor.resources ?? []);
  const entry: ExecutorEntry = {
    id: brand<ExecutorId>(executor.executor_id.value),
    frameworkId: framework.id,
    agentId: agent.id,
    info: { ...executor, resources: messages },
    resources: bundle,
  };
  addExecutor(ctx, agent, entry);
  return entry;
}

/** Takes resources from the offers, in allocated form. */
function spend(
  ctx: MasterContext,
  { framework, agent, role, pool }: Launch,
  wanted: NonNullable<TaskInfo["resources"]>,
): AllocatedResources {
  const resources = allocatedResources(ctx, wanted, role);
  const extra = pool.take(resources.bundle);
  if (!extra.isEmpty()) ctx.allocator.addUsed(framework.id, agent.id, extra);
  return resources;
}

function knownExecutor(launch: Launch, executor: ExecutorInfo): ExecutorEntry | undefined {
  const { framework, agent } = launch;
  return agent.executors.get(executorKey(framework.id, brand(executor.executor_id.value)));
}

/** The executor as it will run: with the framework's id filled in. */
function completeExecutor(framework: FrameworkEntry, executor: ExecutorInfo): ExecutorInfo {
  if (executor.framework_id !== undefined) return executor;
  return { ...executor, framework_id: { value: framework.id } };
}

/** The task as everybody but the agent sees it. */
function describe(framework: FrameworkEntry, task: TaskInfo): Task {
  const { command: order, executor, labels, discovery, container, limits } = task;
  const user = order?.user ?? executor?.command?.user;
  return {
    name: task.name,
    task_id: task.task_id,
    framework_id: { value: framework.id },
    agent_id: task.agent_id,
    state: "TASK_STAGING",
    resources: task.resources,
    ...(executor !== undefined && { executor_id: executor.executor_id }),
    ...(labels !== undefined && { labels }),
    ...(discovery !== undefined && { discovery }),
    ...(container !== undefined && { container }),
    ...(task.health_check !== undefined && { health_check: task.health_check }),
    ...(task.kill_policy !== undefined && { kill_policy: task.kill_policy }),
    ...(user !== undefined && { user }),
    ...(limits !== undefined && { limits }),
  };
}
