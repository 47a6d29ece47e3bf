/**
 * Bodies of the JSON endpoints that exporters, service discovery and old tools read. They speak of
 * slaves, because their readers do. Pure; what only the process knows comes in as `facts`.
 * Source: reference/http-api.md 9.2.
 */
import type { TaskState, VersionInfo } from "../../../protocol/v1/types.ts";
import type { Bundle } from "../../../resources/bundle.ts";
import { endpointResources } from "../resource-forms.ts";
import {
  type AgentEntry,
  type FrameworkEntry,
  isAgentActive,
  isMultiRole,
  type MasterState,
  type TaskEntry,
} from "../state.ts";
import {
  agentInfoJson,
  capabilityTypes,
  executorJson,
  type Json,
  offerJson,
  resourcesJson,
  taskJson,
} from "./endpoint-json.ts";
import { offeredOn, offeredTo, roleUses, usedBy, usedOn } from "./sums.ts";
import { agentPid, allFrameworks } from "./v1.ts";

/** What the process knows and the core does not. */
export interface EndpointFacts {
  readonly version: VersionInfo;
  readonly cluster: string | undefined;
  readonly flags: Readonly<Record<string, string>>;
}

/** `/state`: everything. */
export function stateView(state: MasterState, facts: EndpointFacts): Json {
  const { info } = state;
  const pid = masterPid(state);
  const agents = [...state.agents.values()];
  const activeCount = agents.filter((agent) => isAgentActive(state, agent)).length;
  const { hostname, domain } = info;
  const { log_dir: logDir, external_log_file: logFile } = facts.flags;
  return {
    ...facts.version,
    start_time: state.startedMs / 1000,
    elected_time: state.startedMs / 1000,
    id: info.id,
    pid,
    hostname: hostname ?? "",
    capabilities: capabilityTypes(info.capabilities),
    activated_slaves: activeCount,
    deactivated_slaves: agents.length - activeCount,
    unreachable_slaves: state.unreachableAgents.size,
    ...(domain !== undefined && { domain }),
    leader: pid,
    leader_info: {
      id: info.id,
      pid,
      port: info.port,
      hostname: hostname ?? "",
      ...(domain !== undefined && { domain }),
    },
    ...(facts.cluster !== undefined && { cluster: facts.cluster }),
    ...(logDir !== undefined && { log_dir: logDir }),
    ...(logFile !== undefined && { external_log_file: logFile }),
    flags: facts.flags,
    slaves: agents.map((agent) => agentSummary(state, agent)),
    recovered_slaves: recoveredAgents(state),
    frameworks: [...state.frameworks.values()].map((entry) => frameworkFull(state, entry)),
    completed_frameworks: completedFrameworks(state),
    orphan_tasks: [],
    unregistered_frameworks: [],
  };
}

/** `/slaves`, all or the one of `agentId`. */
export function slavesView(state: MasterState, agentId: string | undefined): Json {
  const agents = [...state.agents.values()].filter(({ id }) => (agentId ?? id) === id);
  return {
    slaves: agents.map((agent) => agentFull(state, agent)),
    recovered_slaves: recoveredAgents(state),
  };
}

/** `/frameworks`, all or the one of `frameworkId`. */
export function frameworksView(state: MasterState, frameworkId: string | undefined): Json {
  const isWanted = ({ id }: FrameworkEntry): boolean => (frameworkId ?? id) === id;
  const active = [...state.frameworks.values()].filter(isWanted);
  const completed = [...state.completedFrameworks.values()].filter(isWanted);
  return {
    frameworks: active.map((framework) => frameworkFull(state, framework)),
    completed_frameworks: completed.map((framework) => frameworkFull(state, framework)),
    unregistered_frameworks: [],
  };
}

/** What `/tasks` may be asked for. */
export interface TasksQuery {
  readonly frameworkId: string | undefined;
  readonly taskId: string | undefined;
  readonly limit: number;
  readonly offset: number;
  readonly order: "asc" | "desc";
}

/** `/tasks`: by time of the first status; tasks without any come first in asc, last in desc. */
export function tasksView(state: MasterState, query: TasksQuery): Json {
  const found: TaskEntry[] = [];
  for (const framework of allFrameworks(state)) {
    if (query.frameworkId !== undefined && framework.id !== query.frameworkId) continue;
    for (const task of tasksOf(framework)) {
      if (query.taskId === undefined || task.id === query.taskId) found.push(task);
    }
  }
  const direction = query.order === "asc" ? 1 : -1;
  found.sort((a, b) => direction * (firstSeconds(a) - firstSeconds(b)));
  const page = found.slice(query.offset, query.offset + query.limit);
  return { tasks: page.map(taskJson) };
}

