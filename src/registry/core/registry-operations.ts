/**
 * The operations on the registry, pure: state in, state changed in place. An operation that is
 * refused or has nothing to do leaves the state alone (reference/semantics.md 1.5; Mesos:
 * src/master/registry_operations.cpp).
 */
import { unreachable } from "../../base/assert.ts";
import type { Result } from "../../base/result.ts";
import type { MachineID } from "../../protocol/v1/types.ts";
import {
  admitAgent,
  deactivateAgent,
  drainAgent,
  markAgentDrained,
  markAgentGone,
  markAgentReachable,
  markAgentUnreachable,
  pruneAgents,
  reactivateAgent,
  removeAgent,
  updateAgent,
  withAgentId,
} from "./agent-operations.ts";
import { startMaintenance, stopMaintenance, updateSchedule } from "./maintenance-operations.ts";
import { updateQuota, updateWeights } from "./policy-operations.ts";
import { machineKey, type RegistryOperation, type RegistryState } from "./registry-state.ts";

/**
 * Applies one operation to `state`. The value tells whether anything changed, and so whether
 * something must be written. Refusals: `invalid` (no agent id, a bad schedule), `conflict` (already
 * admitted, already gone), `notFound` (not in the list the operation takes from). Cost linear in
 * the operation.
 */
export function applyOperation(
  state: RegistryState,
  operation: RegistryOperation,
): Result<boolean> {
  switch (operation.kind) {
    case "admitAgent":
      return withAgentId(operation.info, (agentId) => admitAgent(state, agentId, operation.info));
    case "updateAgent":
      return withAgentId(operation.info, (agentId) => updateAgent(state, agentId, operation.info));
    case "markAgentUnreachable":
      return markAgentUnreachable(state, operation.agentId, operation.atMs);
    case "markAgentReachable":
      return withAgentId(operation.info, (agentId) =>
        markAgentReachable(state, agentId, operation.info),
      );
    case "removeAgent":
      return removeAgent(state, operation.agentId);
    case "markAgentGone":
      return markAgentGone(state, operation.agentId, operation.atMs);
    case "drainAgent":
      return drainAgent(state, operation.agentId, operation.config);
    case "markAgentDrained":
      return markAgentDrained(state, operation.agentId);
    case "deactivateAgent":
      return deactivateAgent(state, operation.agentId);
    case "reactivateAgent":
      return reactivateAgent(state, operation.agentId);
    case "prune":
      return pruneAgents(state, operation.unreachable, operation.gone);
    case "updateQuota":
      return updateQuota(state, operation.quotas);
    case "updateWeights":
      return updateWeights(state, operation.weights);
    case "updateSchedule":
      return updateSchedule(state, operation.schedule);
    case "startMaintenance":
      return startMaintenance(state, operation.machines);
    case "stopMaintenance":
      return stopMaintenance(state, operation.machines);
    default:
      return unreachable(operation, "registry operation");
  }
}

/** The agents whose entry an operation can change: what the registrar writes after it. */
export function agentsTouchedBy(operation: RegistryOperation): readonly string[] {
  switch (operation.kind) {
    case "admitAgent":
    case "updateAgent":
    case "markAgentReachable":
      return operation.info.id === undefined ? [] : [operation.info.id.value];
    case "markAgentUnreachable":
    case "removeAgent":
    case "markAgentGone":
    case "drainAgent":
    case "markAgentDrained":
    case "deactivateAgent":
    case "reactivateAgent":
      return [operation.agentId];
    case "prune":
      return [...operation.unreachable, ...operation.gone];
    default:
      return [];
  }
}

/** Entries beside those of agents that an operation can change. */
export type Touched =
  | { readonly kind: "weight" | "quota" | "machine"; readonly key: string }
  | { readonly kind: "schedule" };

export function settingsTouchedBy(operation: RegistryOperation): readonly Touched[] {
  switch (operation.kind) {
    case "updateQuota":
      return operation.quotas.map(({ role }) => ({ kind: "quota", key: role }));
    case "updateWeights":
      return operation.weights.map(({ role }) => ({ kind: "weight", key: role }));
    case "updateSchedule":
      return [{ kind: "schedule" }];
    case "startMaintenance":
      return operation.machines.map(touchedMachine);
    case "stopMaintenance":
      return [...operation.machines.map(touchedMachine), { kind: "schedule" }];
    default:
      return [];
  }
}

function touchedMachine(id: MachineID): Touched {
  return { kind: "machine", key: machineKey(id) };
}

/** What contradicts itself: every agent is in at most one list and filed under its own id. O(agents). */
export function registryFaults(state: RegistryState): readonly string[] {
  const faults: string[] = [];
  const expect = (isRight: boolean, fault: () => string): void => {
    if (!isRight) faults.push(fault());
  };
  for (const [agentId, { info, isDeactivated, drain }] of [
    ...state.admitted,
    ...state.unreachable,
  ]) {
    expect(info.id?.value === agentId, () => `agent ${info.id?.value} is filed under ${agentId}`);
    expect(!state.gone.has(agentId), () => `agent ${agentId} is both known and gone`);
    expect(
      isDeactivated || drain === undefined,
      () => `agent ${agentId} drains and is not deactivated`,
    );
  }
  for (const agentId of state.unreachable.keys()) {
    expect(!state.admitted.has(agentId), () => `agent ${agentId} is admitted and unreachable`);
  }
  for (const [key, machine] of state.machines) {
    expect(
      machineKey(machine.id) === key,
      () => `machine ${nameOf(key)} is filed under another name`,
    );
  }
  return faults;
}

function nameOf(key: string): string {
  return key.trim().replace("\n", " ");
}
