/**
 * A registered agent comes back: one this master has in memory, or one it knows from its registry or
 * not at all. Source: semantics 2.3, 2.4.
 */
import { must } from "../../base/assert.ts";
import { type AgentId, brand, type LinkId } from "../../base/ids.ts";
import type { RegisterMessage } from "../../protocol/link-frames.ts";
import type { AgentInfo } from "../../protocol/v1/types.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { changeAgent } from "./agent-changes.ts";
import { addAgent, capabilitiesOf, rememberAddress, tellAgentAdded } from "./agent-entry.ts";
import { disconnectAgent, forgetAddress } from "./agent-loss.ts";
import {
  adoptOperations,
  endUnexpected,
  reconcileKnown,
  settleFrameworks,
  settleUnreported,
} from "./agent-reports.ts";
import {
  lastCommandOf,
  reportedUse,
  toldOversubscribed,
  totalAfterPending,
  totalOf,
} from "./agent-totals.ts";
import { command, resendCommands, settleCommands } from "./commands.ts";
import { cancelTimer, type MasterContext } from "./context.ts";
import { sendInverseOffersSoon } from "./inverse-offers.ts";
import { rescindOffersOfAgent } from "./offers.ts";
import { checkDrained } from "./operator/drained.ts";
import { machineOfAgent } from "./operator/machines.ts";
import { lastingPart, usedOn } from "./oversubscribed.ts";
import { startPinging } from "./pings.ts";
import { refuse, welcome } from "./registration-answers.ts";
import type { AgentEntry, LinkEntry } from "./state.ts";
import { masterStatus, sendStatus } from "./tasks.ts";

/** It was in memory all the time: what it reports is settled with what the master knows. */
export function returnKnown(
  ctx: MasterContext,
  link: LinkEntry,
  agent: AgentEntry,
  message: RegisterMessage,
  info: AgentInfo,
): void {
  let total = totalAfterPending(ctx, agent, message);
  if (!total.contains(usedOn(ctx, agent))) {
    refuse(ctx, link, `Agent ${agent.id} has less than its tasks use; give it back what it had`);
    return;
  }
  if (agent.linkId === link.id) rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
  else if (agent.linkId !== undefined) {
    replaceLink(ctx, agent, agent.linkId);
    // Frameworks that do not checkpoint have lost what they held.
    total = totalAfterPending(ctx, agent, message);
  }
  const isAble = isSameMessage(agent.capabilities, message.capabilities);
  agent.capabilities = ctx.shared.share(message.capabilities);
  if (!isAble || !isSameMessage(agent.info, info) || !agent.total.equals(total)) {
    forgetAddress(ctx.state, agent);
    agent.info = info;
    rememberAddress(ctx.state, agent);
    changeAgent(ctx.state, agent, () => {
      agent.total = total;
    });
    ctx.allocator.updateAgent(agent.id, info, total.clone(), capabilitiesOf(ctx, agent));
  }
  agent.oversubscribed = toldOversubscribed(ctx, message.oversubscribedResources);
  agent.version = message.version;
  changeAgent(ctx.state, agent, () => {
    agent.linkId = link.id;
    // Its next pong tells.
    agent.shortage = undefined;
  });
  if (agent.remoteIp !== link.remoteIp) {
    // Differs from Mesos, which shuts such an agent down and its tasks with it.
    agent.remoteIp = link.remoteIp;
    // Plans may name machines by their addresses.
    agent.unavailability = machineOfAgent(ctx, agent)?.unavailability;
  }
  agent.reregisteredMs = ctx.nowMs;
  link.agentId = agent.id;
  cancelTimer(ctx, { kind: "reregister", agentId: agent.id });
  welcome(ctx, agent, { isReregistration: true });
  settleCommands(agent.commands, lastCommandOf(ctx, message));
  endUnexpected(ctx, agent, message);
  reconcileKnown(ctx, agent, message);
  adoptOperations(ctx, agent, message);
  resendCommands(ctx, agent);
  settleFrameworks(ctx, agent, message);
  if (agent.unavailability !== undefined) sendInverseOffersSoon(ctx);
  if (!agent.isDeactivated) ctx.allocator.activateAgent(agent.id);
  resumeDrain(ctx, agent, message);
  startPinging(ctx, agent);
}

/** It was recovered from the registry, unreachable or unknown: its entry is made of what it reports. */
export function returnStranger(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  info: AgentInfo,
): void {
  const agentId = brand<AgentId>(must(info.id, "id of a returning agent").value);
  const { state } = ctx;
  const total = totalOf(ctx, info.resources ?? [], message.checkpointedResources);
  const reported = reportedUse(ctx, message);
  if (!reported.ok) {
    const why = reported.error.message;
    refuse(ctx, link, `What agent ${agentId} tells of its tasks is not valid: ${why}`);
    return;
  }
  const used = reported.value;
  if (!total.contains(lastingPart(used))) {
    refuse(ctx, link, `Agent ${agentId} has less than its tasks use; give it back what it had`);
    return;
  }
  const isRecovered = state.recoveredAgents.has(agentId);
  const wasUnreachable = state.unreachableAgents.has(agentId);
  const agent = addAgent(ctx, link, message, info, used);
  welcome(ctx, agent, { isReregistration: true });
  settleFrameworks(ctx, agent, message);
  if (agent.unavailability !== undefined) sendInverseOffersSoon(ctx);
  // Of an agent that comes back after a failover nothing was given up, and all come at once then.
  if (!isRecovered) settleUnreported(ctx, agent, message);
  tellAgentAdded(ctx, agent);
  if (!isRecovered) announceReturn(ctx, agent, wasUnreachable);
  resumeDrain(ctx, agent, message);
  startPinging(ctx, agent);
}

/** The newer of two links counts; the older one is as good as broken. */
function replaceLink(ctx: MasterContext, agent: AgentEntry, old: LinkId): void {
  disconnectAgent(ctx, agent);
  ctx.effects.push({ kind: "closeLink", linkId: old, reason: "replaced by a newer link" });
}

/** An agent that came back may never have heard that it shall drain, or that it need not any more. */
function resumeDrain(ctx: MasterContext, agent: AgentEntry, { isDraining }: RegisterMessage): void {
  if (agent.drain === undefined) {
    if (isDraining === true) command(ctx, agent, { kind: "drain", config: undefined });
    return;
  }
  command(ctx, agent, { kind: "drain", config: agent.drain.config });
  checkDrained(ctx, agent);
}

/** Frameworks sees its tasks again (semantics 2.4); recovered agents never were away for them. */
function announceReturn(ctx: MasterContext, agent: AgentEntry, wasUnreachable: boolean): void {
  const message = wasUnreachable
    ? "Unreachable agent re-reregistered"
    : "Unknown agent reregistered";
  for (const task of agent.tasks) {
    const framework = must(ctx.state.frameworks.get(task.frameworkId), "framework of a task");
    if (task.isDuplicate) continue;
    framework.unreachableTasks.delete(task.id);
    const status = masterStatus(ctx, {
      taskId: task.id,
      agentId: agent.id,
      executorId: task.executorId,
      state: task.state,
      reason: "REASON_AGENT_REREGISTERED",
      message,
    });
    sendStatus(ctx, framework, status);
  }
}