/** `/roles`. */
export function rolesView(state: MasterState): Json {
  const roles = [...roleUses(state)].map(([name, use]) => {
    const { held, allocated, offered, reserved, consumed, frameworks } = use;
    const names = new Set(["cpus", "gpus", "mem", "disk", ...held.keys()]);
    const quota = state.policy.quotas.get(name);
    return {
      name,
      weight: state.policy.weights.get(name) ?? 1,
      quota: {
        role: name,
        guarantee: amounts(quota?.guarantees),
        limit: amounts(quota?.limits),
        consumed: Object.fromEntries(consumed),
      },
      resources: Object.fromEntries([...names].map((key) => [key, held.get(key) ?? 0])),
      allocated: Object.fromEntries(allocated),
      offered: Object.fromEntries(offered),
      reserved: Object.fromEntries(reserved),
      frameworks,
    };
  });
  return { roles };
}

function amounts(milli: Readonly<Record<string, number>> | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(milli ?? {}).map(([name, value]) => [name, value / 1000]),
  );
}

/** `/state-summary`: counts instead of tasks. */
export function stateSummaryView(state: MasterState, facts: EndpointFacts): Json {
  const counts = countTasks(state);
  return {
    hostname: state.info.hostname ?? "",
    ...(facts.cluster !== undefined && { cluster: facts.cluster }),
    slaves: [...state.agents.values()].map((agent) => ({
      ...agentSummary(state, agent),
      ...summaryCounts(counts.get(agent.id)),
      framework_ids: [...(counts.get(agent.id)?.peers ?? [])],
    })),
    frameworks: [...state.frameworks.values()].map((framework) => ({
      ...frameworkSummary(state, framework),
      ...summaryCounts(counts.get(framework.id)),
      slave_ids: [...(counts.get(framework.id)?.peers ?? [])],
    })),
  };
}

function masterPid({ info }: MasterState): string {
  return info.pid ?? `master@${info.address?.ip ?? info.hostname ?? ""}:${info.port}`;
}

function recoveredAgents(state: MasterState): Json[] {
  return [...state.recoveredAgents.values()].map(({ info }) => agentInfoJson(info));
}

function completedFrameworks(state: MasterState): Json[] {
  return [...state.completedFrameworks.values()].map((entry) => frameworkFull(state, entry));
}

function agentSummary(state: MasterState, agent: AgentEntry): Json {
  const { reregisteredMs, drain, drainStartedMs } = agent;
  const unreserved = agent.total.filter((kind) => kind.reservations.length === 0);
  return {
    ...agentInfoJson(agent.info),
    pid: agentPid(agent),
    registered_time: agent.registeredMs / 1000,
    ...(reregisteredMs !== undefined && { reregistered_time: reregisteredMs / 1000 }),
    resources: resourcesJson([agent.total]),
    used_resources: resourcesJson(usedOn(agent)),
    offered_resources: resourcesJson(offeredOn(state, agent)),
    reserved_resources: mapReserved(agent.total, (part) => resourcesJson([part])),
    unreserved_resources: resourcesJson([unreserved]),
    active: isAgentActive(state, agent),
    deactivated: agent.isDeactivated,
    version: agent.version,
    capabilities: capabilityTypes(agent.capabilities),
    ...(drain !== undefined && { drain_info: drain }),
    ...(drainStartedMs !== undefined && {
      estimated_drain_start_time_seconds: drainStartedMs / 1000,
    }),
  };
}

function agentFull(state: MasterState, agent: AgentEntry): Json {
  const unreserved = agent.total.filter((kind) => kind.reservations.length === 0);
  return {
    ...agentSummary(state, agent),
    reserved_resources_full: mapReserved(agent.total, endpointResources),
    unreserved_resources_full: endpointResources(unreserved),
    used_resources_full: usedOn(agent).flatMap(endpointResources),
    offered_resources_full: offeredOn(state, agent).flatMap(endpointResources),
  };
}

