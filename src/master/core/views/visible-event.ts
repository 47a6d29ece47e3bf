/**
 * An event as somebody sees it who may not see everything; undefined where nothing is left of it.
 * Called in the turn in which it happened. Source: http-api 6.3.
 */
import { brand, type FrameworkId, type TaskId } from "../../../base/ids.ts";
import type {
  MasterEvent,
  MasterResponseGetAgentsAgent,
  Resource,
} from "../../../protocol/v1/types.ts";
import type { Viewer } from "../../../security/viewer.ts";
import type { FrameworkEntry, MasterState } from "../state.ts";

/** Tasks need the right to see them and their framework; a leaving agent and heartbeats none. */
export function visibleEvent(
  state: MasterState,
  viewer: Viewer,
  event: MasterEvent,
): MasterEvent | undefined {
  if (viewer.isUnrestricted) return event;
  return isSeen(state, viewer, event) ? withoutHidden(viewer, event) : undefined;
}

function isSeen(state: MasterState, viewer: Viewer, event: MasterEvent): boolean {
  const { task_added, task_updated, framework_added, framework_updated, framework_removed } = event;
  if (task_added !== undefined) {
    const { framework_id, task_id, user } = task_added.task;
    return seesTask(state, viewer, framework_id.value, { id: task_id.value, user });
  }
  if (task_updated !== undefined) {
    const { framework_id, status } = task_updated;
    const id = status.task_id.value;
    return seesTask(state, viewer, framework_id.value, { id, user: undefined });
  }
  const info =
    framework_added?.framework.framework_info ??
    framework_updated?.framework.framework_info ??
    framework_removed?.framework_info;
  return info === undefined || viewer.seesUser("view_frameworks", info.user);
}

function seesTask(
  state: MasterState,
  viewer: Viewer,
  frameworkId: string,
  task: { readonly id: string; readonly user: string | undefined },
): boolean {
  const id = brand<FrameworkId>(frameworkId);
  const framework = state.frameworks.get(id) ?? state.completedFrameworks.get(id);
  if (framework === undefined || !viewer.seesUser("view_frameworks", framework.info.user))
    return false;
  const user = task.user ?? userOfTask(framework, task.id) ?? framework.info.user;
  return viewer.seesUser("view_tasks", user);
}

/** The task may be over already. */
function userOfTask(framework: FrameworkEntry, taskId: string): string | undefined {
  const id = brand<TaskId>(taskId);
  const task =
    framework.tasks.get(id) ??
    framework.unreachableTasks.get(id) ??
    framework.completedTasks.items().findLast((one) => one.id === id);
  return task?.description.user;
}

function withoutHidden(viewer: Viewer, event: MasterEvent): MasterEvent {
  if (event.agent_added === undefined || viewer.seesAll("view_roles")) return event;
  const agent = visibleAgent(viewer, event.agent_added.agent);
  return { ...event, agent_added: { ...event.agent_added, agent } };
}

function visibleAgent(
  viewer: Viewer,
  agent: MasterResponseGetAgentsAgent,
): MasterResponseGetAgentsAgent {
  const seen = (resources: readonly Resource[] | undefined): readonly Resource[] =>
    (resources ?? []).filter((one) => viewer.seesResource(one));
  return {
    ...agent,
    agent_info: { ...agent.agent_info, resources: seen(agent.agent_info.resources) },
    total_resources: seen(agent.total_resources),
    allocated_resources: seen(agent.allocated_resources),
    offered_resources: seen(agent.offered_resources),
  };
}
