/** What an agent hears of its registration. Source: semantics 2.3. */
import { must } from "../../base/assert.ts";
import { log, type MasterContext } from "./context.ts";
import type { AgentEntry, LinkEntry } from "./state.ts";

/** The agent may act from here on. */
export function welcome(
  ctx: MasterContext,
  agent: AgentEntry,
  { isReregistration }: { readonly isReregistration: boolean },
): void {
  const { agentPingTimeoutMs, maxAgentPingTimeouts } = ctx.options;
  log(ctx, "info", "agent registered", { agentId: agent.id, isReregistration });
  ctx.effects.push({
    kind: "send",
    linkId: must(agent.linkId, "link of a registered agent"),
    message: {
      kind: "registered",
      agentId: agent.id,
      totalPingTimeoutMs: agentPingTimeoutMs * maxAgentPingTimeouts,
      isReregistration,
    },
  });
}

/** The agent may try again once the reason is gone. */
export function refuse(ctx: MasterContext, link: LinkEntry, message: string): void {
  log(ctx, "warning", "refused an agent", { remoteIp: link.remoteIp, why: message });
  ctx.effects.push({ kind: "send", linkId: link.id, message: { kind: "refused", message } });
}

/** The agent must end and never come back under its id. */
export function shutDown(ctx: MasterContext, link: LinkEntry, message: string): void {
  log(ctx, "warning", "shut an agent down", { remoteIp: link.remoteIp, why: message });
  ctx.effects.push({ kind: "send", linkId: link.id, message: { kind: "shutdown", message } });
}
