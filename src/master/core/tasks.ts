/**
 * Book-keeping of tasks and executors: which lists they are on, what they hold, how their state
 * moves. A task that ends returns its resources at once and stays listed until its last update is
 * acknowledged. Source: semantics 6.1, 6.4, 6.5.
 */
import { assert, must } from "../../base/assert.ts";
import type { ExecutorId, FrameworkId, TaskId } from "../../base/ids.ts";
import type { Task, TaskState, TaskStatus, TaskStatusReason } from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { toEndpointFormat } from "../../resources/refinement.ts";
import { type MasterContext, sendEvent, tellOperators } from "./context.ts";
import { rememberBounded } from "./history.ts";
import { keptDescription, keptStatus, statusMessage } from "./kept-messages.ts";
import { STATUSES_PER_TASK_MAX } from "./limits.ts";
import { dropUntold } from "./oversubscribed.ts";
import {
  type AgentEntry,
  type ExecutorEntry,
  executorKey,
  type FrameworkEntry,
  isPartitionAware,
  type KeptStatus,
  type TaskEntry,
} from "./state.ts";
import { type Tally, tallyHeld } from "./tally.ts";

const TERMINAL: ReadonlySet<TaskState> = new Set<TaskState>([
  "TASK_FINISHED",
  "TASK_FAILED",
  "TASK_KILLED",
  "TASK_LOST",
  "TASK_ERROR",
  "TASK_DROPPED",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
]);

/** UNREACHABLE and UNKNOWN are not terminal (semantics 6.1). */
export function isTerminal(state: TaskState): boolean {
  return TERMINAL.has(state);
}

/** The state a partition-aware framework is told, or what all such states are for the others. */
export function lossState(framework: FrameworkEntry, state: TaskState): TaskState {
  return isPartitionAware(framework) ? state : "TASK_LOST";
}

/** A new entry of a task, as it is launched or as its agent reports it. */
export function newTaskEntry(
  ctx: MasterContext,
  framework: FrameworkEntry,
  agent: AgentEntry,
  parts: { readonly task: Task; readonly resources: Bundle; readonly isDuplicate: boolean },
): TaskEntry {
  const { task, resources, isDuplicate } = parts;
  const { state, status_update_state, status_update_uuid } = task;
  const ids = {
    id: task.task_id.value as TaskId,
    agentId: agent.id,
    executorId: task.executor_id?.value as ExecutorId | undefined,
  };
  const statuses: KeptStatus[] = [];
  for (const status of task.statuses ?? []) {
    statuses.push(keptStatus(ctx, ids, status, statuses.at(-1)));
  }
  return {
    ...ids,
    frameworkId: framework.id,
    description: keptDescription(ctx, task),
    resources,
    holdsResources: !isTerminal(state),
    state,
    statusUpdateState: status_update_state,
    statusUpdateUuid: sameText(statuses, status_update_uuid),
    statuses,
    isDuplicate,
  };
}

/** The string of a status, mostly the last one, when it is equal: one in memory and not two. */
function sameText(statuses: readonly KeptStatus[], uuid: string | undefined): string | undefined {
  return statuses.findLast((status) => status.uuid === uuid)?.uuid ?? uuid;
}

/** The task as operators read it; later statuses leave the message alone. */
export function endpointTask(task: TaskEntry): Task {
  const { name, resources = [], ...rest } = task.description;
  return {
    name,
    task_id: { value: task.id },
    framework_id: { value: task.frameworkId },
    ...(task.executorId !== undefined && { executor_id: { value: task.executorId } }),
    agent_id: { value: task.agentId },
    state: task.state,
    resources: resources.map(toEndpointFormat),
    statuses: task.statuses.map((status) => statusMessage(task, status)),
    ...(task.statusUpdateState !== undefined && { status_update_state: task.statusUpdateState }),
    ...(task.statusUpdateUuid !== undefined && { status_update_uuid: task.statusUpdateUuid }),
    ...rest,
  };
}

/** Tells operators that a task's newest state is another one, and by which status. */
export function tellTaskUpdated(ctx: MasterContext, task: TaskEntry, status: TaskStatus): void {
  noteTask(ctx, task);
  tellOperators(ctx, () => ({
    type: "TASK_UPDATED",
    task_updated: { framework_id: { value: task.frameworkId }, status, state: task.state },
  }));
}

