/**
 * The agent's answers to the read calls of the v1 operator API, made from the core's state.
 * Source: http-api 7.1.
 */
import type { ReportedOperation } from "../../../protocol/link-frames.ts";
import type {
  AgentResponse,
  AgentResponseGetExecutors,
  AgentResponseGetFrameworks,
  AgentResponseGetTasks,
  ExecutorInfo,
  OfferOperation,
  Operation,
  Task,
} from "../../../protocol/v1/types.ts";
import type { Viewer } from "../../../security/viewer.ts";
import { taskOf } from "../history.ts";
import { isTerminalState } from "../inputs.ts";
import {
  type AgentState,
  type CompletedExecutor,
  type FrameworkState,
  isGroupMember,
  shownExecutorId,
} from "../state.ts";

/** GET_AGENT. */
export function getAgent({ info, drain, drainStartMs }: AgentState): AgentResponse {
  const time = { nanoseconds: Math.round(drainStartMs ?? 0) * 1e6 };
  const draining =
    drain === undefined ? {} : { drain_config: drain, estimated_drain_start_time: time };
  return { type: "GET_AGENT", get_agent: { agent_info: info, ...draining } };
}

/** GET_OPERATIONS: those whose status nobody has acknowledged yet. */
export function getOperations(state: AgentState, viewer: Viewer): AgentResponse {
  const operations = [...state.operations.values()]
    .filter(({ operation }) => seesOperation(viewer, operation.info))
    .map(({ operation, status }): Operation => operationOf(state, operation, status));
  return { type: "GET_OPERATIONS", get_operations: { operations } };
}

/** GET_STATE: everything below in one answer. O(all tasks). */
export function getState(state: AgentState): AgentResponse {
  return {
    type: "GET_STATE",
    get_state: {
      get_tasks: tasksOf(state),
      get_executors: executorsOf(state),
      get_frameworks: frameworksOf(state),
    },
  };
}

/** GET_TASKS. */
export function getTasks(state: AgentState): AgentResponse {
  return { type: "GET_TASKS", get_tasks: tasksOf(state) };
}

/** GET_EXECUTORS: those of command tasks are generated ones, and listed too. */
export function getExecutors(state: AgentState): AgentResponse {
  return { type: "GET_EXECUTORS", get_executors: executorsOf(state) };
}

/** GET_FRAMEWORKS. */
export function getFrameworks(state: AgentState): AgentResponse {
  return { type: "GET_FRAMEWORKS", get_frameworks: frameworksOf(state) };
}

/** By all that goes in and comes out. */
function seesOperation(viewer: Viewer, info: OfferOperation): boolean {
  const { reserve, unreserve, create, destroy, grow_volume: grow, shrink_volume: shrink } = info;
  const resources = [
    ...(reserve?.resources ?? []),
    ...(reserve?.source ?? []),
    ...(unreserve?.resources ?? []),
    ...(create?.volumes ?? []),
    ...(destroy?.volumes ?? []),
    ...(grow === undefined ? [] : [grow.volume, grow.addition]),
    ...(shrink === undefined ? [] : [shrink.volume]),
  ];
  return resources.every((resource) => viewer.seesResource(resource));
}

function operationOf(
  { info: agent }: AgentState,
  { uuid, frameworkId, info }: ReportedOperation["operation"],
  status: ReportedOperation["status"],
): Operation {
  return {
    ...(frameworkId === undefined ? {} : { framework_id: { value: frameworkId } }),
    agent_id: agent.id,
    info,
    latest_status: status,
    statuses: [status],
    uuid: { value: uuid },
  };
}

function tasksOf(state: AgentState): AgentResponseGetTasks {
  const queued: Task[] = [];
  const launched: Task[] = [];
  const terminated: Task[] = [];
  const completed: Task[] = [];
  const agentId = state.info.id?.value ?? "";
  for (const framework of state.frameworks.values()) {
    for (const executor of framework.executors.values()) {
      completed.push(...executor.completedTasks);
      for (const task of executor.tasks.values()) {
        const shown = taskOf(agentId, framework, executor, task);
        if (isTerminalState(task.state)) terminated.push(shown);
        else if (task.isQueued) queued.push({ ...shown, state: "TASK_STAGING" });
        else launched.push(shown);
      }
    }
  }
  for (const executor of completedExecutors(state)) completed.push(...executor.tasks);
  return {
    // A task is queued in the same step in which it is accepted, so none is ever only pending.
    pending_tasks: [],
    queued_tasks: queued,
    launched_tasks: launched,
    terminated_tasks: terminated,
    completed_tasks: completed,
  };
}

function executorsOf(state: AgentState): AgentResponseGetExecutors {
  const executors: { executor_info: ExecutorInfo }[] = [];
  const told = new Set<string>();
  for (const executor of state.containers.values()) {
    const key = `${executor.frameworkId} ${shownExecutorId(executor)}`;
    // A default executor has a container for each task and is one for all that.
    if (!isGroupMember(executor) || !told.has(key))
      executors.push({ executor_info: executor.info });
    told.add(key);
  }
  return {
    executors,
    completed_executors: completedExecutors(state).map(({ info }) => ({ executor_info: info })),
  };
}

function frameworksOf(state: AgentState): AgentResponseGetFrameworks {
  return {
    frameworks: [...state.frameworks.values()].map(({ info }) => ({ framework_info: info })),
    completed_frameworks: state.completedFrameworks.map(({ info }) => ({ framework_info: info })),
  };
}

function completedExecutors(state: AgentState): CompletedExecutor[] {
  return [
    ...[...state.frameworks.values()].flatMap(
      (framework: FrameworkState) => framework.completedExecutors,
    ),
    ...state.completedFrameworks.flatMap((framework) => framework.executors),
  ];
}
