/**
 * The operations on the registry, pure: state in, state changed in place. An operation that is
 * refused or has nothing to do leaves the state alone (reference/semantics.md 1.5; Mesos:
 * src/master/registry_operations.cpp).
 */
import { assert, unreachable } from "../../base/assert.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { AgentInfo } from "../../protocol/v1/types.ts";
import type { RegistryOperation, RegistryState } from "./registry-state.ts";
import { isSameMessage } from "./same-message.ts";

/**
 * Applies one operation to `state`. The value tells whether anything changed, and so whether
 * something must be written. Refusals: `invalid` (no agent id), `conflict` (already admitted,
 * already gone), `notFound` (not in the list the operation takes from). Cost O(1), except `prune`,
 * which is linear in its ids.
 */
export function applyOperation(
  state: RegistryState,
  operation: RegistryOperation,
): Result<boolean> {
  switch (operation.kind) {
    case "admitAgent":
      return withAgentId(operation.info, (agentId) => admit(state, agentId, operation.info));
    case "updateAgent":
      return withAgentId(operation.info, (agentId) => update(state, agentId, operation.info));
    case "markAgentUnreachable":
      return markUnreachable(state, operation.agentId, operation.atMs);
    case "markAgentReachable":
      return withAgentId(operation.info, (agentId) =>
        markReachable(state, agentId, operation.info),
      );
    case "removeAgent":
      return remove(state, operation.agentId);
    case "markAgentGone":
      return markGone(state, operation.agentId, operation.atMs);
    case "prune":
      return prune(state, operation.unreachable, operation.gone);
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
      return [operation.agentId];
    case "prune":
      return [...operation.unreachable, ...operation.gone];
    default:
      return unreachable(operation, "registry operation");
  }
}

/** Asserts that every agent is in at most one list and is filed under its own id. O(agents). */
export function assertRegistryInvariants(state: RegistryState): void {
  for (const [agentId, { info }] of [...state.admitted, ...state.unreachable]) {
    assert(info.id?.value === agentId, () => `agent ${info.id?.value} is filed under ${agentId}`);
    assert(!state.gone.has(agentId), () => `agent ${agentId} is both known and gone`);
  }
  for (const agentId of state.unreachable.keys()) {
    assert(!state.admitted.has(agentId), () => `agent ${agentId} is admitted and unreachable`);
  }
}

/**
 * Differs from Mesos, which looks only among the admitted: an id in a second list would break the
 * invariant that an agent is in at most one.
 */
function admit(state: RegistryState, agentId: string, info: AgentInfo): Result<boolean> {
  if (state.admitted.has(agentId)) {
    return refuse("conflict", `agent ${agentId} is already admitted`, "info.id");
  }
  if (state.unreachable.has(agentId)) {
    return refuse(
      "conflict",
      `agent ${agentId} is unreachable; mark it reachable instead`,
      "info.id",
    );
  }
  if (state.gone.has(agentId)) return refuseGone(agentId);
  state.admitted.set(agentId, { info, isDeactivated: false });
  return ok(true);
}

function update(state: RegistryState, agentId: string, info: AgentInfo): Result<boolean> {
  const agent = state.admitted.get(agentId);
  if (agent === undefined) return refuseUnknown(agentId, "admitted");
  if (isSameMessage(agent.info, info)) return ok(false);
  state.admitted.set(agentId, { ...agent, info });
  return ok(true);
}

function markUnreachable(state: RegistryState, agentId: string, atMs: number): Result<boolean> {
  const agent = state.admitted.get(agentId);
  if (agent === undefined) return refuseUnknown(agentId, "admitted");
  assert(!state.unreachable.has(agentId), () => `agent ${agentId} is admitted and unreachable`);
  state.admitted.delete(agentId);
  state.unreachable.set(agentId, { ...agent, sinceMs: atMs });
  return ok(true);
}

/**
 * An agent that was pruned meanwhile is admitted too: it is alive, and only its record is not.
 * Differs from Mesos: one that is gone is refused here as well, not by the master alone.
 */
function markReachable(state: RegistryState, agentId: string, info: AgentInfo): Result<boolean> {
  if (state.admitted.has(agentId)) return ok(false);
  if (state.gone.has(agentId)) return refuseGone(agentId);
  const isDeactivated = state.unreachable.get(agentId)?.isDeactivated ?? false;
  state.unreachable.delete(agentId);
  state.admitted.set(agentId, { info, isDeactivated });
  return ok(true);
}

function remove(state: RegistryState, agentId: string): Result<boolean> {
  return state.admitted.delete(agentId) ? ok(true) : refuseUnknown(agentId, "admitted");
}

function markGone(state: RegistryState, agentId: string, atMs: number): Result<boolean> {
  if (state.gone.has(agentId)) {
    return refuse("conflict", `agent ${agentId} is already gone`, "agentId");
  }
  const wasKnown = state.admitted.delete(agentId) || state.unreachable.delete(agentId);
  if (!wasKnown) return refuseUnknown(agentId, "admitted or unreachable");
  state.gone.set(agentId, { sinceMs: atMs });
  return ok(true);
}

/** Differs from Mesos: exactly the listed ids go, where its `DeleteSubrange(i, i + 1)` takes more. */
function prune(
  state: RegistryState,
  unreachableIds: readonly string[],
  goneIds: readonly string[],
): Result<boolean> {
  const sizeBefore = state.unreachable.size + state.gone.size;
  for (const agentId of unreachableIds) state.unreachable.delete(agentId);
  for (const agentId of goneIds) state.gone.delete(agentId);
  return ok(state.unreachable.size + state.gone.size < sizeBefore);
}

function withAgentId(info: AgentInfo, work: (agentId: string) => Result<boolean>): Result<boolean> {
  if (info.id === undefined) {
    return refuse("invalid", "the agent has no id; the master gives it one before", "info.id");
  }
  return work(info.id.value);
}

function refuseUnknown(agentId: string, list: string): Result<boolean> {
  return refuse("notFound", `agent ${agentId} is not ${list}`, "agentId");
}

function refuseGone(agentId: string): Result<boolean> {
  return refuse(
    "conflict",
    `agent ${agentId} is gone for good; start it anew without its id`,
    "info.id",
  );
}