/** Puts a task on the lists of its framework and agent. The allocator is not told. */
export function addTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  agent: AgentEntry,
  task: TaskEntry,
): void {
  assert(task.agentId === agent.id, "a task is listed at its own agent");
  agent.tasks.add(task);
  agent.frameworks.add(framework.id);
  if (task.holdsResources) addUsed(ctx, agent, framework.id, task.resources);
  if (task.isDuplicate) return;
  assert(!framework.tasks.has(task.id), () => `task ${task.id} is listed twice`);
  framework.tasks.set(task.id, task);
  countState(ctx, framework, task.state, 1);
  noteTask(ctx, task);
  tellOperators(ctx, () => ({ type: "TASK_ADDED", task_added: { task: endpointTask(task) } }));
}

/**
 * Takes a task off the lists of active ones. What it still holds leaves the agent's account; with
 * `returnsResources` it goes back to the allocator too, which must then know the agent.
 */
export function removeTask(
  ctx: MasterContext,
  task: TaskEntry,
  { returnsResources }: { readonly returnsResources: boolean },
): void {
  releaseResources(ctx, task, returnsResources);
  const agent = ctx.state.agents.get(task.agentId);
  agent?.tasks.delete(task);
  if (task.isDuplicate) return;
  const framework = must(ctx.state.frameworks.get(task.frameworkId), "framework of a task");
  assert(framework.tasks.get(task.id) === task, () => `task ${task.id} is listed`);
  framework.tasks.delete(task.id);
  countState(ctx, framework, task.state, -1);
}

/** Moves a removed task to the framework's completed ones. */
export function completeTask(framework: FrameworkEntry, task: TaskEntry): void {
  if (!task.isDuplicate) framework.completedTasks.add(task);
}

/** Moves a removed task to the framework's unreachable ones. */
export function rememberUnreachable(
  ctx: MasterContext,
  framework: FrameworkEntry,
  task: TaskEntry,
): void {
  const limit = ctx.options.maxUnreachableTasksPerFramework;
  rememberBounded(framework.unreachableTasks, task.id, task, limit);
}

/**
 * Applies a status: the newest state unless the task has already ended, and the history. Resources
 * return when the task ends by it. `latestState` may be ahead of the status, which is the head of
 * the agent's stream.
 */
export function applyStatus(
  ctx: MasterContext,
  task: TaskEntry,
  status: TaskStatus,
  latestState: TaskState,
): void {
  if (!isTerminal(task.state) && latestState !== task.state) {
    if (!task.isDuplicate) {
      const framework = must(ctx.state.frameworks.get(task.frameworkId), "framework of a task");
      countState(ctx, framework, task.state, -1);
      countState(ctx, framework, latestState, 1);
    }
    task.state = latestState;
    if (!task.isDuplicate) tellTaskUpdated(ctx, task, status);
    if (isTerminal(latestState)) {
      ctx.counters.countTerminal(ctx.state.frameworks.get(task.frameworkId), latestState, status);
    }
  }
  task.statusUpdateState = status.state;
  task.statusUpdateUuid = status.uuid;
  rememberStatus(ctx, task, status);
  if (!task.isDuplicate) noteTask(ctx, task);
  if (isTerminal(task.state)) releaseResources(ctx, task, true);
}

/** For readers who ask what is new. */
function noteTask({ state }: MasterContext, { frameworkId, id: taskId }: TaskEntry): void {
  state.changes.add({ kind: "task", frameworkId, taskId });
}

/** A status of the master's own making: no uuid, nobody acknowledges it (semantics 6.2). */
export function masterStatus(
  ctx: MasterContext,
  parts: {
    readonly taskId: string;
    readonly agentId: string | undefined;
    readonly executorId?: string | undefined;
    readonly state: TaskState;
    readonly reason: TaskStatusReason | undefined;
    readonly message: string;
    readonly unreachableMs?: number | undefined;
  },
): TaskStatus {
  return {
    task_id: { value: parts.taskId },
    state: parts.state,
    message: parts.message,
    source: "SOURCE_MASTER",
    ...(parts.reason !== undefined && { reason: parts.reason }),
    ...(parts.agentId !== undefined && { agent_id: { value: parts.agentId } }),
    ...(parts.executorId !== undefined && { executor_id: { value: parts.executorId } }),
    timestamp: ctx.nowMs / 1000,
    ...(parts.unreachableMs !== undefined && {
      unreachable_time: { nanoseconds: parts.unreachableMs * 1_000_000 },
    }),
  };
}

