/**
 * `/metrics/snapshot` of the master: gauges read off the state, and the counters. Names are Mesos';
 * what the process and the host know (`system/*`, queues, timers) is added by the caller. Costs
 * what frameworks and roles there are, whatever the number of agents and tasks.
 * Source: reference/metrics.json; ARCHITECTURE.md lists the names that mean nothing here.
 */
import type { Allocator } from "../../../allocator/allocator.ts";
import type { OperationState, TaskState } from "../../../protocol/v1/types.ts";
import { prefixOf, TERMINAL_OPERATION_STATES } from "../counters.ts";
import type { FrameworkEntry, MasterState } from "../state.ts";
import type { ScalarSums } from "../tally.ts";

/** What the allocator tells of roles. */
export type RoleFigures = Pick<Allocator, "quotaConsumed" | "roleShare">;

const LIVE_STATES: readonly TaskState[] = [
  "TASK_STAGING",
  "TASK_STARTING",
  "TASK_RUNNING",
  "TASK_KILLING",
];

const RESOURCES = ["cpus", "gpus", "mem", "disk"] as const;

const OPERATION_TYPES = [
  "RESERVE",
  "UNRESERVE",
  "CREATE",
  "DESTROY",
  "GROW_VOLUME",
  "SHRINK_VOLUME",
  "CREATE_DISK",
  "DESTROY_DISK",
] as const;

const OPEN_OPERATION_STATES: readonly OperationState[] = [
  "OPERATION_PENDING",
  "OPERATION_RECOVERING",
  "OPERATION_UNREACHABLE",
];

type Values = Map<string, number>;

/** Every metric of the core, in no particular order. */
export function metricsSnapshot(
  state: MasterState,
  nowMs: number,
  figures: RoleFigures,
): Record<string, number> {
  const values: Values = new Map();
  for (const [name, { value }] of state.counters) values.set(name, value);
  values.set("master/elected", state.isRecovered ? 1 : 0);
  values.set("master/uptime_secs", state.isRecovered ? (nowMs - state.startedMs) / 1000 : 0);
  values.set("master/outstanding_offers", state.offers.size);
  values.set("master/operator_event_stream_subscribers", state.operatorStreams.size);
  addAgents(values, state);
  addFrameworks(values, state);
  addTasks(values, state);
  addResources(values, state);
  addOperations(values, state);
  addRoles(values, state, figures);
  return Object.fromEntries(values);
}

function addAgents(values: Values, state: MasterState): void {
  const all = state.agents.size;
  const connected = state.tally.connectedAgents;
  const active = activeAgentCount(state);
  values.set("master/slaves_connected", connected);
  values.set("master/slaves_disconnected", all - connected);
  values.set("master/slaves_active", active);
  values.set("master/slaves_inactive", all - active);
  values.set("master/slaves_unreachable", state.unreachableAgents.size);
}

/** Agents that may be offered. O(changes of the registry that are under way). */
function activeAgentCount({ tally, transitions, agents }: MasterState): number {
  let count = tally.willingAgents;
  for (const agentId of transitions.keys()) {
    const agent = agents.get(agentId);
    if (agent?.linkId !== undefined && !agent.isDeactivated) count -= 1;
  }
  return count;
}

function addFrameworks(values: Values, state: MasterState): void {
  const connected = state.streams.size;
  const away = state.frameworks.size - connected;
  values.set("master/frameworks_connected", connected);
  values.set("master/frameworks_disconnected", away);
  values.set("master/frameworks_active", connected);
  values.set("master/frameworks_inactive", away);
  for (const framework of state.frameworks.values()) addFramework(values, framework);
}

function addFramework(values: Values, framework: FrameworkEntry): void {
  const prefix = prefixOf(framework);
  values.set(`${prefix}/subscribed`, framework.streamId === undefined ? 0 : 1);
  for (const role of framework.roles) {
    const isSuppressed = framework.suppressedRoles.has(role);
    values.set(`${prefix}/roles/${role}/suppressed`, isSuppressed ? 1 : 0);
  }
  for (const taskState of LIVE_STATES) {
    const count = framework.taskCounts.get(taskState) ?? 0;
    values.set(`${prefix}/tasks/active/${taskState.toLowerCase()}`, count);
  }
  const unreachable = framework.unreachableTasks.size;
  values.set(`${prefix}/tasks/active/task_unreachable`, unreachable);
  for (const name of ["calls", "events", "operations"]) default0(values, `${prefix}/${name}`);
  for (const name of ["sent", "accepted", "declined", "rescinded"]) {
    default0(values, `${prefix}/offers/${name}`);
  }
}

