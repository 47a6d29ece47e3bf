/**
 * Whether a task may be launched on an offer: the first fault in the order Mesos looks for them, as
 * the message of its TASK_ERROR. Source: semantics 6.7 (`src/master/validation.cpp`).
 */
import { brand, type TaskId } from "../../base/ids.ts";
import type {
  CheckInfo,
  CommandInfo,
  ContainerInfo,
  DurationInfo,
  Environment,
  ExecutorInfo,
  HealthCheck,
  Resource,
  TaskInfo,
} from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import type { Bundle } from "../../resources/bundle.ts";
import type { MasterContext } from "./context.ts";
import {
  allocatedResources,
  emptyBundle,
  faultOfResources,
  printResources,
} from "./resource-forms.ts";
import type { AgentEntry, ExecutorEntry, FrameworkEntry } from "./state.ts";

/** A task and all it is judged by. */
export interface TaskCandidate {
  readonly framework: FrameworkEntry;
  readonly agent: AgentEntry;
  readonly role: string;
  /** What is left of the offers, allocated form. */
  readonly remaining: Bundle;
  readonly task: TaskInfo;
  /** With `framework_id` filled in. */
  readonly executor: ExecutorInfo | undefined;
  /** The executor of the same id that already runs on the agent. */
  readonly known: ExecutorEntry | undefined;
}

export function faultOfTask(ctx: MasterContext, candidate: TaskCandidate): string | undefined {
  const { task, role } = candidate;
  return (
    faultOfTaskId(candidate) ??
    faultOfAgent(candidate) ??
    faultOfDuration("kill_policy.grace_period", task.kill_policy?.grace_period) ??
    faultOfDuration("max_completion_time", task.max_completion_time) ??
    faultOfCheck(task.check) ??
    faultOfHealthCheck(task.health_check) ??
    faultOfTaskResources(task.resources ?? [], role) ??
    faultOfCommand("Task", task.command) ??
    faultOfContainer(task.container) ??
    faultOfLimits(candidate) ??
    faultOfSharedCgroups(candidate) ??
    faultOfChoice(task) ??
    faultOfExecutor(candidate) ??
    faultOfAmount(ctx, candidate)
  );
}

