/** What is over and acknowledged, kept in memory for `/state` and GET_STATE (semantics 7.6). */
import type { Task } from "../../protocol/v1/types.ts";
import { settleDrain } from "./drain-state.ts";
import {
  COMPLETED_EXECUTORS_IN_ALL,
  COMPLETED_EXECUTORS_PER_FRAMEWORK,
  COMPLETED_FRAMEWORKS,
  COMPLETED_TASKS_PER_EXECUTOR,
} from "./limits.ts";
import {
  type CompletedExecutor,
  type ExecutorState,
  type FrameworkState,
  isCheckpointing,
  isGroupMember,
  shownExecutorId,
  type TaskRecord,
} from "./state.ts";
import { agentIdOf, checkpoint, type Step } from "./step.ts";

/** A task as others see it: what it is and where it stands. */
export function taskOf(
  agentId: string,
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
): Task {
  const { info, forwarded } = task;
  return {
    name: info.name,
    task_id: info.task_id,
    framework_id: { value: framework.frameworkId },
    // Command tasks have no executor of their own in the eyes of the outside (http-api 9.1).
    ...(executor.isCommandExecutor && !isGroupMember(executor)
      ? {}
      : { executor_id: { value: shownExecutorId(executor) } }),
    agent_id: { value: agentId },
    state: task.state,
    resources: info.resources,
    statuses: [...task.statuses],
    status_update_state: forwarded?.state,
    status_update_uuid: forwarded?.uuid,
    labels: info.labels,
    discovery: info.discovery,
    container: info.container,
    health_check: info.health_check,
    kill_policy: info.kill_policy,
    user: info.command?.user ?? executor.info.command?.user ?? framework.info.user,
    limits: info.limits,
  };
}

/** Keeps a task that leaves the agent in its executor's history. */
export function rememberTask(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
  task: TaskRecord,
): void {
  executor.completedTasks.push(taskOf(agentIdOf(step.state), framework, executor, task));
  trim(executor.completedTasks, COMPLETED_TASKS_PER_EXECUTOR);
}

/** Keeps an executor that leaves the agent in its framework's history. */
export function rememberExecutor(
  step: Step,
  framework: FrameworkState,
  executor: ExecutorState,
): void {
  framework.completedExecutors.push({
    info: executor.info,
    containerId: executor.containerId,
    isCommandExecutor: executor.isCommandExecutor,
    directory: executor.directory,
    tasks: executor.completedTasks,
  });
  trim(framework.completedExecutors, COMPLETED_EXECUTORS_PER_FRAMEWORK);
  trimAll(step);
}

/** A framework without executors is over for this agent; updates of refused tasks go on alone. */
export function forgetFrameworkIfIdle(step: Step, framework: FrameworkState): void {
  const { frameworkId } = framework;
  if (framework.executors.size > 0 || !step.state.frameworks.has(frameworkId)) return;
  step.state.frameworks.delete(frameworkId);
  if (isCheckpointing(framework.info)) {
    checkpoint(step, { kind: "removeFramework", frameworkId });
  }
  step.state.completedFrameworks.push({
    info: framework.info,
    executors: framework.completedExecutors,
  });
  trim(step.state.completedFrameworks, COMPLETED_FRAMEWORKS);
  settleDrain(step);
}

/** Takes a framework that comes back out of the history, with what it ran before. */
export function recallFramework(step: Step, frameworkId: string): CompletedExecutor[] {
  const completed = step.state.completedFrameworks;
  const index = completed.findIndex((framework) => framework.info.id?.value === frameworkId);
  if (index < 0) return [];
  return [...(completed.splice(index, 1)[0]?.executors ?? [])];
}

function trim(list: unknown[], limit: number): void {
  if (list.length > limit) list.splice(0, list.length - limit);
}

/** Holds the bound over all frameworks: the longest completed framework goes first. */
function trimAll(step: Step): void {
  const { completedFrameworks, frameworks } = step.state;
  let count = 0;
  for (const framework of completedFrameworks) count += framework.executors.length;
  for (const framework of frameworks.values()) count += framework.completedExecutors.length;
  while (count > COMPLETED_EXECUTORS_IN_ALL && completedFrameworks.length > 0) {
    count -= completedFrameworks.shift()?.executors.length ?? 0;
  }
}
