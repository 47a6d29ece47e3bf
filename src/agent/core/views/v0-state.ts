/** The body of the agent's `/state`. Source: http-api 9.1, 10. */
import { must } from "../../../base/assert.ts";
import { toEndpointCommand } from "../../../protocol/endpoint-command.ts";
import type {
  ExecutorInfo,
  FrameworkInfo,
  Resource,
  Task,
  TaskInfo,
  TaskStatus,
} from "../../../protocol/v1/types.ts";
import { toEndpointAttributes } from "../../../resources/attributes.ts";
import { toEndpointResources } from "../../../resources/format.ts";
import type { AgentOptions } from "../agent-options.ts";
import { holdingsOf } from "../executors.ts";
import { taskOf } from "../history.ts";
import { isTerminalState } from "../inputs.ts";
import {
  type AgentState,
  type CompletedExecutor,
  type ExecutorState,
  type FrameworkState,
  isGroupMember,
  shownExecutorId,
  type TaskRecord,
} from "../state.ts";

/** A JSON object as the endpoints write it. */
type Json = Readonly<Record<string, unknown>>;

/** What `/state` shows beside the core's own state. */
export interface AgentStateFrame {
  /** `slave(1)@ip:port`. */
  readonly pid: string;
  /** Seconds since the Unix epoch. */
  readonly startTime: number;
  readonly masterHostname: string | undefined;
  /** `build_date` and its like. */
  readonly build: Json;
  /** Undefined when the caller may not see them. */
  readonly flags: Readonly<Record<string, string>> | undefined;
  /** What containerizers depend on, and whether it is well; an addition of ours. */
  readonly containerizers: readonly Json[];
}

/** Whole `/state`. O(all tasks). */
export function stateJson(state: AgentState, options: AgentOptions, frame: AgentStateFrame): Json {
  const { info } = state;
  const total = info.resources ?? [];
  const allocated = allocatedResources(state);
  return {
    version: options.version,
    ...frame.build,
    start_time: frame.startTime,
    id: info.id?.value ?? "",
    pid: frame.pid,
    hostname: info.hostname,
    capabilities: options.capabilities.map((capability) => capability.type ?? "UNKNOWN"),
    domain: info.domain,
    ...drainJson(state),
    disk_shortage: state.diskShortage,
    resources: toEndpointResources(total),
    reserved_resources: reservedJson(total),
    unreserved_resources: toEndpointResources(total.filter(isUnreserved)),
    reserved_resources_full: reservedFull(total),
    unreserved_resources_full: total.filter(isUnreserved),
    reserved_resources_allocated: reservedJson(allocated),
    unreserved_resources_allocated: toEndpointResources(allocated.filter(isUnreserved)),
    resource_providers: [],
    attributes: toEndpointAttributes(info.attributes ?? []),
    master_hostname: frame.masterHostname,
    flags: frame.flags,
    containerizers: frame.containerizers,
    frameworks: [...state.frameworks.values()].map((framework) => frameworkJson(state, framework)),
    completed_frameworks: state.completedFrameworks.map((framework) => ({
      ...frameworkHead(framework.info),
      executors: [],
      completed_executors: completedJson(framework.executors),
    })),
  };
}

function drainJson({ drain, drainStartMs }: AgentState): Json {
  if (drain === undefined) return {};
  return {
    drain_config: { max_grace_period: drain.max_grace_period, mark_gone: drain.mark_gone ?? false },
    estimated_drain_start_time_seconds: Math.floor((drainStartMs ?? 0) / 1000),
  };
}

/** What the tasks and executors that are alive hold. O(tasks). */
export function allocatedResources(state: AgentState): Resource[] {
  const live = [...state.containers.values()].filter(({ phase }) => phase !== "terminated");
  return [...holdingsOf(live).values()].flat();
}

function frameworkJson(state: AgentState, framework: FrameworkState): Json {
  // Tasks of a default executor have a container each, and one executor to the outside.
  const executors = Map.groupBy(framework.executors.values(), (executor) =>
    isGroupMember(executor) ? (executor.parentId ?? "") : executor.containerId,
  );
  return {
    ...frameworkHead(framework.info),
    executors: [...executors].map(([container, members]) =>
      executorJson(state, framework, { container, members }),
    ),
    completed_executors: completedJson(framework.completedExecutors),
  };
}

function completedJson(completed: readonly CompletedExecutor[]): Json[] {
  const runs = Map.groupBy(completed, ({ containerId, directory, info, isCommandExecutor }) =>
    isCommandExecutor && info.type === "DEFAULT" ? runFolderOf(directory) : containerId,
  );
  return [...runs.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const { info, containerId, directory } = first;
    const isDefault = info.type === "DEFAULT" && first.isCommandExecutor;
    const folder = isDefault ? runFolderOf(directory) : directory;
    const container = isDefault ? folder.slice(folder.lastIndexOf("/") + 1) : containerId;
    return [
      {
        ...executorHead(info, container, folder),
        resources: toEndpointResources([]),
        tasks: [],
        queued_tasks: [],
        completed_tasks: members.flatMap(({ tasks }) => tasks.map(taskJson)),
      },
    ];
  });
}

