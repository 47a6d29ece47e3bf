/**
 * Whether a task, or a group of tasks as a whole, may be launched on an offer: the first fault in
 * the order Mesos looks for them, as the message of the TASK_ERROR. Source: semantics 6.7
 * (`src/master/validation.cpp`).
 */
import { brand, type TaskId } from "../../base/ids.ts";
import type { ExecutorInfo, Resource, TaskInfo } from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { formatResources } from "../../resources/format.ts";
import { isNothing } from "../../resources/nothing.ts";
import type { MasterContext } from "./context.ts";
import { faultOfGroupExecutor, faultOfTaskExecutor } from "./executor-validation.ts";
import { TASKS_PER_GROUP_MAX } from "./limits.ts";
import {
  faultOfCheck,
  faultOfCommand,
  faultOfContainer,
  faultOfDuration,
  faultOfHealthCheck,
  faultOfHoldings,
  faultOfMixture,
  firstFault,
} from "./message-validation.ts";
import type { OfferPool } from "./offer-pool.ts";
import { allocatedResources, emptyBundle, printResources } from "./resource-forms.ts";
import { type AgentEntry, type ExecutorEntry, executorKey, type FrameworkEntry } from "./state.ts";

/** Where tasks are to be launched. */
interface Place {
  readonly framework: FrameworkEntry;
  readonly agent: AgentEntry;
  /** Role of the offers. */
  readonly role: string;
  readonly pool: OfferPool;
}

/** A task and all it is judged by. */
export interface TaskCandidate extends Place {
  readonly task: TaskInfo;
  /** With `framework_id` filled in. */
  readonly executor: ExecutorInfo | undefined;
  /** The executor of the same id that already runs on the agent. */
  readonly known: ExecutorEntry | undefined;
}

/** A task group and all it is judged by. */
export interface GroupCandidate extends Place {
  readonly tasks: readonly TaskInfo[];
  /** With `framework_id` filled in. */
  readonly executor: ExecutorInfo;
  readonly known: ExecutorEntry | undefined;
}

export function faultOfTask(ctx: MasterContext, candidate: TaskCandidate): string | undefined {
  const { task, executor } = candidate;
  return (
    faultOfAnyTask(candidate, task) ??
    faultOfLoneTask(task) ??
    faultOfChoice(task) ??
    (executor === undefined ? undefined : faultOfTaskExecutor({ ...candidate, executor })) ??
    faultOfMixture("Task with its executor", heldTogether(candidate, [task])) ??
    faultOfAmount(ctx, candidate, [task])
  );
}

/** All or nothing: one fault is the fault of the whole group. */
export function faultOfGroup(ctx: MasterContext, candidate: GroupCandidate): string | undefined {
  const { tasks } = candidate;
  if (tasks.length === 0) return "Task group has no tasks";
  if (tasks.length > TASKS_PER_GROUP_MAX) {
    return `Task group has ${tasks.length} tasks; at most ${TASKS_PER_GROUP_MAX} are allowed`;
  }
  return (
    faultOfGroupExecutor(candidate) ??
    firstFault(tasks, (task) => faultOfAnyTask(candidate, task)) ??
    firstFault(tasks, (task) => faultOfGroupTask(candidate, task)) ??
    faultOfTwins(tasks) ??
    faultOfUnevenCgroups(candidate) ??
    faultOfMixture("Task group with its executor", heldTogether(candidate, tasks)) ??
    faultOfAmount(ctx, candidate, tasks)
  );
}

/** What holds for tasks on their own and in groups alike. */
function faultOfAnyTask(place: Place, task: TaskInfo): string | undefined {
  return (
    faultOfTaskId(place, task) ??
    faultOfAgent(place, task) ??
    faultOfDuration("kill_policy.grace_period", task.kill_policy?.grace_period) ??
    faultOfDuration("max_completion_time", task.max_completion_time) ??
    faultOfCheck(task.check) ??
    faultOfHealthCheck(task.health_check) ??
    faultOfTaskResources(task.resources ?? [], place.role) ??
    faultOfCommand("Task", task.command) ??
    faultOfContainer(task.container) ??
    faultOfLimits(place, task)
  );
}

function faultOfTaskId({ framework }: Place, task: TaskInfo): string | undefined {
  const id = task.task_id.value;
  const checked = validateId(id, "task_id");
  if (!checked.ok) return `Task ID is not valid: ${checked.error.message}`;
  const taskId = brand<TaskId>(id);
  const isTaken = framework.tasks.has(taskId);
  if (isTaken || framework.unreachableTasks.has(taskId)) {
    return `Task has duplicate ID: ${id}`;
  }
  return undefined;
}

function faultOfAgent({ agent }: Place, task: TaskInfo): string | undefined {
  const named = task.agent_id.value;
  if (named === agent.id) return undefined;
  return `Task uses invalid agent ${named} while agent ${agent.id} is expected`;
}

function faultOfTaskResources(resources: readonly Resource[], role: string): string | undefined {
  if (resources.length === 0) return "Task uses no resources";
  return faultOfHoldings("Task", resources, role);
}

