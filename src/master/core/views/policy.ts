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
  const machines = [...state.policy.machines.values()];
  return {
    status: {
      draining_machines: machines
        .filter(({ mode }) => mode !== "DOWN")
        .map(({ id }) => ({
          id,
          statuses: agentsOn(state, id).flatMap((agent) =>
            [...agent.inverse].map(([frameworkId, { status, atMs }]) => ({
              status,
              framework_id: { value: frameworkId },
              timestamp: { nanoseconds: atMs * 1_000_000 },
            })),
          ),
        })),
      down_machines: machines.filter(({ mode }) => mode === "DOWN").map(({ id }) => id),
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

function agentsOn(state: MasterState, id: Parameters<typeof machineKey>[0]): readonly AgentEntry[] {
  const { hostname, ip } = id;
  const key = machineKey({
    ...(hostname !== undefined && { hostname }),
    ...(ip !== undefined && { ip }),
  });
  return [...state.agents.values()].filter((agent) => {
    const own = {
      ...((hostname ?? "") !== "" && { hostname: agent.info.hostname }),
      ...((ip ?? "") !== "" && { ip: agent.remoteIp }),
    };
    return machineKey(own) === key;
  });
}

function scalars(amounts: Readonly<Record<string, number>>): Record<string, { value: number }> {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, milli]) => [name, { value: milli / 1000 }]),
  );
}

function scalar(name: string, milli: number): Resource {
  return { name, type: "SCALAR", scalar: { value: milli / 1000 } };
}