function addTasks(values: Values, state: MasterState): void {
  for (const taskState of LIVE_STATES) {
    const name = taskState.toLowerCase().slice("task_".length);
    values.set(`master/tasks_${name}`, state.taskCounts.get(taskState) ?? 0);
  }
  let unreachable = 0;
  for (const framework of state.frameworks.values()) unreachable += framework.unreachableTasks.size;
  values.set("master/tasks_unreachable", unreachable);
}

function addResources(values: Values, { tally }: MasterState): void {
  const { total, used, offered } = tally;
  for (const name of RESOURCES) {
    for (const kind of ["plain", "revocable"] as const) {
      const prefix = `master/${name}${kind === "revocable" ? "_revocable" : ""}`;
      const all = amount(total, kind, name);
      const taken = amount(used, kind, name);
      values.set(`${prefix}_total`, all);
      values.set(`${prefix}_used`, taken);
      values.set(`${prefix}_percent`, all === 0 ? 0 : taken / all);
    }
    if (name === "gpus") continue;
    const held = (tally.used.plain.get(name) ?? 0) + (offered.plain.get(name) ?? 0);
    values.set(`allocator/mesos/resources/${name}/total`, amount(total, "plain", name));
    values.set(`allocator/mesos/resources/${name}/offered_or_allocated`, held / 1000);
  }
}

function amount(sums: ScalarSums, kind: keyof ScalarSums, name: string): number {
  return (sums[kind].get(name) ?? 0) / 1000;
}

function addOperations(values: Values, { tally }: MasterState): void {
  const sums = new Map<string, number>();
  const ended = [...TERMINAL_OPERATION_STATES].map(shortName);
  for (const name of ended) default0(values, `master/operations/${name}`);
  for (const type of OPERATION_TYPES) {
    const prefix = `master/operations/${type.toLowerCase()}`;
    const counts = tally.operations.get(type);
    let total = 0;
    for (const count of counts?.values() ?? []) total += count;
    const open = OPEN_OPERATION_STATES.map((state) => [shortName(state), counts?.get(state) ?? 0]);
    for (const [name, count] of [...open, ["total", total]] as [string, number][]) {
      values.set(`${prefix}/${name}`, count);
      sums.set(name, (sums.get(name) ?? 0) + count);
    }
    for (const name of ended) default0(values, `${prefix}/${name}`);
  }
  for (const [name, sum] of sums) values.set(`master/operations/${name}`, sum);
}

function shortName(state: OperationState): string {
  return state.toLowerCase().slice("operation_".length);
}

/** Shares of the roles that frameworks are in, and what quotas come to. */
function addRoles(values: Values, state: MasterState, figures: RoleFigures): void {
  const roles = new Set<string>();
  for (const framework of state.frameworks.values()) {
    for (const role of framework.roles) roles.add(role);
  }
  for (const role of roles) {
    values.set(`allocator/mesos/roles/${role}/shares/dominant`, figures.roleShare(role));
  }
  for (const [role, { guarantees, limits }] of state.policy.quotas) {
    const columns = {
      guarantee: new Map(Object.entries(guarantees)),
      limit: new Map(Object.entries(limits)),
      consumed: figures.quotaConsumed(role),
      offered_or_allocated: heldWithin(state, role),
    };
    const names = new Set([...columns.guarantee.keys(), ...columns.limit.keys()]);
    for (const name of names) {
      const prefix = `allocator/mesos/quota/roles/${role}/resources/${name}`;
      for (const [column, milli] of Object.entries(columns)) {
        const amount = milli.get(name);
        if (amount !== undefined) values.set(`${prefix}/${column}`, amount / 1000);
        else if (column !== "limit") values.set(`${prefix}/${column}`, 0);
      }
    }
  }
}

/** Thousandths by name that a role and those below it hold. */
function heldWithin({ tally }: MasterState, role: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [other, amounts] of tally.roles) {
    if (other !== role && !other.startsWith(`${role}/`)) continue;
    for (const [name, milli] of amounts) sums.set(name, (sums.get(name) ?? 0) + milli);
  }
  return sums;
}

/** Counters that nothing was counted in yet are told as well. */
function default0(values: Values, name: string): void {
  if (!values.has(name)) values.set(name, 0);
}