function faultOfLimits({ agent }: Place, task: TaskInfo): string | undefined {
  const limits = Object.entries(task.limits ?? {});
  if (limits.length === 0) return undefined;
  if (!agent.capabilities.some(({ type }) => type === "TASK_RESOURCE_LIMITS")) {
    return `Agent ${agent.id} does not support resource limits of tasks`;
  }
  for (const [name, { value }] of limits) {
    if (name !== "cpus" && name !== "mem") return `Resource limit of ${name} is not supported`;
    const wanted = requested(task.resources ?? [], name);
    if (wanted === undefined) return `Resource limit of ${name} needs a request of ${name}`;
    if (!(value >= wanted)) return `Resource limit of ${name} must not be below the request`;
  }
  return undefined;
}

function requested(resources: readonly Resource[], name: string): number | undefined {
  const found = resources.filter((resource) => resource.name === name);
  if (found.length === 0) return undefined;
  return found.reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0);
}

function faultOfLoneTask(task: TaskInfo): string | undefined {
  if (sharesCgroups(task.container)) return undefined;
  return "Only tasks in a task group may have 'share_cgroups' set to false";
}

function faultOfChoice(task: TaskInfo): string | undefined {
  if ((task.command === undefined) !== (task.executor === undefined)) return undefined;
  return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present";
}

function faultOfGroupTask({ executor }: GroupCandidate, task: TaskInfo): string | undefined {
  if (
    task.executor !== undefined &&
    !isSameMessage(withoutFramework(task.executor), withoutFramework(executor))
  ) {
    return "The 'ExecutorInfo' of task and of its group must be the same";
  }
  if (task.container?.type === "DOCKER") {
    return "Docker ContainerInfo is not supported on a task of a group";
  }
  const { type, http, tcp } = task.health_check ?? {};
  const isProbing = type === "HTTP" || type === "TCP" || http !== undefined || tcp !== undefined;
  if (isProbing && (task.container?.network_infos ?? []).length > 0) {
    return "HTTP and TCP health checks are not supported for nested containers with a network of their own";
  }
  if (Object.keys(task.limits ?? {}).length > 0 && sharesCgroups(task.container)) {
    return "Resource limits of a task in a group need 'share_cgroups' set to false";
  }
  return undefined;
}

function faultOfTwins(tasks: readonly TaskInfo[]): string | undefined {
  const seen = new Set<string>();
  for (const { task_id } of tasks) {
    if (seen.has(task_id.value)) return `Task has duplicate ID: ${task_id.value}`;
    seen.add(task_id.value);
  }
  return undefined;
}

/** One executor has one kind of nested container (semantics 6.7). */
function faultOfUnevenCgroups(candidate: GroupCandidate): string | undefined {
  const { agent, framework, executor, tasks } = candidate;
  const key = executorKey(framework.id, brand(executor.executor_id.value));
  const containers = tasks.map(({ container }) => container);
  for (const { executorId, frameworkId, description } of agent.tasks) {
    if (executorId === undefined || executorKey(frameworkId, executorId) !== key) continue;
    containers.push(description.container);
  }
  const [first, ...rest] = containers.map(sharesCgroups);
  if (rest.every((value) => value === first)) return undefined;
  return "All tasks under one executor must have the same value of 'share_cgroups'";
}

/** The default is true. */
function sharesCgroups(container: TaskInfo["container"]): boolean {
  return container?.linux_info?.share_cgroups !== false;
}

function withoutFramework({ framework_id: _, ...rest }: ExecutorInfo): ExecutorInfo {
  return rest;
}

interface Spender extends Place {
  readonly executor: ExecutorInfo | undefined;
  readonly known: ExecutorEntry | undefined;
}

/** What tasks and their executor hold, also where it was launched before. */
function heldTogether({ executor, known }: Spender, tasks: readonly TaskInfo[]): Resource[] {
  const own = (known?.info ?? executor)?.resources ?? [];
  return [...own, ...tasks.flatMap(({ resources }) => resources ?? [])];
}

function faultOfAmount(
  ctx: MasterContext,
  spender: Spender,
  tasks: readonly TaskInfo[],
): string | undefined {
  const { executor, known, pool, role } = spender;
  const wanted = tasks.flatMap(({ resources }) => resources ?? []);
  const brought = known === undefined ? (executor?.resources ?? []) : [];
  const absent = [...wanted, ...brought].find((resource) => {
    // Of a disk a part may be named that there is nothing of, and would be missing.
    if (isNothing(resource) && resource.disk === undefined) return false;
    return !ctx.kinds.isKnown(resource);
  });
  if (absent !== undefined) {
    return `Task (or executor) uses ${formatResources([absent])}, which is not offered`;
  }
  const parts = [...tasks.map((task) => task.resources ?? []), brought].map(
    (resources) => allocatedResources(ctx, resources, role).bundle,
  );
  if (pool.covers(parts)) return undefined;
  const needed = emptyBundle(ctx.kinds);
  for (const part of parts) needed.add(part);
  const offered = printResources(pool.remaining);
  return `Total resources ${printResources(needed)} required by task and its executor is more than available ${offered}`;
}