function mapReserved<Value>(total: Bundle, map: (part: Bundle) => Value): Record<string, Value> {
  const roles = new Set<string>();
  for (const kind of total.presentKinds()) {
    if (kind.reservations.length > 0) roles.add(kind.reservationRole);
  }
  const partOf = (role: string): Bundle =>
    total.filter((kind) => kind.reservations.length > 0 && kind.reservationRole === role);
  return Object.fromEntries([...roles].sort().map((role) => [role, map(partOf(role))]));
}

function frameworkSummary(state: MasterState, framework: FrameworkEntry): Json {
  const { info } = framework;
  const isConnected = framework.streamId !== undefined;
  return {
    id: framework.id,
    name: info.name,
    used_resources: resourcesJson(usedBy(state, framework)),
    offered_resources: resourcesJson(offeredTo(state, framework)),
    capabilities: capabilityTypes(info.capabilities),
    hostname: info.hostname ?? "",
    webui_url: info.webui_url ?? "",
    active: isConnected,
    connected: isConnected,
    recovered: framework.isRecovered,
  };
}

function frameworkFull(state: MasterState, framework: FrameworkEntry): Json {
  const { info, reregisteredMs, unregisteredMs, roles } = framework;
  const held = [...usedBy(state, framework), ...offeredTo(state, framework)];
  const offers = [...framework.offers].flatMap((id) => state.offers.get(id) ?? []);
  return {
    ...frameworkSummary(state, framework),
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    registered_time: framework.registeredMs / 1000,
    unregistered_time: (unregisteredMs ?? 0) / 1000,
    ...(info.principal !== undefined && { principal: info.principal }),
    resources: resourcesJson(held),
    ...(reregisteredMs !== undefined && { reregistered_time: reregisteredMs / 1000 }),
    ...(isMultiRole(framework) ? { roles } : { role: roles[0] ?? "*" }),
    tasks: [...framework.tasks.values()].map(taskJson),
    unreachable_tasks: [...framework.unreachableTasks.values()].map(taskJson),
    completed_tasks: framework.completedTasks.items().map(taskJson),
    offers: offers.map(offerJson),
    executors: executorsOf(state, framework),
    ...(info.labels !== undefined && { labels: info.labels.labels ?? [] }),
    offer_constraints: framework.offerConstraints ?? {},
  };
}

function executorsOf(state: MasterState, framework: FrameworkEntry): Json[] {
  const executors: Json[] = [];
  for (const agent of state.agents.values()) {
    for (const executor of agent.executors.values()) {
      if (executor.frameworkId !== framework.id) continue;
      executors.push({ ...executorJson(executor), slave_id: agent.id });
    }
  }
  return executors;
}

function* tasksOf(framework: FrameworkEntry): Generator<TaskEntry> {
  yield* framework.tasks.values();
  yield* framework.unreachableTasks.values();
  yield* framework.completedTasks.items();
}

function firstSeconds(task: TaskEntry): number {
  return task.statuses[0]?.timestamp ?? 0;
}

/** States that the summary counts (not DROPPED, GONE, GONE_BY_OPERATOR, UNKNOWN). */
const COUNTED: readonly TaskState[] = [
  "TASK_STAGING",
  "TASK_STARTING",
  "TASK_RUNNING",
  "TASK_KILLING",
  "TASK_FINISHED",
  "TASK_KILLED",
  "TASK_FAILED",
  "TASK_LOST",
  "TASK_ERROR",
  "TASK_UNREACHABLE",
];

interface TaskCount {
  readonly byState: Map<TaskState, number>;
  /** Frameworks of an agent, agents of a framework. */
  readonly peers: Set<string>;
}

/** By agent id and by framework id, in one scan of all tasks. */
function countTasks(state: MasterState): Map<string, TaskCount> {
  const counts = new Map<string, TaskCount>();
  for (const framework of state.frameworks.values()) {
    for (const task of tasksOf(framework)) {
      countTask(counts, framework.id, task.agentId, task.state);
      countTask(counts, task.agentId, framework.id, task.state);
    }
  }
  return counts;
}

function countTask(
  counts: Map<string, TaskCount>,
  id: string,
  peer: string,
  taskState: TaskState,
): void {
  let count = counts.get(id);
  if (count === undefined) {
    count = { byState: new Map(), peers: new Set() };
    counts.set(id, count);
  }
  count.byState.set(taskState, (count.byState.get(taskState) ?? 0) + 1);
  count.peers.add(peer);
}

function summaryCounts(count: TaskCount | undefined): Record<string, number> {
  return Object.fromEntries(COUNTED.map((name) => [name, count?.byState.get(name) ?? 0]));
}
