/**
 * Messages in the form in which a master keeps them: a few hundred thousand tasks hardly differ, so
 * their equal parts are one object each, ids are those of framework and agent, and objects are
 * written with all their fields at once, which engines store without anything beside the object.
 */
import type { AgentInfo, ContainerStatus, Task, TaskStatus } from "../../protocol/v1/types.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import type { MasterContext } from "./context.ts";
import type { AgentEntry, FrameworkEntry } from "./state.ts";

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

/** What never changes of a task, and the state it came with; not its statuses. */
export function keptTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  agent: AgentEntry,
  task: Task,
): Task {
  const { name, state, executor_id, user } = task;
  // What a reader builds has room for six fields; this has room for one.
  const task_id = { value: task.task_id.value };
  const framework_id = framework.info.id ?? task.framework_id;
  const agent_id = agent.info.id ?? task.agent_id;
  const resources = task.resources && ctx.shared.share(task.resources);
  const common = { name, task_id, framework_id, agent_id, state, resources, user, executor_id };
  const { labels, discovery, container, health_check, kill_policy, limits } = task;
  const isCommon = !(labels ?? discovery ?? container ?? health_check ?? kill_policy ?? limits);
  if (isCommon) return common;
  return {
    ...common,
    labels: labels && ctx.shared.share(labels),
    discovery: discovery && ctx.shared.share(discovery),
    container: container && ctx.shared.share(container),
    health_check: health_check && ctx.shared.share(health_check),
    kill_policy: kill_policy && ctx.shared.share(kill_policy),
    limits: limits && ctx.shared.share(limits),
  };
}

/**
 * A status of the task, `data` wiped. Where a task runs seldom changes: a place equal to the one
 * before it is the same object, which readers of the whole state make use of.
 */
export function keptStatus(
  ctx: MasterContext,
  task: Task,
  status: TaskStatus,
  before: TaskStatus | undefined,
): TaskStatus {
  const { state, source, timestamp, uuid, reason, message } = status;
  const { task_id } = task;
  const agent_id = sameId(status.agent_id, task.agent_id);
  const executor_id = sameId(sameId(status.executor_id, task.executor_id), task_id);
  const container_status = keptPlace(ctx, status.container_status, before?.container_status);
  const { healthy, check_status, labels, unreachable_time, limitation } = status;
  const rare = check_status ?? labels ?? unreachable_time ?? limitation ?? reason ?? message;
  const common: TaskStatus = {
    task_id,
    state,
    source,
    timestamp,
    uuid,
    agent_id,
    executor_id,
    container_status,
  };
  if (rare === undefined && healthy === undefined) return common;
  const { data: _, ...rest } = status;
  return { ...rest, ...common };
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

/** The other object when both have one value. */
function sameId<Id extends { readonly value: string }>(
  id: Id | undefined,
  other: Id | undefined,
): Id | undefined {
  return id !== undefined && id.value === other?.value ? other : id;
}
