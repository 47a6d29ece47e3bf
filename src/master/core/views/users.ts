/**
 * Which user of the operating system something belongs to: what ACLs about frameworks, tasks,
 * executors and sandboxes are about. Source: semantics 9.3.
 */
import { brand, type ExecutorId, type FrameworkId, type TaskId } from "../../../base/ids.ts";
import {
  type ExecutorEntry,
  executorKey,
  type FrameworkEntry,
  type MasterState,
  type TaskEntry,
} from "../state.ts";

export function taskUser({ info }: FrameworkEntry, { description }: TaskEntry): string {
  return description.user ?? info.user;
}

export function executorUser({ info }: FrameworkEntry, executor: ExecutorEntry): string {
  return executor.info.command?.user ?? info.user;
}

const SANDBOX = /^(?:\/[^/]+)*?\/frameworks\/([^/]+)\/executors\/([^/]+)\/runs\/./;

/**
 * The user whose sandbox a path on an agent leads into. Undefined when it is none of a framework
 * this master knows, or not written plainly. O(tasks of the framework) for what is over.
 */
export function sandboxUser(state: MasterState, agentId: string, path: string): string | undefined {
  const isPlain = !/\/(?:\.{0,2})(?:\/|$)/.test(path);
  const [, framework = "", executor = ""] = (isPlain ? SANDBOX.exec(path) : undefined) ?? [];
  const frameworkId = brand<FrameworkId>(framework);
  const entry = state.frameworks.get(frameworkId) ?? state.completedFrameworks.get(frameworkId);
  if (entry === undefined) return undefined;
  const executorId = brand<ExecutorId>(executor);
  const agent = state.agents.get(brand(agentId));
  const custom =
    agent?.executors.get(executorKey(frameworkId, executorId)) ??
    entry.completedExecutors.items().findLast(({ id }) => id === executorId);
  if (custom !== undefined) return executorUser(entry, custom);
  // The executor that an agent makes up for a command task has the task's id.
  const taskId = brand<TaskId>(executor);
  const task =
    entry.tasks.get(taskId) ??
    entry.unreachableTasks.get(taskId) ??
    entry.completedTasks.items().findLast(({ id }) => id === taskId);
  return task === undefined ? entry.info.user : taskUser(entry, task);
}
