/**
 * Health of agents: one ping each period, a silent agent becomes unreachable after so many. A
 * disconnected agent cannot answer, so it goes the same way unless it returns. One timer serves all
 * agents: their periods are equal, so `state.pings` is in the order in which they end.
 * Source: semantics 2.5; reference/flags.md agent_ping_timeout, max_agent_ping_timeouts.
 */
import { type MasterContext, setTimer } from "./context.ts";
import { PINGS_PER_STEP_MAX, RECONNECT_SPREAD_MS_MAX, RECONNECTIONS_PER_SECOND } from "./limits.ts";
import type { AgentEntry, MasterState } from "./state.ts";
import { becomeUnreachable, staysReachable } from "./unreachable.ts";

/** Over how long the agents come back when all lose their links at once. Source: DESIGN §6. */
export function reconnectSpreadMs({ agents, recoveredAgents }: MasterState): number {
  const count = agents.size + recoveredAgents.size;
  return Math.min(RECONNECT_SPREAD_MS_MAX, Math.ceil((count / RECONNECTIONS_PER_SECOND) * 1000));
}

/** First ping of a registered agent; the others follow by timer. */
export function startPinging(ctx: MasterContext, agent: AgentEntry): void {
  agent.missedPongs = 0;
  ping(ctx, agent);
  if (ctx.state.pings.size === 1) setPingTimer(ctx);
}

/** The periods of some pings ended. */
export function pingsTimedOut(ctx: MasterContext): void {
  for (let count = 0; count < PINGS_PER_STEP_MAX; count += 1) {
    const agent = ctx.state.pings.take(ctx.nowMs);
    if (agent === undefined) break;
    pingTimedOut(ctx, agent);
  }
  setPingTimer(ctx);
}

function pingTimedOut(ctx: MasterContext, agent: AgentEntry): void {
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
      message: {
        kind: "ping",
        number: agent.pingNumber,
        connected: true,
        reconnectSpreadMs: reconnectSpreadMs(ctx.state),
      },
    });
  }
  ctx.state.pings.set(agent, ctx.nowMs + ctx.options.agentPingTimeoutMs);
}

function setPingTimer(ctx: MasterContext): void {
  const endMs = ctx.state.pings.firstMs();
  if (endMs !== undefined) setTimer(ctx, { kind: "ping" }, endMs - ctx.nowMs);
}
