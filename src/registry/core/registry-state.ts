/**
 * What must outlive every master (DESIGN §5, semantics 1.4) as plain data, and the operations that
 * change it. Operations carry their own time; nothing here reads a clock.
 */
import type {
  AgentInfo,
  DrainConfig,
  DrainInfo,
  MachineID,
  MachineInfo,
  MaintenanceSchedule,
} from "../../protocol/v1/types.ts";

export interface AdmittedAgent {
  readonly info: AgentInfo;
  readonly isDeactivated: boolean;
  /** Set from the order to drain until the agent is reactivated. */
  readonly drain?: DrainInfo | undefined;
}

export interface UnreachableAgent extends AdmittedAgent {
  /** Wall milliseconds since the epoch. */
  readonly sinceMs: number;
}

export interface GoneAgent {
  readonly sinceMs: number;
}

/** Bounds of a top-level role by scalar name, thousandths; a name left out is 0 or without limit. */
export interface Quota {
  readonly guarantees: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

export interface RoleQuota extends Quota {
  readonly role: string;
}

export interface RoleWeight {
  readonly role: string;
  /** Above 0. */
  readonly weight: number;
}

/** Maps keep insertion order, which is age order for unreachable and gone agents. */
export interface RegistryState {
  /** The first three by agent id. */
  readonly admitted: Map<string, AdmittedAgent>;
  readonly unreachable: Map<string, UnreachableAgent>;
  readonly gone: Map<string, GoneAgent>;
  /** By role; what is not there is 1. */
  readonly weights: Map<string, number>;
  /** By role; roles without a quota are not there. */
  readonly quotas: Map<string, Quota>;
  /** By `machineKey`; machines that are up and not scheduled are not there. */
  readonly machines: Map<string, MachineInfo>;
  schedule: MaintenanceSchedule | undefined;
}

/** One change of the registry; semantics 1.5 gives the meaning and the errors of each. */
export type RegistryOperation =
  | { readonly kind: "admitAgent"; readonly info: AgentInfo }
  | { readonly kind: "updateAgent"; readonly info: AgentInfo }
  | { readonly kind: "markAgentUnreachable"; readonly agentId: string; readonly atMs: number }
  | { readonly kind: "markAgentReachable"; readonly info: AgentInfo }
  | { readonly kind: "removeAgent"; readonly agentId: string }
  | { readonly kind: "markAgentGone"; readonly agentId: string; readonly atMs: number }
  | { readonly kind: "drainAgent"; readonly agentId: string; readonly config: DrainConfig }
  | { readonly kind: "markAgentDrained"; readonly agentId: string }
  | { readonly kind: "deactivateAgent"; readonly agentId: string }
  | { readonly kind: "reactivateAgent"; readonly agentId: string }
  | {
      readonly kind: "prune";
      readonly unreachable: readonly string[];
      readonly gone: readonly string[];
    }
  /** All or nothing; one without guarantees and limits takes the role's quota away. */
  | { readonly kind: "updateQuota"; readonly quotas: readonly RoleQuota[] }
  | { readonly kind: "updateWeights"; readonly weights: readonly RoleWeight[] }
  /** In place of the whole schedule there was. */
  | { readonly kind: "updateSchedule"; readonly schedule: MaintenanceSchedule }
  | { readonly kind: "startMaintenance"; readonly machines: readonly MachineID[] }
  | { readonly kind: "stopMaintenance"; readonly machines: readonly MachineID[] };

/** A registry with nothing in it. */
export function emptyRegistry(): RegistryState {
  return {
    admitted: new Map(),
    unreachable: new Map(),
    gone: new Map(),
    weights: new Map(),
    quotas: new Map(),
    machines: new Map(),
    schedule: undefined,
  };
}

/** Whether there is nothing in it that a master could lose. */
export function isRegistryEmpty(state: RegistryState): boolean {
  const { admitted, unreachable, gone, weights, quotas, machines } = state;
  return [admitted, unreachable, gone, weights, quotas, machines].every(({ size }) => size === 0);
}

/** A copy whose entries are shared: they are never changed in place. O(entries). */
export function copyRegistry(state: RegistryState): RegistryState {
  return {
    admitted: new Map(state.admitted),
    unreachable: new Map(state.unreachable),
    gone: new Map(state.gone),
    weights: new Map(state.weights),
    quotas: new Map(state.quotas),
    machines: new Map(state.machines),
    schedule: state.schedule,
  };
}

/** Machines are the same when hostname (in any case) and ip are; each of them may be missing. */
export function machineKey({ hostname, ip }: MachineID): string {
  return `${hostname?.toLowerCase() ?? ""}\n${ip ?? ""}`;
}