/** Shows a status to the framework, if it is connected. */
export function sendStatus(
  ctx: MasterContext,
  framework: FrameworkEntry,
  status: TaskStatus,
): void {
  sendEvent(ctx, framework, { type: "UPDATE", update: { status } });
}

/** Puts a custom executor on its agent. The allocator is not told. */
export function addExecutor(ctx: MasterContext, agent: AgentEntry, executor: ExecutorEntry): void {
  const key = executorKey(executor.frameworkId, executor.id);
  assert(!agent.executors.has(key), () => `executor ${executor.id} is listed twice`);
  agent.executors.set(key, executor);
  agent.frameworks.add(executor.frameworkId);
  addUsed(ctx, agent, executor.frameworkId, executor.resources);
}

/** Takes an executor off its agent; see `removeTask` for `returnsResources`. */
export function removeExecutor(
  ctx: MasterContext,
  agent: AgentEntry,
  executor: ExecutorEntry,
  { returnsResources }: { readonly returnsResources: boolean },
): void {
  const isListed = agent.executors.delete(executorKey(executor.frameworkId, executor.id));
  assert(isListed, () => `executor ${executor.id} is listed`);
  subtractUsed(ctx, agent, executor.frameworkId, executor.resources);
  if (returnsResources) giveBack(ctx, agent, executor.frameworkId, executor.resources);
}

function releaseResources(ctx: MasterContext, task: TaskEntry, returnsResources: boolean): void {
  if (!task.holdsResources) return;
  task.holdsResources = false;
  const agent = must(ctx.state.agents.get(task.agentId), "agent of a task that holds resources");
  subtractUsed(ctx, agent, task.frameworkId, task.resources);
  if (returnsResources) giveBack(ctx, agent, task.frameworkId, task.resources);
}

function giveBack(
  ctx: MasterContext,
  agent: AgentEntry,
  frameworkId: FrameworkId,
  resources: Bundle,
): void {
  if (resources.isEmpty()) return;
  ctx.allocator.recover(frameworkId, agent.id, resources.clone(), 0, ctx.nowMs);
  dropUntold(ctx, agent, resources);
}

function addUsed(
  ctx: MasterContext,
  agent: AgentEntry,
  frameworkId: FrameworkId,
  resources: Bundle,
): void {
  if (resources.isEmpty()) return;
  const { tally } = ctx.state;
  const used = agent.used.get(frameworkId);
  if (used !== undefined) {
    changeUsed(tally, used, resources, 1);
    return;
  }
  agent.used.set(frameworkId, resources.clone());
  tallyHeld(tally, "used", resources, 1);
}

function subtractUsed(
  ctx: MasterContext,
  agent: AgentEntry,
  frameworkId: FrameworkId,
  resources: Bundle,
): void {
  if (resources.isEmpty()) return;
  const used = must(agent.used.get(frameworkId), "account of a framework on an agent");
  changeUsed(ctx.state.tally, used, resources, -1);
  if (used.isEmpty()) agent.used.delete(frameworkId);
}

/** Adds to an account of a framework on an agent, or takes away. */
function changeUsed(tally: Tally, used: Bundle, resources: Bundle, by: 1 | -1): void {
  // A shared volume counts once, however often it is held: then the sums are not the difference.
  const { hasShared } = resources.summary();
  tallyHeld(tally, "used", hasShared ? used : resources, hasShared ? -1 : by);
  if (by === 1) used.add(resources);
  else used.subtract(resources);
  if (hasShared) tallyHeld(tally, "used", used, 1);
}

function countState(
  ctx: MasterContext,
  framework: FrameworkEntry,
  state: TaskState,
  by: number,
): void {
  for (const counts of [ctx.state.taskCounts, framework.taskCounts]) {
    const count = (counts.get(state) ?? 0) + by;
    assert(count >= 0, () => `there are ${count} tasks in ${state}`);
    counts.set(state, count);
  }
}

/** Keeps the last of a run of equal states (semantics 6.1). */
export function rememberStatus(ctx: MasterContext, task: TaskEntry, status: TaskStatus): void {
  const last = task.statuses.at(-1);
  const kept = keptStatus(ctx, task, status, last);
  if (last?.state === status.state) task.statuses.pop();
  task.statuses.push(kept);
  if (task.statuses.length > STATUSES_PER_TASK_MAX) task.statuses.shift();
}