/** Of a task of a default executor, whose sandbox lies in it: see semantics 7.2. */
function runFolderOf(directory: string): string {
  return directory.split("/").slice(0, -2).join("/");
}

function frameworkHead(info: FrameworkInfo): Json {
  return {
    id: info.id?.value ?? "",
    name: info.name,
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    hostname: info.hostname ?? "",
    principal: info.principal,
    ...(info.roles === undefined ? { role: info.role ?? "*" } : { roles: [...info.roles] }),
  };
}

function executorJson(
  state: AgentState,
  framework: FrameworkState,
  {
    container,
    members,
  }: { readonly container: string; readonly members: readonly ExecutorState[] },
): Json {
  const resources = [...holdingsOf(members).values()].flat();
  const agentId = state.info.id?.value ?? "";
  const queued: TaskRecord[] = [];
  const launched: Task[] = [];
  const terminated: Task[] = [];
  for (const executor of members) {
    for (const task of executor.tasks.values()) {
      const shown = taskOf(agentId, framework, executor, task);
      if (isTerminalState(task.state)) terminated.push(shown);
      else if (task.isQueued) queued.push(task);
      else launched.push(shown);
    }
  }
  const executor = must(members[0], "an executor has a container");
  const folder = isGroupMember(executor) ? runFolderOf(executor.directory) : executor.directory;
  return {
    ...executorHead(executor.info, container, folder),
    resources: toEndpointResources(resources),
    role: allocationRole(resources),
    tasks: launched.map(taskJson),
    queued_tasks: queued.map((task) => queuedTaskJson(task.info, executor)),
    completed_tasks: [
      ...members.flatMap(({ completedTasks }) => completedTasks),
      ...terminated,
    ].map(taskJson),
  };
}

function executorHead(info: ExecutorInfo, containerId: string, directory: string): Json {
  return {
    id: info.executor_id.value,
    name: info.name ?? "",
    source: info.source ?? "",
    container: containerId,
    directory,
    labels: info.labels === undefined ? undefined : (info.labels.labels ?? []),
    type: info.type,
  };
}

/** TASK. */
function taskJson(task: Task): Json {
  return {
    id: task.task_id.value,
    name: task.name,
    framework_id: task.framework_id.value,
    executor_id: task.executor_id?.value ?? "",
    slave_id: task.agent_id.value,
    state: task.state,
    resources: toEndpointResources(task.resources ?? []),
    limits: limitsJson(task.limits),
    role: allocationRole(task.resources) ?? "*",
    statuses: (task.statuses ?? []).map(statusJson),
    user: task.user,
    labels: task.labels === undefined ? undefined : (task.labels.labels ?? []),
    discovery: task.discovery,
    container: task.container,
    health_check: task.health_check,
  };
}

function queuedTaskJson(info: TaskInfo, executor: ExecutorState): Json {
  return {
    id: info.task_id.value,
    name: info.name,
    slave_id: info.agent_id.value,
    resources: toEndpointResources(info.resources ?? []),
    role: allocationRole(info.resources) ?? "*",
    command: info.command === undefined ? undefined : toEndpointCommand(info.command),
    executor_id:
      executor.isCommandExecutor && !isGroupMember(executor)
        ? undefined
        : shownExecutorId(executor),
    discovery: info.discovery,
  };
}

function statusJson(status: TaskStatus): Json {
  return {
    state: status.state,
    timestamp: status.timestamp ?? 0,
    labels: status.labels === undefined ? undefined : (status.labels.labels ?? []),
    container_status: status.container_status,
    healthy: status.healthy,
  };
}

function limitsJson(limits: Task["limits"]): Json | undefined {
  if (limits === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(limits).map(([name, { value }]) => [
      name,
      // JSON has no infinity; Mesos writes the word.
      Number.isFinite(value) ? value : "Infinity",
    ]),
  );
}

function isUnreserved(resource: Resource): boolean {
  return reservationRole(resource) === undefined;
}

function byRole(resources: readonly Resource[]): Map<string, Resource[]> {
  const roles = new Map<string, Resource[]>();
  for (const resource of resources) {
    const role = reservationRole(resource);
    if (role !== undefined) roles.set(role, [...(roles.get(role) ?? []), resource]);
  }
  return roles;
}

function reservedJson(resources: readonly Resource[]): Json {
  return Object.fromEntries(
    [...byRole(resources)].map(([role, own]) => [role, toEndpointResources(own)]),
  );
}

function reservedFull(resources: readonly Resource[]): Json {
  return Object.fromEntries([...byRole(resources)].map(([role, own]) => [role, own]));
}

/** Roles a resource belongs to: the innermost reservation, else unreserved. */
function reservationRole(resource: Resource): string | undefined {
  const stacked = resource.reservations?.at(-1)?.role;
  if (stacked !== undefined) return stacked;
  return resource.role === undefined || resource.role === "*" ? undefined : resource.role;
}

/** The role the resources of a task or executor are allocated to. */
function allocationRole(resources: readonly Resource[] | undefined): string | undefined {
  return resources?.find((resource) => resource.allocation_info?.role !== undefined)
    ?.allocation_info?.role;
}
