/** When an agent has become empty as ordered, and writing agents off. Source: semantics 2.6, 2.7. */
import type { AgentId } from "../../../base/ids.ts";
import type { MasterContext } from "../context.ts";
import type { AgentEntry } from "../state.ts";
import { settleAgent } from "./settle.ts";

/** An agent that drains and holds nothing any more is drained, or written off if so ordered. */
export function checkDrained(ctx: MasterContext, agent: AgentEntry): void {
  const isBusy = agent.tasks.size > 0 || agent.operations.size > 0;
  if (!isToSettle(agent) || isBusy || agent.isDrainSettling) return;
  // One that is leaving is asked again if it comes back.
  if (ctx.state.transitions.has(agent.id)) return;
  agent.isDrainSettling = true;
  if (agent.drain?.config.mark_gone === true) {
    writeOff(ctx, agent.id, undefined);
    return;
  }
  const { id: agentId } = agent;
  settleAgent(ctx, { kind: "markAgentDrained", agentId }, undefined, { kind: "drained", agentId });
}

/** One that was drained may have been ordered to be gone while the registry was being told. */
function isToSettle({ drain }: AgentEntry): boolean {
  return drain?.state === "DRAINING" || drain?.config.mark_gone === true;
}

/** Makes it durable that the agent never comes back; nothing of it is offered from now on. */
export function writeOff(
  ctx: MasterContext,
  agentId: AgentId,
  requestId: number | undefined,
): "later" {
  const atMs = ctx.nowMs;
  const operation = { kind: "markAgentGone", agentId, atMs } as const;
  settleAgent(ctx, operation, requestId, { kind: "gone", agentId, atMs });
  const token = ctx.state.nextToken - 1;
  ctx.state.transitions.set(agentId, { kind: "markingGone", token });
  const agent = ctx.state.agents.get(agentId);
  if (agent?.linkId !== undefined) ctx.allocator.deactivateAgent(agentId);
  return "later";
}
