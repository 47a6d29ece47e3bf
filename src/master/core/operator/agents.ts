/** Draining, deactivating, reactivating and writing off agents. Source: semantics 2.6, 2.7. */

import { type AgentId, brand } from "../../../base/ids.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import type {
  DrainConfig,
  GoogleDuration,
  MasterCallDrainAgent,
} from "../../../protocol/v1/types.ts";
import { changeAgent } from "../agent-changes.ts";
import { agentGone } from "../agent-loss.ts";
import { command } from "../commands.ts";
import type { MasterContext } from "../context.ts";
import { rescindOffersOfAgent } from "../offers.ts";
import { type AgentEntry, isAgentActive } from "../state.ts";
import { checkDrained, writeOff } from "./drained.ts";
import { isInSchedule } from "./machines.ts";
import { type OperatorRequest, settleAgent } from "./settle.ts";

/** Refusals: `invalid` for an unknown agent, or one that cannot drain; `conflict` while it goes. */
export function drain(
  ctx: MasterContext,
  { agent_id, max_grace_period: grace, mark_gone }: MasterCallDrainAgent,
  { requestId }: OperatorRequest,
): Result<void> | "later" {
  const agentId = brand<AgentId>(agent_id.value);
  const fault = faultOfAgent(ctx, agentId) ?? faultOfGrace(grace);
  if (fault !== undefined) return fault;
  const agent = ctx.state.agents.get(agentId);
  if (agent !== undefined) {
    if (!agent.capabilities.some(({ type }) => type === "AGENT_DRAINING")) {
      return refuse("invalid", `Agent ${agentId} is not capable of draining`);
    }
    if (isInSchedule(ctx, agent)) {
      return refuse("invalid", `Agent ${agentId} is part of a maintenance schedule`);
    }
  }
  const config: DrainConfig = {
    ...(grace !== undefined && { max_grace_period: { nanoseconds: nanosecondsOf(grace) } }),
    mark_gone: mark_gone ?? false,
  };
  const operation = { kind: "drainAgent", agentId, config } as const;
  return settleAgent(ctx, operation, requestId, { kind: "drain", agentId, config });
}

export function deactivate(
  ctx: MasterContext,
  id: string,
  { requestId }: OperatorRequest,
): Result<void> | "later" {
  const agentId = brand<AgentId>(id);
  const fault = faultOfAgent(ctx, agentId);
  if (fault !== undefined) return fault;
  const operation = { kind: "deactivateAgent", agentId } as const;
  return settleAgent(ctx, operation, requestId, { kind: "deactivate", agentId });
}

/** Refusals: `invalid` for an agent that is not deactivated, or still drains. */
export function reactivate(
  ctx: MasterContext,
  id: string,
  { requestId }: OperatorRequest,
): Result<void> | "later" {
  const agentId = brand<AgentId>(id);
  const fault = faultOfAgent(ctx, agentId);
  if (fault !== undefined) return fault;
  const { isDeactivated, drain: info } = policyOf(ctx, agentId) ?? {};
  if (isDeactivated !== true) return refuse("invalid", "Agent is not deactivated");
  if (info?.state === "DRAINING") {
    return refuse("invalid", "Agent is still in the DRAINING state; wait until it is DRAINED");
  }
  const operation = { kind: "reactivateAgent", agentId } as const;
  return settleAgent(ctx, operation, requestId, { kind: "reactivate", agentId });
}

/** For good. Refusals: `notFound`; `notReady` while another change of the agent is under way. */
export function markGone(
  ctx: MasterContext,
  id: string,
  { requestId }: OperatorRequest,
): Result<void> | "later" {
  const agentId = brand<AgentId>(id);
  const { state } = ctx;
  if (state.goneAgents.has(agentId)) return ok(undefined);
  if (policyOf(ctx, agentId) === undefined) {
    return refuse("notFound", `Agent '${agentId}' not found`, "mark_agent_gone.agent_id");
  }
  if (state.transitions.has(agentId)) {
    return refuse("notReady", `Agent '${agentId}' is being removed or marked; try again later`);
  }
  return writeOff(ctx, agentId, requestId);
}