function faultOfTaskId({ framework, task }: TaskCandidate): string | undefined {
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

function faultOfAgent({ agent, task }: TaskCandidate): string | undefined {
  const named = task.agent_id.value;
  if (named === agent.id) return undefined;
  return `Task uses invalid agent ${named} while agent ${agent.id} is expected`;
}

function faultOfDuration(field: string, duration: DurationInfo | undefined): string | undefined {
  if (duration === undefined || duration.nanoseconds >= 0) return undefined;
  return `Task's '${field}' must be non-negative`;
}

function faultOfCheck(check: CheckInfo | undefined): string | undefined {
  if (check === undefined) return undefined;
  const message = checkMessage(check.type, check);
  if (typeof message === "string") return `Task uses invalid check: ${message}`;
  const seconds = [check.delay_seconds, check.interval_seconds, check.timeout_seconds];
  if (seconds.every(isNonNegative)) return faultOfCommand("Check", check.command?.command);
  return "Task uses invalid check: Expecting its times to be non-negative";
}

function faultOfHealthCheck(check: HealthCheck | undefined): string | undefined {
  if (check === undefined) return undefined;
  const message = checkMessage(healthCheckType(check), check);
  if (typeof message === "string") return `Task uses invalid health check: ${message}`;
  const { delay_seconds, interval_seconds, timeout_seconds, grace_period_seconds } = check;
  const seconds = [delay_seconds, interval_seconds, timeout_seconds, grace_period_seconds];
  if (seconds.every(isNonNegative)) return faultOfCommand("Health check", check.command);
  return "Task uses invalid health check: Expecting its times to be non-negative";
}

/** Derived when absent and unambiguous (http-api 4.3 rule 6). */
function healthCheckType(check: HealthCheck): HealthCheck["type"] {
  if (check.type !== undefined) return check.type;
  const { command, http, tcp } = check;
  const present = [command, http, tcp].filter((message) => message !== undefined);
  if (present.length !== 1) return undefined;
  if (command !== undefined) return "COMMAND";
  return http === undefined ? "TCP" : "HTTP";
}

/** The message that belongs to the type; a text when it is missing or the type is. */
function checkMessage(
  type: CheckInfo["type"],
  check: { readonly command?: unknown; readonly http?: unknown; readonly tcp?: unknown },
): string | undefined {
  switch (type) {
    case "COMMAND":
      return check.command === undefined ? "Expecting 'command' to be set" : undefined;
    case "HTTP":
      return check.http === undefined ? "Expecting 'http' to be set" : undefined;
    case "TCP":
      return check.tcp === undefined ? "Expecting 'tcp' to be set" : undefined;
    default:
      return "Expecting 'type' to be COMMAND, HTTP or TCP";
  }
}

function isNonNegative(value: number | undefined): boolean {
  return value === undefined || value >= 0;
}

function faultOfTaskResources(resources: readonly Resource[], role: string): string | undefined {
  if (resources.length === 0) return "Task uses no resources";
  const fault = faultOfResources(resources);
  if (fault !== undefined) return `Task uses invalid resources: ${fault}`;
  return faultOfAllocation("Task", resources, role) ?? faultOfMixture(resources);
}

function faultOfAllocation(
  what: string,
  resources: readonly Resource[],
  role: string,
): string | undefined {
  const foreign = resources.find((resource) => (resource.allocation_info?.role ?? role) !== role);
  if (foreign === undefined) return undefined;
  const named = foreign.allocation_info?.role ?? "";
  return `${what} uses resources allocated to role '${named}'; the offer is for role '${role}'`;
}

function faultOfMixture(resources: readonly Resource[]): string | undefined {
  const firm = new Set<string>();
  const revocable = new Set<string>();
  const volumes = new Set<string>();
  for (const { name, revocable: info, disk } of resources) {
    (info === undefined ? firm : revocable).add(name);
    const volume = disk?.persistence?.id;
    if (volume === undefined) continue;
    if (volumes.has(volume)) return `Task uses duplicate persistence ID ${volume}`;
    volumes.add(volume);
  }
  const mixed = [...firm].find((name) => revocable.has(name));
  if (mixed === undefined) return undefined;
  return `Task (or executor) uses both revocable and non-revocable ${mixed}`;
}

function faultOfCommand(what: string, command: CommandInfo | undefined): string | undefined {
  if (command === undefined) return undefined;
  const fault = faultOfEnvironment(command.environment);
  return fault === undefined ? undefined : `${what} uses invalid command: ${fault}`;
}

function faultOfEnvironment(environment: Environment | undefined): string | undefined {
  for (const { name, type, value, secret } of environment?.variables ?? []) {
    if (name === "") return "Environment variable must have a name";
    if (type === "SECRET") {
      if (secret === undefined)
        return `Environment variable '${name}' of type SECRET needs a secret`;
      if (value !== undefined) return `Environment variable '${name}' of type SECRET has a value`;
    } else if (value === undefined) {
      return `Environment variable '${name}' of type VALUE needs a value`;
    }
    if (value?.includes("\0") === true) return `Environment variable '${name}' holds a NUL byte`;
  }
  return undefined;
}

function faultOfContainer(container: ContainerInfo | undefined): string | undefined {
  if (container === undefined) return undefined;
  for (const volume of container.volumes ?? []) {
    const { host_path, image, source, container_path } = volume;
    const sources = [host_path, image, source].filter((value) => value !== undefined);
    if (sources.length === 1) continue;
    return `Volume '${container_path}' needs exactly one of host_path, image and source`;
  }
  if (container.type !== "DOCKER") return undefined;
  if (container.docker === undefined) return "DockerInfo 'docker' is not set for DOCKER container";
  const isNamed = (container.docker.parameters ?? []).some(({ key }) => key === "name");
  return isNamed ? "Parameter in DockerInfo must not be 'name'" : undefined;
}

function faultOfLimits({ agent, task }: TaskCandidate): string | undefined {
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

function faultOfSharedCgroups({ task }: TaskCandidate): string | undefined {
  if (task.container?.linux_info?.share_cgroups !== false) return undefined;
  return "Only tasks in a task group may have 'share_cgroups' set to false";
}

function faultOfChoice(task: TaskInfo): string | undefined {
  if ((task.command === undefined) !== (task.executor === undefined)) return undefined;
  return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present";
}

function faultOfExecutor({ framework, executor, known, role }: TaskCandidate): string | undefined {
  if (executor === undefined) return undefined;
  const checked = validateId(executor.executor_id.value, "executor_id");
  if (!checked.ok) return `Executor ID is not valid: ${checked.error.message}`;
  if (executor.framework_id?.value !== framework.id) {
    return `ExecutorInfo has an invalid FrameworkID (Actual: ${executor.framework_id?.value} vs Expected: ${framework.id})`;
  }
  if (executor.type === "DEFAULT")
    return "'ExecutorInfo.type' must be CUSTOM to launch single tasks";
  if (executor.command === undefined)
    return "'ExecutorInfo.command' must be set for CUSTOM executors";
  if ((executor.shutdown_grace_period?.nanoseconds ?? 0) < 0) {
    return "ExecutorInfo's 'shutdown_grace_period' must be non-negative";
  }
  if (executor.container?.linux_info?.share_cgroups === true) {
    return "The 'share_cgroups' field cannot be set to true on executors";
  }
  const resources = executor.resources ?? [];
  if (resources.some((resource) => resource.shared !== undefined)) {
    return "Executor resources must not be shared";
  }
  return (
    (resources.length === 0 ? undefined : faultOfResources(resources)) ??
    faultOfAllocation("Executor", resources, role) ??
    faultOfCommand("Executor", executor.command) ??
    faultOfContainer(executor.container) ??
    faultOfIdentity(executor, known)
  );
}

function faultOfIdentity(
  executor: ExecutorInfo,
  known: ExecutorEntry | undefined,
): string | undefined {
  if (known === undefined) return undefined;
  // What it holds was settled when it was first launched.
  const { resources: _wanted, ...wanted } = executor;
  const { resources: _held, ...held } = known.info;
  if (isSameMessage(wanted, held)) return undefined;
  const id = executor.executor_id.value;
  return `ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID ${id}`;
}

function faultOfAmount(ctx: MasterContext, candidate: TaskCandidate): string | undefined {
  const { task, executor, known, remaining, role } = candidate;
  const absent = absentResource(candidate);
  if (absent !== undefined) return `Task (or executor) uses ${absent}, which is not offered`;
  const needed = emptyBundle(ctx.kinds);
  needed.add(allocatedResources(ctx.kinds, task.resources ?? [], role));
  if (known === undefined) {
    needed.add(allocatedResources(ctx.kinds, executor?.resources ?? [], role));
  }
  if (remaining.contains(needed)) return undefined;
  const wanted = printResources(needed);
  const offered = printResources(remaining);
  return `Total resources ${wanted} required by task and its executor is more than available ${offered}`;
}

/**
 * A resource name that the offers do not have. Looked for first, because every new kind of resource
 * is remembered for good and a scheduler must not be able to invent them.
 */
function absentResource({ task, executor, known, remaining }: TaskCandidate): string | undefined {
  const offered = new Set([...remaining.presentKinds()].map(({ name }) => name));
  const wanted = [
    ...(task.resources ?? []),
    ...(known === undefined ? (executor?.resources ?? []) : []),
  ];
  return wanted.find(({ name }) => !offered.has(name))?.name;
}
