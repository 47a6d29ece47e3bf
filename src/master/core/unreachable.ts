/**
 * Which agents become unreachable, and when: at once, or one by one at the pace of
 * `--agent_removal_rate_limit`, so that a broken switch does not cost a whole cluster its tasks. An
 * agent that is heard of while it waits for its turn stays.
 * Source: semantics 1.7, 2.5.
 */
import type { AgentId } from "../../base/ids.ts";
import { markUnreachable } from "./agent-loss.ts";
import { log, type MasterContext, setTimer } from "./context.ts";

/** Why agents that the registry has admitted become unreachable. */
export const NEVER_BACK = "agent did not reregister after master failover";

/** The agents were silent for too long. Those that are on their way already are left alone. */
export function becomeUnreachable(
  ctx: MasterContext,
  agentIds: readonly AgentId[],
  cause: string,
): void {
  const { transitions, removals } = ctx.state;
  const ids = agentIds.filter((id) => !transitions.has(id) && !removals.waiting.has(id));
  if (ids.length === 0) return;
  ctx.counters.count("master/slave_unreachable_scheduled", ids.length);
  if (ctx.options.agentRemovalIntervalMs === undefined) {
    markUnreachable(ctx, ids, cause);
    return;
  }
  for (const id of ids) removals.waiting.set(id, cause);
  nextRemoval(ctx);
}

/** The agent was heard of: its turn, should it be waiting for one, never comes. */
export function staysReachable(ctx: MasterContext, agentId: AgentId): void {
  if (!ctx.state.removals.waiting.delete(agentId)) return;
  ctx.counters.count("master/slave_unreachable_canceled");
  log(ctx, "info", "agent stays: it was heard of before its turn to be removed", { agentId });
}

/** Lets those go whose turn has come. */
export function nextRemoval(ctx: MasterContext): void {
  const { removals, agents, recoveredAgents, transitions } = ctx.state;
  const intervalMs = ctx.options.agentRemovalIntervalMs ?? 0;
  for (const [agentId, cause] of removals.waiting) {
    if (removals.nextMs > ctx.nowMs) {
      setTimer(ctx, { kind: "removal" }, removals.nextMs - ctx.nowMs);
      return;
    }
    removals.waiting.delete(agentId);
    const isKnown = agents.has(agentId) || recoveredAgents.has(agentId);
    if (!isKnown || transitions.has(agentId)) continue;
    removals.nextMs = ctx.nowMs + intervalMs;
    markUnreachable(ctx, [agentId], cause);
  }
}