/** Durable: memory follows, the agent is told. */
export function agentChanged(
  ctx: MasterContext,
  cause:
    | { readonly kind: "drain"; readonly agentId: AgentId; readonly config: DrainConfig }
    | { readonly kind: "drained" | "deactivate" | "reactivate"; readonly agentId: AgentId }
    | { readonly kind: "gone"; readonly agentId: AgentId; readonly atMs: number },
): void {
  const { agentId } = cause;
  const agent = ctx.state.agents.get(agentId);
  switch (cause.kind) {
    case "drain":
      setPolicy(ctx, agentId, true, { state: "DRAINING", config: cause.config });
      if (agent === undefined) return;
      command(ctx, agent, { kind: "drain", config: cause.config });
      checkDrained(ctx, agent);
      return;
    case "drained": {
      const info = policyOf(ctx, agentId)?.drain;
      if (info !== undefined) setPolicy(ctx, agentId, true, { ...info, state: "DRAINED" });
      if (agent !== undefined) checkDrained(ctx, agent);
      return;
    }
    case "deactivate":
      setPolicy(ctx, agentId, true, policyOf(ctx, agentId)?.drain);
      return;
    case "reactivate":
      setPolicy(ctx, agentId, false, undefined);
      if (agent !== undefined) command(ctx, agent, { kind: "drain", config: undefined });
      return;
    case "gone":
      agentGone(ctx, agentId, cause.atMs);
      return;
  }
}

function faultOfAgent(ctx: MasterContext, agentId: AgentId): Result<void> | undefined {
  if (policyOf(ctx, agentId) === undefined) {
    return refuse("invalid", `Unknown agent ${agentId}; \`allot agents\` lists them`, "agent_id");
  }
  const isGoing = ctx.state.transitions.get(agentId)?.kind === "markingGone";
  return isGoing ? refuse("conflict", `Agent ${agentId} is being marked gone`) : undefined;
}

function policyOf(
  { state }: MasterContext,
  agentId: AgentId,
): Pick<AgentEntry, "isDeactivated" | "drain"> | undefined {
  const { agents, recoveredAgents, unreachableAgents } = state;
  const entry =
    agents.get(agentId) ?? recoveredAgents.get(agentId) ?? unreachableAgents.get(agentId);
  return entry === undefined
    ? undefined
    : { isDeactivated: entry.isDeactivated, drain: entry.drain };
}

function setPolicy(
  ctx: MasterContext,
  agentId: AgentId,
  isDeactivated: boolean,
  info: AgentEntry["drain"],
): void {
  const { agents, recoveredAgents, unreachableAgents } = ctx.state;
  const agent = agents.get(agentId);
  if (agent !== undefined) {
    if (info === undefined) agent.drainStartedMs = undefined;
    else agent.drainStartedMs ??= ctx.nowMs;
    changeAgent(ctx.state, agent, () => {
      agent.isDeactivated = isDeactivated;
    });
    agent.drain = info;
    if (agent.linkId === undefined) return;
    if (!isDeactivated) {
      // An agent that is leaving meanwhile is not offered any more.
      if (isAgentActive(ctx.state, agent)) ctx.allocator.activateAgent(agentId);
      return;
    }
    ctx.allocator.deactivateAgent(agentId);
    rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
    return;
  }
  const recovered = recoveredAgents.get(agentId);
  if (recovered !== undefined) {
    recoveredAgents.set(agentId, { ...recovered, isDeactivated, drain: info });
  }
  const unreachable = unreachableAgents.get(agentId);
  if (unreachable !== undefined) {
    unreachableAgents.set(agentId, { ...unreachable, isDeactivated, drain: info });
  }
}

/** Longest that the nanoseconds of the drain's settings can tell, seconds; 292 years. */
const GRACE_SECONDS_MAX = 9_223_372_036;

function faultOfGrace(grace: GoogleDuration | undefined): Result<void> | undefined {
  const { seconds = 0, nanos = 0 } = grace ?? {};
  const isSound = seconds >= 0 && seconds <= GRACE_SECONDS_MAX && nanos >= 0 && nanos < 1e9;
  if (isSound) return undefined;
  const field = "drain_agent.max_grace_period";
  const range = `0 to ${GRACE_SECONDS_MAX} seconds and 0 to 999999999 nanos`;
  return refuse("invalid", `Expecting '${field}' to be ${range}`, field);
}

function nanosecondsOf({ seconds, nanos }: GoogleDuration): number {
  return (seconds ?? 0) * 1e9 + (nanos ?? 0);
}
