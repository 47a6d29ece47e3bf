/** The agent's own figures for `/metrics/snapshot`. Source: reference/metrics.json. */
import type { Resource } from "../../../protocol/v1/types.ts";
import { isTerminalState } from "../inputs.ts";
import type { AgentState } from "../state.ts";
import { allocatedResources } from "./v0-state.ts";

/** Gauges and counters by name. `uptimeSeconds` is the process's. O(tasks). */
export function agentMetrics(state: AgentState, uptimeSeconds: number): Record<string, number> {
  return {
    ...state.counters,
    "slave/uptime_secs": uptimeSeconds,
    "slave/registered": state.phase === "running" ? 1 : 0,
    "slave/frameworks_active": state.frameworks.size,
    ...taskGauges(state),
    ...executorGauges(state),
    ...resourceGauges(state),
  };
}

function taskGauges(state: AgentState): Record<string, number> {
  const count = { STAGING: 0, STARTING: 0, RUNNING: 0, KILLING: 0 };
  for (const framework of state.frameworks.values()) {
    for (const task of framework.tasks.values()) {
      if (isTerminalState(task.state)) continue;
      if (task.state === "TASK_STAGING") count.STAGING += 1;
      else if (task.state === "TASK_STARTING") count.STARTING += 1;
      else if (task.state === "TASK_RUNNING") count.RUNNING += 1;
      else if (task.state === "TASK_KILLING") count.KILLING += 1;
    }
  }
  return {
    "slave/tasks_staging": count.STAGING,
    "slave/tasks_starting": count.STARTING,
    "slave/tasks_running": count.RUNNING,
    "slave/tasks_killing": count.KILLING,
  };
}

function executorGauges(state: AgentState): Record<string, number> {
  const count = { registering: 0, running: 0, terminating: 0, terminated: 0 };
  for (const executor of state.containers.values()) count[executor.phase] += 1;
  return {
    "slave/executors_registering": count.registering,
    "slave/executors_running": count.running,
    "slave/executors_terminating": count.terminating,
  };
}

function resourceGauges(state: AgentState): Record<string, number> {
  const total = [...(state.info.resources ?? []), ...state.oversubscribable];
  const used = allocatedResources(state);
  const gauges: Record<string, number> = {};
  for (const name of ["cpus", "gpus", "mem", "disk"]) {
    for (const isRevocable of [false, true]) {
      const prefix = `slave/${name}${isRevocable ? "_revocable" : ""}`;
      const all = sum(total, name, isRevocable);
      const taken = sum(used, name, isRevocable);
      gauges[`${prefix}_total`] = all;
      gauges[`${prefix}_used`] = taken;
      gauges[`${prefix}_percent`] = all === 0 ? 0 : taken / all;
    }
  }
  return gauges;
}

function sum(resources: readonly Resource[], name: string, isRevocable: boolean): number {
  let milli = 0;
  for (const resource of resources) {
    if (resource.name !== name || (resource.revocable !== undefined) !== isRevocable) continue;
    milli += Math.round((resource.scalar?.value ?? 0) * 1000);
  }
  return milli / 1000;
}
