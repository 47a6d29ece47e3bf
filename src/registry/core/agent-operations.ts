/**
 * What may happen to an agent's entry in the registry. See `applyOperation` for the contract.
 * Source: semantics 1.5, 2.7.
 */
import { assert } from "../../base/assert.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { AgentInfo, DrainConfig } from "../../protocol/v1/types.ts";
import type { AdmittedAgent, RegistryState } from "./registry-state.ts";
import { isSameMessage } from "./same-message.ts";

/**
 * Differs from Mesos, which looks only among the admitted: an id in a second list would break the
 * invariant that an agent is in at most one.
 */
export function admitAgent(
  state: RegistryState,
  agentId: string,
  info: AgentInfo,
): Result<boolean> {
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

export function updateAgent(
  state: RegistryState,
  agentId: string,
  info: AgentInfo,
): Result<boolean> {
  const agent = state.admitted.get(agentId);
  if (agent === undefined) return refuseUnknown(agentId, "admitted");
  if (isSameMessage(agent.info, info)) return ok(false);
  state.admitted.set(agentId, { ...agent, info });
  return ok(true);
}

export function markAgentUnreachable(
  state: RegistryState,
  agentId: string,
  atMs: number,
): Result<boolean> {
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
export function markAgentReachable(
  state: RegistryState,
  agentId: string,
  info: AgentInfo,
): Result<boolean> {
  if (state.admitted.has(agentId)) return ok(false);
  if (state.gone.has(agentId)) return refuseGone(agentId);
  const { isDeactivated = false, drain } = state.unreachable.get(agentId) ?? {};
  state.unreachable.delete(agentId);
  state.admitted.set(agentId, { info, isDeactivated, drain });
  return ok(true);
}

export function removeAgent(state: RegistryState, agentId: string): Result<boolean> {
  return state.admitted.delete(agentId) ? ok(true) : refuseUnknown(agentId, "admitted");
}

export function markAgentGone(
  state: RegistryState,
  agentId: string,
  atMs: number,
): Result<boolean> {
  if (state.gone.has(agentId)) {
    return refuse("conflict", `agent ${agentId} is already gone`, "agentId");
  }
  const wasKnown = state.admitted.delete(agentId) || state.unreachable.delete(agentId);
  if (!wasKnown) return refuseUnknown(agentId, "admitted or unreachable");
  state.gone.set(agentId, { sinceMs: atMs });
  return ok(true);
}

/** Differs from Mesos: exactly the listed ids go, where its `DeleteSubrange(i, i + 1)` takes more. */
export function pruneAgents(
  state: RegistryState,
  unreachableIds: readonly string[],
  goneIds: readonly string[],
): Result<boolean> {
  const sizeBefore = state.unreachable.size + state.gone.size;
  for (const agentId of unreachableIds) state.unreachable.delete(agentId);
  for (const agentId of goneIds) state.gone.delete(agentId);
  return ok(state.unreachable.size + state.gone.size < sizeBefore);
}

/** An admitted or unreachable agent shall end what it runs; it is offered no more. */
export function drainAgent(
  state: RegistryState,
  agentId: string,
  config: DrainConfig,
): Result<boolean> {
  return change(state, agentId, (agent) => ({
    ...agent,
    isDeactivated: true,
    drain: { state: "DRAINING", config },
  }));
}

export function markAgentDrained(state: RegistryState, agentId: string): Result<boolean> {
  return change(state, agentId, (agent) => {
    if (agent.drain?.state !== "DRAINING") return undefined;
    return { ...agent, drain: { ...agent.drain, state: "DRAINED" } };
  });
}

export function deactivateAgent(state: RegistryState, agentId: string): Result<boolean> {
  return change(state, agentId, (agent) =>
    agent.isDeactivated ? undefined : { ...agent, isDeactivated: true },
  );
}

/** Offered again; what was said about draining is over. */
export function reactivateAgent(state: RegistryState, agentId: string): Result<boolean> {
  return change(state, agentId, (agent) =>
    agent.isDeactivated ? { ...agent, isDeactivated: false, drain: undefined } : undefined,
  );
}

/** Replaces the entry in place, whichever list it is in; undefined leaves it. */
function change(
  state: RegistryState,
  agentId: string,
  next: (agent: AdmittedAgent) => AdmittedAgent | undefined,
): Result<boolean> {
  const admitted = state.admitted.get(agentId);
  const unreachable = state.unreachable.get(agentId);
  const agent = admitted ?? unreachable;
  if (agent === undefined) return refuseUnknown(agentId, "admitted or unreachable");
  const changed = next(agent);
  if (changed === undefined) return ok(false);
  if (unreachable === undefined) state.admitted.set(agentId, changed);
  else state.unreachable.set(agentId, { ...changed, sinceMs: unreachable.sinceMs });
  return ok(true);
}

/** Runs `work` with the id of the agent, or refuses one that has none. */
export function withAgentId(
  info: AgentInfo,
  work: (agentId: string) => Result<boolean>,
): Result<boolean> {
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
