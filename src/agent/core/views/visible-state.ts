/**
 * The agent's state as somebody sees it who may not see everything: a shallow copy without what is
 * hidden, so that every view works on it as on the whole. O(tasks) unless everything is seen.
 * Source: semantics 9.3, http-api 7.1, 10.
 */
import { brand, type ContainerId } from "../../../base/ids.ts";
import type { ExecutorInfo, FrameworkInfo, Task } from "../../../protocol/v1/types.ts";
import type { Viewer } from "../../../security/viewer.ts";
import type {
  AgentState,
  CompletedExecutor,
  CompletedFramework,
  ExecutorState,
  FrameworkState,
  TaskRecord,
} from "../state.ts";

/** The state itself for whoever may see everything. For reading within the same turn. */
export function visibleAgentState(state: AgentState, viewer: Viewer): AgentState {
  if (viewer.isUnrestricted) return state;
  const { info } = state;
  const frameworks = new Map<string, FrameworkState>();
  const containers: AgentState["containers"] = new Map();
  for (const [id, framework] of state.frameworks) {
    if (!seesFramework(viewer, framework.info)) continue;
    const seen = visibleFramework(framework, viewer);
    frameworks.set(id, seen);
    for (const executor of seen.executors.values()) containers.set(executor.containerId, executor);
  }
  return {
    ...state,
    info: { ...info, resources: info.resources?.filter((one) => viewer.seesResource(one)) },
    frameworks,
    containers,
    completedFrameworks: state.completedFrameworks
      .filter((framework) => seesFramework(viewer, framework.info))
      .map((framework) => visibleCompleted(framework, viewer)),
  };
}

/**
 * What is in the container of an executor, which is named by its own id, as others choose theirs and
 * may choose equal ones. One that has ended meanwhile, and a standalone one (undefined), is seen by
 * those who see all.
 */
export function seesContainer(
  state: AgentState,
  viewer: Viewer,
  rootId: string | undefined,
): boolean {
  if (viewer.seesAll("view_containers")) return true;
  const executor = state.containers.get(brand<ContainerId>(rootId ?? ""));
  const framework = state.frameworks.get(executor?.frameworkId ?? "");
  if (executor === undefined || framework === undefined) return false;
  return viewer.seesUser("view_containers", executorUser(framework.info, executor.info));
}

/** The user whose processes an executor and its tasks are. */
function executorUser(framework: FrameworkInfo, executor: ExecutorInfo): string {
  return executor.command?.user ?? framework.user;
}

function seesFramework(viewer: Viewer, { user }: FrameworkInfo): boolean {
  return viewer.seesUser("view_frameworks", user);
}

function seesExecutor(viewer: Viewer, framework: FrameworkInfo, executor: ExecutorInfo): boolean {
  return viewer.seesUser("view_executors", executorUser(framework, executor));
}

function visibleFramework(framework: FrameworkState, viewer: Viewer): FrameworkState {
  const executors = new Map<string, ExecutorState>();
  for (const [id, executor] of framework.executors) {
    if (!seesExecutor(viewer, framework.info, executor.info)) continue;
    executors.set(id, visibleExecutor(framework.info, executor, viewer));
  }
  const completed = visibleExecutors(framework.info, framework.completedExecutors, viewer);
  return { ...framework, executors, completedExecutors: completed };
}

function visibleExecutor(
  framework: FrameworkInfo,
  executor: ExecutorState,
  viewer: Viewer,
): ExecutorState {
  if (viewer.seesAll("view_tasks")) return executor;
  const user = executorUser(framework, executor.info);
  const tasks = new Map<string, TaskRecord>();
  for (const [id, task] of executor.tasks) {
    if (viewer.seesUser("view_tasks", task.info.command?.user ?? user)) tasks.set(id, task);
  }
  return {
    ...executor,
    tasks,
    completedTasks: visibleTasks(executor.completedTasks, user, viewer),
  };
}

function visibleCompleted(framework: CompletedFramework, viewer: Viewer): CompletedFramework {
  return { ...framework, executors: visibleExecutors(framework.info, framework.executors, viewer) };
}

function visibleExecutors(
  framework: FrameworkInfo,
  executors: readonly CompletedExecutor[],
  viewer: Viewer,
): CompletedExecutor[] {
  return executors
    .filter(({ info }) => seesExecutor(viewer, framework, info))
    .map((executor) => {
      const user = executorUser(framework, executor.info);
      return { ...executor, tasks: visibleTasks(executor.tasks, user, viewer) };
    });
}

function visibleTasks(tasks: readonly Task[], user: string, viewer: Viewer): Task[] {
  return tasks.filter((task) => viewer.seesUser("view_tasks", task.user ?? user));
}
