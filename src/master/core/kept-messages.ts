/**
 * Messages in the form in which a master keeps them: a few hundred thousand tasks hardly differ, so
 * their equal parts are one object each, what a task tells is not repeated by its statuses, and
 * objects are written with all their fields at once, which engines store without anything beside
 * the object.
 */
import type { AgentInfo, ContainerStatus, Task, TaskStatus } from "../../protocol/v1/types.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import type { MasterContext } from "./context.ts";
import type { KeptStatus, TaskDescription, TaskEntry } from "./state.ts";

/** The parts of an agent's description that many have in common are kept once. */
export function keptAgentInfo(ctx: MasterContext, info: AgentInfo): AgentInfo {
  const { hostname, port, resources, attributes, id, domain } = info;
  return {
    hostname,
    port,
    resources: resources && ctx.shared.share(resources),
    attributes: attributes && ctx.shared.share(attributes),
    id,
    domain: domain && ctx.shared.share(domain),
  };
}

/** What tasks of one kind have in common. */
export function keptDescription({ shared }: MasterContext, task: Task): TaskDescription {
  const { name, resources, user, labels, discovery, container } = task;
  const { health_check, kill_policy, limits } = task;
  const description: TaskDescription = {
    name,
    resources: resources && shared.share(resources),
    user,
    labels: labels && shared.share(labels),
    discovery: discovery && shared.share(discovery),
    container: container && shared.share(container),
    health_check: health_check && shared.share(health_check),
    kill_policy: kill_policy && shared.share(kill_policy),
    limits: limits && shared.share(limits),
  };
  return shared.shareRecord(name, description, isSameDescription);
}

/** For descriptions of equal names whose parts are shared. */
function isSameDescription(left: TaskDescription, right: TaskDescription): boolean {
  return (
    left.resources === right.resources &&
    left.user === right.user &&
    left.labels === right.labels &&
    left.discovery === right.discovery &&
    left.container === right.container &&
    left.health_check === right.health_check &&
    left.kill_policy === right.kill_policy &&
    left.limits === right.limits
  );
}

/** The ids of a task, which its statuses repeat. */
type TaskIds = Pick<TaskEntry, "id" | "agentId" | "executorId">;

/**
 * A status of the task. Where a task runs seldom changes: a place equal to the one before it is the
 * same object, which readers of the whole state make use of.
 */
export function keptStatus(
  ctx: MasterContext,
  task: TaskIds,
  status: TaskStatus,
  before: KeptStatus | undefined,
): KeptStatus {
  const { agent_id, executor_id, state, source, timestamp, uuid, reason, message } = status;
  const { healthy, check_status, labels, unreachable_time, limitation } = status;
  const container_status = keptPlace(ctx, status.container_status, before?.container_status);
  const common: KeptStatus = { state, source, timestamp, uuid, container_status };
  const areIdsKnown =
    agent_id?.value === task.agentId && executor_id?.value === executorOf(task, source);
  const rare = check_status ?? labels ?? unreachable_time ?? limitation ?? reason ?? message;
  const isCommon = rare === undefined && healthy === undefined;
  const kept = isCommon ? common : { ...withoutIds(status), ...common };
  return areIdsKnown ? kept : { ...kept, agent_id, executor_id };
}

/** Also without its `data`. To copy an object is dear, and few statuses need it. */
function withoutIds(status: TaskStatus): Omit<KeptStatus, "agent_id" | "executor_id"> {
  const { task_id: _task, agent_id: _agent, executor_id: _executor, data: _data, ...rest } = status;
  return rest;
}

/** The status as it came, but for its `data`. */
export function statusMessage(task: TaskIds, status: KeptStatus): TaskStatus {
  const executorId = executorOf(task, status.source);
  return {
    task_id: { value: task.id },
    agent_id: { value: task.agentId },
    ...(executorId !== undefined && { executor_id: { value: executorId } }),
    ...status,
  };
}

/** What statuses name as the executor, mostly: that of a command task has the task's id. */
function executorOf(task: TaskIds, source: TaskStatus["source"]): string | undefined {
  return source === "SOURCE_EXECUTOR" ? (task.executorId ?? task.id) : task.executorId;
}

function keptPlace(
  ctx: MasterContext,
  place: ContainerStatus | undefined,
  before: ContainerStatus | undefined,
): ContainerStatus | undefined {
  if (place === undefined) return undefined;
  if (isSameMessage(place, before)) return before;
  const { container_id, network_infos, executor_pid, cgroup_info } = place;
  const networks = network_infos && ctx.shared.share(network_infos);
  if (cgroup_info !== undefined || container_id?.parent !== undefined) {
    return { ...place, network_infos: networks };
  }
  const own = container_id && { value: container_id.value };
  return { container_id: own, network_infos: networks, executor_pid };
}
