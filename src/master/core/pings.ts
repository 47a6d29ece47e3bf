/**
 * Health of agents: one ping each period, a silent agent becomes unreachable after so many. A
 * disconnected agent cannot answer, so it goes the same way unless it returns.
 * Source: semantics 2.5; reference/flags.md agent_ping_timeout, max_agent_ping_timeouts.
 */
import type { AgentId } from "../../base/ids.ts";
import { type MasterContext, setTimer } from "./context.ts";
import type { AgentEntry } from "./state.ts";
import { becomeUnreachable, staysReachable } from "./unreachable.ts";

/** First ping of a registered agent; the others follow by timer. */
export function startPinging(ctx: MasterContext, agent: AgentEntry): void {
  agent.missedPongs = 0;
  ping(ctx, agent);
}

/** The period of a ping ended. */
export function pingTimedOut(ctx: MasterContext, agentId: AgentId): void {
  const agent = ctx.state.agents.get(agentId);
  if (agent === undefined) return;
  if (agent.isPongOutstanding) agent.missedPongs += 1;
  if (agent.missedPongs >= ctx.options.maxAgentPingTimeouts) {
    becomeUnreachable(ctx, [agent.id], "health check timed out");
  }
  ping(ctx, agent);
}

/** Any pong counts, even a late one: the agent lives. */
export function pong(ctx: MasterContext, agent: AgentEntry): void {
  staysReachable(ctx, agent.id);
  agent.isPongOutstanding = false;
  agent.missedPongs = 0;
}

function ping(ctx: MasterContext, agent: AgentEntry): void {
  agent.pingNumber += 1;
  agent.isPongOutstanding = true;
  if (agent.linkId !== undefined) {
    ctx.effects.push({
      kind: "send",
      linkId: agent.linkId,
      message: { kind: "ping", number: agent.pingNumber, connected: true },
    });
  }
  setTimer(ctx, { kind: "ping", agentId: agent.id }, ctx.options.agentPingTimeoutMs);
}
