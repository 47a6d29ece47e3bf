/**
 * Links and what comes over them: messages of a registered agent go to their subject, everything
 * else is answered with "register first". Timers about agents and the registry end here as well.
 * Source: semantics 1.6, 2.1, 2.5.
 */
import { must, unreachable } from "../../base/assert.ts";
import { type AgentId, brand, type LinkId } from "../../base/ids.ts";
import type { Result } from "../../base/result.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import { oversubscribedChanged, resourcesChanged, shortageTold } from "./agent-entry.ts";
import {
  disconnectAgent,
  removalCommitted,
  removeAgent,
  unreachableCommitted,
} from "./agent-loss.ts";
import { commandsDone } from "./commands.ts";
import { commit, log, type MasterContext, setTimer } from "./context.ts";
import { operationStatus } from "./operations.ts";
import { operatorCommitted } from "./operator/committed.ts";
import { checkDrained } from "./operator/drained.ts";
import { endIfDown } from "./operator/maintenance.ts";
import { pong } from "./pings.ts";
import { admissionCommitted, register, returnCommitted } from "./registration.ts";
import type { AgentEntry, LinkEntry } from "./state.ts";
import { becomeUnreachable } from "./unreachable.ts";
import { executorExited, executorMessage, statusUpdate } from "./updates.ts";

export function linkOpened(ctx: MasterContext, linkId: LinkId, remoteIp: string): void {
  ctx.state.links.set(linkId, { id: linkId, remoteIp, agentId: undefined, isBeingAdmitted: false });
}

export function linkClosed(ctx: MasterContext, linkId: LinkId): void {
  const link = ctx.state.links.get(linkId);
  if (link === undefined) return;
  ctx.state.links.delete(linkId);
  if (link.agentId === undefined) return;
  const agent = must(ctx.state.agents.get(link.agentId), "agent of a link");
  disconnectAgent(ctx, agent);
}

export function agentMessage(ctx: MasterContext, linkId: LinkId, message: AgentToMaster): void {
  const link = ctx.state.links.get(linkId);
  if (link === undefined || !ctx.state.isRecovered) {
    ctx.counters.count("master/dropped_messages");
    return;
  }
  if (message.kind === "register") {
    register(ctx, link, message);
    return;
  }
  const agent = link.agentId === undefined ? undefined : ctx.state.agents.get(link.agentId);
  if (agent === undefined) refuseStranger(ctx, link, message);
  else dispatch(ctx, agent, message);
}

/** A commit came back. A refused operation leaves the agent as it was. */
export function registryCommitted(
  ctx: MasterContext,
  token: number,
  results: readonly Result<boolean>[],
): void {
  const pending = must(ctx.state.commits.get(token), "commit that came back");
  ctx.state.commits.delete(token);
  for (const result of results) {
    if (!result.ok) log(ctx, "error", "registry operation refused", { why: result.error.message });
  }
  switch (pending.kind) {
    case "admit":
      admissionCommitted(
        ctx,
        pending,
        results.every((result) => result.ok),
      );
      endIfMachineDown(ctx, pending.info.id?.value);
      return;
    case "return":
      returnCommitted(
        ctx,
        pending,
        results.every((result) => result.ok),
      );
      endIfMachineDown(ctx, pending.agentId);
      return;
    case "unreachable":
      unreachableCommitted(ctx, pending);
      return;
    case "remove":
      removalCommitted(ctx, pending.agentId, pending.cause);
      return;
    case "adopted":
    case "discard":
      return;
    case "operator":
      operatorCommitted(ctx, pending, results[0]);
      return;
    case "prune":
      for (const id of pending.operation.unreachable) {
        ctx.state.unreachableAgents.delete(brand(id));
      }
      for (const id of pending.operation.gone) ctx.state.goneAgents.delete(brand(id));
      return;
    default:
      unreachable(pending, "pending commit");
  }
}

/** Its machine may have gone down since it asked to come in. */
function endIfMachineDown(ctx: MasterContext, agentId = ""): void {
  const agent = ctx.state.agents.get(brand<AgentId>(agentId));
  if (agent !== undefined) endIfDown(ctx, agent);
}

/** A disconnected agent did not register again in time. */
export function reregisterTimedOut(ctx: MasterContext, agentId: AgentId): void {
  const agent = ctx.state.agents.get(agentId);
  if (agent === undefined || agent.linkId !== undefined) return;
  const minutes = Math.round(ctx.options.agentReregisterTimeoutMs / 60_000);
  const cause = `agent did not reregister within ${minutes}mins after disconnecting`;
  becomeUnreachable(ctx, [agent.id], cause);
}

/** Forgets unreachable and gone agents that are too old or too many: semantics 1.6 rule 5. */
export function pruneRegistry(ctx: MasterContext): void {
  const { state, options } = ctx;
  setTimer(ctx, { kind: "pruneRegistry" }, options.registryGcIntervalMs);
  const busy = (id: AgentId): boolean => state.transitions.has(id);
  const operation = {
    kind: "prune",
    unreachable: outdated(ctx, state.unreachableAgents).filter((id) => !busy(id)),
    gone: outdated(ctx, state.goneAgents),
  } as const;
  if (operation.unreachable.length + operation.gone.length === 0) return;
  commit(ctx, [operation], { kind: "prune", operation });
}

function outdated(
  ctx: MasterContext,
  agents: ReadonlyMap<AgentId, { readonly sinceMs: number }>,
): AgentId[] {
  const { registryMaxAgentAgeMs, registryMaxAgentCount } = ctx.options;
  const ids: AgentId[] = [];
  let surplus = agents.size - registryMaxAgentCount;
  for (const [id, { sinceMs }] of agents) {
    if (surplus > 0 || ctx.nowMs - sinceMs > registryMaxAgentAgeMs) ids.push(id);
    surplus -= 1;
  }
  return ids;
}

function dispatch(
  ctx: MasterContext,
  agent: AgentEntry,
  message: Exclude<AgentToMaster, { readonly kind: "register" }>,
): void {
  switch (message.kind) {
    case "commandDone":
      commandsDone(agent.commands, message.number);
      return;
    case "statusUpdate":
      statusUpdate(ctx, agent, message);
      return;
    case "executorExited":
      executorExited(ctx, agent, message);
      return;
    case "executorMessage":
      executorMessage(ctx, agent, message);
      return;
    case "resourcesChanged":
      ctx.counters.count("master/messages_update_slave");
      resourcesChanged(ctx, agent, message);
      return;
    case "oversubscribedChanged":
      ctx.counters.count("master/messages_update_slave");
      oversubscribedChanged(ctx, agent, message);
      return;
    case "operationStatus":
      operationStatus(ctx, agent, message);
      checkDrained(ctx, agent);
      return;
    case "pong":
      pong(ctx, agent);
      shortageTold(ctx, agent, message.shortage);
      return;
    case "unregister":
      ctx.counters.count("master/messages_unregister_slave");
      ctx.counters.count("master/slave_removals/reason_unregistered");
      removeAgent(ctx, agent, "the agent unregistered");
      return;
    default:
      unreachable(message, "agent message");
  }
}

/** The agent believes it is registered and is not: a ping says so. */
function refuseStranger(ctx: MasterContext, link: LinkEntry, message: AgentToMaster): void {
  ctx.counters.count("master/dropped_messages");
  // Answering its pongs as well would go on for ever.
  if (message.kind === "pong") return;
  const { id: linkId } = link;
  ctx.effects.push({
    kind: "send",
    linkId,
    message: { kind: "ping", number: 0, connected: false },
  });
}
