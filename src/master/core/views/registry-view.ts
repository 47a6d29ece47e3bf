/**
 * `/registrar(1)/registry`: what outlives the master, in the words of Mesos' registry. Read off the
 * master's memory, which follows the registry. Source: semantics 1.4.
 */
import type { DrainInfo } from "../../../protocol/v1/types.ts";
import type { MasterState } from "../state.ts";
import type { Json } from "./endpoint-json.ts";
import { getQuota } from "./policy.ts";

/** Empty before recovery. Lists may be empty. */
export function registryView(state: MasterState): Json {
  if (!state.isRecovered) return {};
  const { policy } = state;
  const admitted = [...state.agents.values(), ...state.recoveredAgents.values()];
  return {
    master: { info: state.info },
    slaves: {
      slaves: admitted.map(({ info, isDeactivated, drain }) => ({
        info,
        ...policyOf(isDeactivated, drain),
      })),
    },
    unreachable: {
      slaves: [...state.unreachableAgents].map(([value, { sinceMs, isDeactivated, drain }]) => ({
        id: { value },
        timestamp: { nanoseconds: sinceMs * 1e6 },
        ...policyOf(isDeactivated, drain),
      })),
    },
    gone: {
      slaves: [...state.goneAgents].map(([value, { sinceMs }]) => ({
        id: { value },
        timestamp: { nanoseconds: sinceMs * 1e6 },
      })),
    },
    machines: { machines: [...policy.machines.values()].map((info) => ({ info })) },
    schedules: policy.schedule === undefined ? [] : [policy.schedule],
    quota_configs: getQuota(state).status.configs,
    weights: [...policy.weights].map(([role, weight]) => ({ info: { role, weight } })),
  };
}

function policyOf(isDeactivated: boolean, drain: DrainInfo | undefined): Json {
  return {
    ...(drain !== undefined && { drain_info: drain }),
    ...(isDeactivated && { deactivated: true }),
  };
}
