/**
 * What operators decided, as the v1 calls tell it: weights, quota, maintenance, and the operations
 * under way. Source: http-api 6.1.
 */
import type {
  MasterResponseGetMaintenanceSchedule,
  MasterResponseGetMaintenanceStatus,
  MasterResponseGetOperations,
  MasterResponseGetQuota,
  MasterResponseGetWeights,
  Resource,
} from "../../../protocol/v1/types.ts";
import { machineKey } from "../../../registry/core/registry-state.ts";
import { operationMessage } from "../operations.ts";
import type { AgentEntry, MasterState } from "../state.ts";

/** GET_WEIGHTS: those that were set. */
export function getWeights(state: MasterState): MasterResponseGetWeights {
  return { weight_infos: [...state.policy.weights].map(([role, weight]) => ({ role, weight })) };
}

/** GET_QUOTA; `infos` is the older form, which knows guarantees only. */
export function getQuota(state: MasterState): MasterResponseGetQuota {
  const quotas = [...state.policy.quotas];
  return {
    status: {
      infos: quotas.map(([role, { guarantees }]) => ({
        role,
        guarantee: Object.entries(guarantees).map(([name, milli]) => scalar(name, milli)),
      })),
      configs: quotas.map(([role, { guarantees, limits }]) => ({
        role,
        guarantees: scalars(guarantees),
        limits: scalars(limits),
      })),
    },
  };
}

/** GET_MAINTENANCE_SCHEDULE. */
export function getMaintenanceSchedule(state: MasterState): MasterResponseGetMaintenanceSchedule {
  return { schedule: state.policy.schedule ?? {} };
}

/** GET_MAINTENANCE_STATUS: what frameworks answered, by machine. */
export function getMaintenanceStatus(state: MasterState): MasterResponseGetMaintenanceStatus {
  const machines = [...state.policy.machines];
  const agents = answeringAgents(state);
  return {
    status: {
      draining_machines: machines
        .filter(([, { mode }]) => mode !== "DOWN")
        .map(([key, { id }]) => ({
          id,
          statuses: (agents.get(key) ?? []).flatMap((agent) =>
            [...agent.inverse].map(([frameworkId, { status, atMs }]) => ({
              status,
              framework_id: { value: frameworkId },
              timestamp: { nanoseconds: atMs * 1_000_000 },
            })),
          ),
        })),
      down_machines: machines.filter(([, { mode }]) => mode === "DOWN").map(([, { id }]) => id),
    },
  };
}

/** GET_OPERATIONS: those whose last status is not acknowledged. */
export function getOperations(state: MasterState): MasterResponseGetOperations {
  return {
    operations: [...state.agents.values()].flatMap((agent) =>
      [...agent.operations.values()].map((entry) => operationMessage(agent, entry)),
    ),
  };
}

/** Agents that frameworks have answered for, by each key that their machine may be named by. */
function answeringAgents(state: MasterState): ReadonlyMap<string, readonly AgentEntry[]> {
  const byKey = new Map<string, AgentEntry[]>();
  for (const agent of state.agents.values()) {
    if (agent.inverse.size === 0) continue;
    const { hostname } = agent.info;
    const ip = agent.remoteIp;
    for (const key of new Set([{ hostname, ip }, { hostname }, { ip }].map(machineKey))) {
      const agents = byKey.get(key);
      if (agents === undefined) byKey.set(key, [agent]);
      else agents.push(agent);
    }
  }
  return byKey;
}

function scalars(amounts: Readonly<Record<string, number>>): Record<string, { value: number }> {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, milli]) => [name, { value: milli / 1000 }]),
  );
}

function scalar(name: string, milli: number): Resource {
  return { name, type: "SCALAR", scalar: { value: milli / 1000 } };
}
