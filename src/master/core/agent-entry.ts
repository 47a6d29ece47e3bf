/** An agent with its books: made from a registration, and changed by reports of its resources. */
import { must } from "../../base/assert.ts";
import { FewMap, FewSet } from "../../base/few.ts";
import { type AgentId, brand } from "../../base/ids.ts";
import type { AgentToMaster, RegisterMessage } from "../../protocol/link-frames.ts";
import type { AgentInfo, AgentInfoCapabilityType } from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { addAgentEntry, changeAgent } from "./agent-changes.ts";
import { adoptOperations, adoptReports } from "./agent-reports.ts";
import {
  countPending,
  faultOfOversubscribed,
  faultOfReport,
  lastCommandOf,
  toldOversubscribed,
  totalOf,
} from "./agent-totals.ts";
import { newCommandQueue } from "./commands.ts";
import { log, type MasterContext, tellOperators } from "./context.ts";
import { rescindOffer, rescindOffersOfAgent } from "./offers.ts";
import { machineOfAgent } from "./operator/machines.ts";
import { countOversubscribed, oversubscribedOf, revocablePart, usedOn } from "./oversubscribed.ts";
import {
  type AgentEntry,
  addressOf,
  isAgentActive,
  type LinkEntry,
  type MasterState,
} from "./state.ts";
import { agentMessage } from "./views/v1.ts";

type ReportedResources = Extract<AgentToMaster, { readonly kind: "resourcesChanged" }>;

/** An agent has more or less than before; offers made on the old sum are void. */
export function resourcesChanged(
  ctx: MasterContext,
  agent: AgentEntry,
  { resources, checkpointedResources }: ReportedResources,
): void {
  const fault = faultOfReport(ctx, resources, checkpointedResources);
  const total = fault === undefined ? totalOf(ctx, resources, checkpointedResources) : undefined;
  total?.add(revocablePart(agent.total));
  // It tells what it has now, and is about to be told of more.
  if (total !== undefined) countPending(ctx, agent, total, 0);
  if (total === undefined || !total.contains(usedOn(ctx, agent))) {
    const why = fault ?? "its tasks use more than that";
    log(ctx, "error", "refused new resources of an agent", { agentId: agent.id, why });
    return;
  }
  rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
  agent.info = { ...agent.info, resources };
  changeAgent(ctx.state, agent, () => {
    agent.total = total;
  });
  ctx.allocator.updateAgent(agent.id, agent.info, total.clone());
}

/** An agent has more or less to oversubscribe; offers of what it had are void. Source: semantics 8.2. */
export function oversubscribedChanged(
  ctx: MasterContext,
  agent: AgentEntry,
  { resources }: Extract<AgentToMaster, { readonly kind: "oversubscribedChanged" }>,
): void {
  const why = faultOfOversubscribed(resources);
  if (why !== undefined) {
    log(ctx, "error", "refused oversubscribed resources of an agent", { agentId: agent.id, why });
    return;
  }
  agent.oversubscribed = toldOversubscribed(ctx, resources);
  countOversubscribed(ctx, agent, () => {
    for (const offerId of [...agent.offers]) {
      const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
      if (!revocablePart(offer.resources).isEmpty()) rescindOffer(ctx, offer);
    }
  });
}

/** The agent takes no tasks for now, or does again: it is not offered meanwhile. Source: DESIGN §9. */
export function shortageTold(
  ctx: MasterContext,
  agent: AgentEntry,
  shortage: string | undefined,
): void {
  if (agent.shortage === shortage) return;
  const wasShort = agent.shortage !== undefined;
  changeAgent(ctx.state, agent, () => {
    agent.shortage = shortage;
  });
  if (wasShort && shortage !== undefined) return;
  const details = { agentId: agent.id, hostname: agent.info.hostname, why: shortage };
  if (shortage === undefined) {
    log(ctx, "info", "an agent takes tasks again", details);
    if (isAgentActive(ctx.state, agent)) ctx.allocator.activateAgent(agent.id);
    return;
  }
  log(ctx, "warning", "an agent takes no tasks for now", details);
  ctx.allocator.deactivateAgent(agent.id);
  rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
}

/**
 * Builds the agent with all it reports, of which `used` is held by tasks and executors. Afterwards it
 * is in memory and in the allocator.
 */
export function addAgent(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  info: AgentInfo,
  used: Bundle,
): AgentEntry {
  const { state } = ctx;
  const id = brand<AgentId>(must(info.id, "id of an agent").value);
  const { isDeactivated = false, drain } =
    state.recoveredAgents.get(id) ?? state.unreachableAgents.get(id) ?? {};
  const agent: AgentEntry = {
    id,
    info,
    version: message.version,
    capabilities: ctx.shared.share(message.capabilities),
    linkId: link.id,
    remoteIp: link.remoteIp,
    isDeactivated,
    shortage: undefined,
    total: totalOf(ctx, info.resources ?? [], message.checkpointedResources),
    oversubscribed: toldOversubscribed(ctx, message.oversubscribedResources),
    used: new FewMap(),
    tasks: new FewSet(),
    executors: new FewMap(),
    offers: new FewSet(),
    frameworks: new FewSet(),
    commands: newCommandQueue(lastCommandOf(ctx, message)),
    operations: new FewMap(),
    registeredMs: ctx.nowMs,
    reregisteredMs: ctx.nowMs,
    pingNumber: 0,
    dueMs: Number.POSITIVE_INFINITY,
    isPongOutstanding: false,
    missedPongs: 0,
    drain,
    drainStartedMs: drain === undefined ? undefined : ctx.nowMs,
    isDrainSettling: false,
    unavailability: undefined,
    inverse: new FewMap(),
  };
  agent.unavailability = machineOfAgent(ctx, agent)?.unavailability;
  agent.total.add(oversubscribedOf(ctx, agent.oversubscribed, used));
  link.agentId = id;
  state.recoveredAgents.delete(id);
  state.unreachableAgents.delete(id);
  addAgentEntry(state, agent);
  rememberAddress(state, agent);
  adoptReports(ctx, agent, message);
  adoptOperations(ctx, agent, message);
  const allocated = new Map(
    [...agent.used].map(([frameworkId, bundle]) => [frameworkId, bundle.clone()]),
  );
  ctx.allocator.addAgent(id, info, agent.total.clone(), allocated, capabilitiesOf(ctx, agent));
  if (isDeactivated) ctx.allocator.deactivateAgent(id);
  return agent;
}

/** Operators hear of an agent once all it reports is in the books. */
export function tellAgentAdded(ctx: MasterContext, agent: AgentEntry): void {
  const added = () => ({ agent: agentMessage(ctx.state, agent) });
  tellOperators(ctx, () => ({ type: "AGENT_ADDED", agent_added: added() }));
}

/** A new agent at the same address replaces this one. */
export function rememberAddress(state: MasterState, agent: AgentEntry): void {
  const address = addressOf(agent.info);
  if (address !== undefined) state.addresses.set(address, agent.id);
}

/** The capabilities' types; unknown ones are left out. One set for all agents that have the same. */
export function capabilitiesOf(
  { shared }: MasterContext,
  { capabilities }: AgentEntry,
): ReadonlySet<AgentInfoCapabilityType> {
  const types = capabilities.flatMap(({ type }) => (type === undefined ? [] : [type]));
  return shared.memo(`capabilities ${types.join()}`, () => new Set(types));
}
