/** The three lists of `listings.ts` and what each can be filtered by. */
import type { AgentId, FrameworkId, TaskId } from "../../../base/ids.ts";
import { writeJson } from "../../../protocol/json-writer.ts";
import {
  type AgentEntry,
  type FrameworkEntry,
  isAgentActive,
  type MasterState,
  type TaskEntry,
} from "../state.ts";
import { endpointTask } from "../tasks.ts";
import { tasksOf } from "./endpoint-tasks.ts";
import type { Listing } from "./listings.ts";
import { Holdings } from "./sums.ts";
import { agentMessage, allFrameworks, frameworkMessage } from "./v1.ts";

/** Values that are wanted, by name of the filter; all of them must fit. */
export type Filters = Readonly<Record<string, string | undefined>>;

/** Names of the filters of each list. */
export const FILTERS = {
  tasks: ["framework_id", "agent_id", "state", "role", "name"],
  agents: ["agent_id", "framework_id", "state", "name"],
  frameworks: ["framework_id", "agent_id", "state", "role", "name"],
} as const;

/** Keys are `<framework id>/<task id>`; `state` is one such as TASK_RUNNING. */
export function taskListing(state: MasterState, filters: Filters): Listing<TaskEntry> {
  const { framework_id, agent_id, state: wanted, role, name } = filters;
  const framework = framework_id === undefined ? undefined : findFramework(state, framework_id);
  const completed = new Map<FrameworkId, ReadonlyMap<TaskId, TaskEntry>>();
  return {
    name: "tasks",
    kind: "task",
    keyOf: (task) => `${task.frameworkId}/${task.id}`,
    *all() {
      const frameworks = framework_id === undefined ? allFrameworks(state) : listOf(framework);
      for (const entry of frameworks) yield () => tasksOf(entry);
    },
    find: (change) => {
      if (change.kind !== "task") return { key: "", item: undefined };
      const { frameworkId, taskId } = change;
      const item = findTask(state, completed, frameworkId, taskId);
      return { key: `${frameworkId}/${taskId}`, item };
    },
    belongs: (task) =>
      fits(framework_id, task.frameworkId) &&
      fits(agent_id, task.agentId) &&
      fits(role, task.resources.allocationRole() ?? "*") &&
      fits(name, task.description.name),
    isInState: (task) => fits(wanted, task.state),
    text: (task) => writeJson(endpointTask(task)),
  };
}

/** Keys are agent ids, `name` is the host name, `state` is `active` or `inactive`. */
export function agentListing(state: MasterState, filters: Filters): Listing<AgentEntry> {
  const { agent_id, framework_id, state: wanted, name } = filters;
  // Of one that is hidden it is not told either where it is.
  const framework = framework_id === undefined ? undefined : findFramework(state, framework_id);
  return {
    name: "agents",
    kind: "agent",
    keyOf: ({ id }) => id,
    all: () => [() => [...state.agents.values()]],
    find: (change) => {
      const key = change.kind === "agent" ? change.agentId : "";
      return { key, item: state.agents.get(key as AgentId) };
    },
    belongs: (agent) => fits(agent_id, agent.id) && fits(name, agent.info.hostname),
    isInState: (agent) =>
      fits(wanted, isAgentActive(state, agent) ? "active" : "inactive") &&
      (framework_id === undefined ||
        (framework !== undefined && agent.frameworks.has(framework.id))),
    text: (agent) => {
      const { shortage: disk_shortage } = agent;
      return writeJson({
        ...agentMessage(state, agent),
        ...(disk_shortage !== undefined && { disk_shortage }),
      });
    },
  };
}

/** Keys are framework ids; `state` is `active`, `inactive` or `completed`. */
export function frameworkListing(state: MasterState, filters: Filters): Listing<FrameworkEntry> {
  const { framework_id, agent_id, state: wanted, role, name } = filters;
  const holdings = new Holdings();
  const agent = state.agents.get(agent_id as AgentId);
  return {
    name: "frameworks",
    kind: "framework",
    keyOf: ({ id }) => id,
    all: () => [() => [...allFrameworks(state)]],
    find: (change) => {
      const key = change.kind === "framework" ? change.frameworkId : "";
      return { key, item: findFramework(state, key) };
    },
    belongs: (framework) => fits(framework_id, framework.id),
    isInState: (framework) =>
      fits(wanted, stateOf(state, framework)) &&
      fits(name, framework.info.name) &&
      (role === undefined || framework.roles.includes(role)) &&
      (agent_id === undefined || agent?.frameworks.has(framework.id) === true),
    text: (framework) => writeJson(frameworkMessage(state, framework, holdings)),
    prepare: (document) => document.work([...state.agents.values()], (one) => holdings.add(one)),
  };
}

function fits(wanted: string | undefined, value: string): boolean {
  return wanted === undefined || wanted === value;
}

function stateOf(state: MasterState, { id, streamId }: FrameworkEntry): string {
  if (!state.frameworks.has(id)) return "completed";
  return streamId === undefined ? "inactive" : "active";
}

function findFramework(state: MasterState, id: string): FrameworkEntry | undefined {
  const frameworkId = id as FrameworkId;
  return state.frameworks.get(frameworkId) ?? state.completedFrameworks.get(frameworkId);
}

/** `completed` is filled with what had to be looked through. */
function findTask(
  state: MasterState,
  completed: Map<FrameworkId, ReadonlyMap<TaskId, TaskEntry>>,
  frameworkId: FrameworkId,
  taskId: TaskId,
): TaskEntry | undefined {
  const framework = findFramework(state, frameworkId);
  if (framework === undefined) return undefined;
  const known = framework.tasks.get(taskId) ?? framework.unreachableTasks.get(taskId);
  if (known !== undefined) return known;
  let over = completed.get(frameworkId);
  if (over === undefined) {
    over = new Map(framework.completedTasks.items().map((task) => [task.id, task]));
    completed.set(frameworkId, over);
  }
  return over.get(taskId);
}

function listOf<Item>(item: Item | undefined): readonly Item[] {
  return item === undefined ? [] : [item];
}
