/**
 * `/metrics/snapshot` of the master: gauges read off the state, and the counters. Names are Mesos';
 * what the process and the host know (`system/*`, event queue lengths) is added by the caller.
 * Source: reference/metrics.json.
 */
import type { TaskState } from "../../../protocol/v1/types.ts";
import { prefixOf } from "../counters.ts";
import { isAgentActive, type MasterState } from "../state.ts";
import { offeredOn, usedOn } from "./sums.ts";

const LIVE_STATES: readonly TaskState[] = [
  "TASK_STAGING",
  "TASK_STARTING",
  "TASK_RUNNING",
  "TASK_KILLING",
];

const RESOURCES = ["cpus", "gpus", "mem", "disk"] as const;

/** Every metric of the core, sorted by name. Costs a scan of agents and frameworks. */
export function metricsSnapshot(state: MasterState, nowMs: number): Record<string, number> {
  const values = new Map(state.counters);
  values.set("master/elected", state.isRecovered ? 1 : 0);
  values.set("master/uptime_secs", state.isRecovered ? (nowMs - state.startedMs) / 1000 : 0);
  values.set("master/outstanding_offers", state.offers.size);
  values.set("master/operator_event_stream_subscribers", state.operatorStreams.size);
  addAgents(values, state);
  addFrameworks(values, state);
  addTasks(values, state);
  addResources(values, state);
  return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function addAgents(values: Map<string, number>, state: MasterState): void {
  let connected = 0;
  let active = 0;
  for (const agent of state.agents.values()) {
    if (agent.linkId !== undefined) connected += 1;
    if (isAgentActive(state, agent)) active += 1;
  }
  const all = state.agents.size;
  values.set("master/slaves_connected", connected);
  values.set("master/slaves_disconnected", all - connected);
  values.set("master/slaves_active", active);
  values.set("master/slaves_inactive", all - active);
  values.set("master/slaves_unreachable", state.unreachableAgents.size);
}

function addFrameworks(values: Map<string, number>, state: MasterState): void {
  const connected = state.streams.size;
  const away = state.frameworks.size - connected;
  values.set("master/frameworks_connected", connected);
  values.set("master/frameworks_disconnected", away);
  values.set("master/frameworks_active", connected);
  values.set("master/frameworks_inactive", away);
  for (const framework of state.frameworks.values()) {
    const prefix = prefixOf(framework);
    values.set(`${prefix}/subscribed`, framework.streamId === undefined ? 0 : 1);
    for (const role of framework.roles) {
      const isSuppressed = framework.suppressedRoles.has(role);
      values.set(`${prefix}/roles/${role}/suppressed`, isSuppressed ? 1 : 0);
    }
  }
}

function addTasks(values: Map<string, number>, state: MasterState): void {
  for (const taskState of LIVE_STATES) {
    const name = taskState.toLowerCase().slice("task_".length);
    values.set(`master/tasks_${name}`, state.taskCounts.get(taskState) ?? 0);
  }
  let unreachable = 0;
  for (const framework of state.frameworks.values()) {
    unreachable += framework.unreachableTasks.size;
    const prefix = prefixOf(framework);
    const counts = new Map<TaskState, number>(LIVE_STATES.map((taskState) => [taskState, 0]));
    for (const task of framework.tasks.values()) {
      counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
    }
    for (const taskState of LIVE_STATES) {
      const name = `${prefix}/tasks/active/${taskState.toLowerCase()}`;
      values.set(name, counts.get(taskState) ?? 0);
    }
  }
  values.set("master/tasks_unreachable", unreachable);
}

function addResources(values: Map<string, number>, state: MasterState): void {
  for (const name of RESOURCES) {
    for (const kind of ["", "_revocable"] as const) {
      const { total, used, offered } = quantities(state, name, kind === "_revocable");
      values.set(`master/${name}${kind}_total`, total);
      values.set(`master/${name}${kind}_used`, used);
      values.set(`master/${name}${kind}_percent`, total === 0 ? 0 : used / total);
      if (kind !== "" || name === "gpus") continue;
      const prefix = `allocator/mesos/resources/${name}`;
      values.set(`${prefix}/total`, total);
      values.set(`${prefix}/offered_or_allocated`, used + offered);
    }
  }
}

interface Quantities {
  readonly total: number;
  readonly used: number;
  readonly offered: number;
}

function quantities(state: MasterState, name: string, isRevocable: boolean): Quantities {
  const sums = { total: 0, used: 0, offered: 0 };
  for (const agent of state.agents.values()) {
    const parts = { total: [agent.total], used: usedOn(agent), offered: offeredOn(state, agent) };
    for (const what of ["total", "used", "offered"] as const) {
      for (const bundle of parts[what]) {
        const part = bundle.filter((kind) => kind.isRevocable === isRevocable);
        sums[what] += part.scalarMilli(name);
      }
    }
  }
  return { total: sums.total / 1000, used: sums.used / 1000, offered: sums.offered / 1000 };
}
