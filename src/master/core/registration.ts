/**
 * Agents come in: first registration, return of a known one, and of one that was recovered from the
 * registry, unreachable or forgotten. The registry has an agent before it hears that it is
 * registered. Source: semantics 2.3, 2.4.
 */
import { must } from "../../base/assert.ts";
import { type AgentId, brand } from "../../base/ids.ts";
import type { RegisterMessage } from "../../protocol/link-frames.ts";
import type { AgentInfo } from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import type { RegistryOperation } from "../../registry/core/registry-state.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { addAgent, tellAgentAdded } from "./agent-entry.ts";
import { removalCommitted } from "./agent-loss.ts";
import { returnKnown, returnStranger } from "./agent-return.ts";
import { faultOfReport } from "./agent-totals.ts";
import { commit, type MasterContext } from "./context.ts";
import { keptAgentInfo } from "./kept-messages.ts";
import { machineOf } from "./operator/machines.ts";
import { startPinging } from "./pings.ts";
import { refuse, shutDown, welcome } from "./registration-answers.ts";
import { emptyBundle } from "./resource-forms.ts";
import { addressOf, type LinkEntry, type PendingCommit } from "./state.ts";
import { becomeUnreachable, NEVER_BACK, staysReachable } from "./unreachable.ts";

type Pending<Kind extends PendingCommit["kind"]> = Extract<PendingCommit, { readonly kind: Kind }>;

/** Handles a registration of any kind; the answer may have to wait for the registry. */
export function register(ctx: MasterContext, link: LinkEntry, message: RegisterMessage): void {
  const fault = faultOfMessage(ctx, message);
  if (fault !== undefined) {
    refuse(ctx, link, fault);
    return;
  }
  const { hostname } = message.agentInfo;
  if (machineOf(ctx, { hostname, ip: link.remoteIp })?.mode === "DOWN") {
    shutDown(ctx, link, "Machine is `DOWN`");
    return;
  }
  const id = message.agentInfo.id?.value;
  if (id === undefined) registerNew(ctx, link, message);
  else registerAgain(ctx, link, message, brand<AgentId>(id));
}

/** The registry has a new agent. */
export function admissionCommitted(
  ctx: MasterContext,
  pending: Pending<"admit">,
  isOk: boolean,
): void {
  const agentId = brand<AgentId>(must(pending.info.id, "id of an admitted agent").value);
  if (pending.replacedId !== undefined) {
    ctx.counters.count("master/slave_removals/reason_registered");
    removalCommitted(ctx, pending.replacedId, "replaced by a new agent at the same address");
  }
  const link = ctx.state.links.get(pending.linkId);
  if (link !== undefined) link.isBeingAdmitted = false;
  if (link === undefined || link.agentId !== undefined || !isOk) {
    // Nobody ever heard of this id, and nobody will.
    commit(ctx, [{ kind: "removeAgent", agentId }], { kind: "discard", agentId });
    return;
  }
  ctx.counters.count("master/slave_registrations");
  // An agent without an id has nothing of ours, whatever it says.
  const message = {
    ...pending.message,
    frameworks: [],
    executors: [],
    tasks: [],
    operations: [],
    checkpointedResources: [],
  };
  const agent = addAgent(ctx, link, message, pending.info, emptyBundle(ctx.kinds));
  agent.reregisteredMs = undefined;
  tellAgentAdded(ctx, agent);
  welcome(ctx, agent, { isReregistration: false });
  startPinging(ctx, agent);
}

/** The registry has a returned agent as admitted, with its newest info. */
export function returnCommitted(
  ctx: MasterContext,
  pending: Pending<"return">,
  isOk: boolean,
): void {
  ctx.state.transitions.delete(pending.agentId);
  finishReturn(ctx, pending, isOk);
  giveUpLate(ctx, pending.agentId);
}

function finishReturn(ctx: MasterContext, pending: Pending<"return">, isOk: boolean): void {
  const later = pending.superseded;
  const link = ctx.state.links.get(later?.linkId ?? pending.linkId);
  if (!isOk) {
    if (link !== undefined) refuse(ctx, link, `Agent ${pending.agentId} could not be admitted`);
    return;
  }
  // Gone again: memory keeps the agent as it was, and its next registration finds no change to make.
  if (link === undefined) return;
  if (later === undefined) completeReturn(ctx, link, pending.message, pending.info);
  else register(ctx, link, later.message);
}

/** It was not missed when the time was up, since it was on its way back, and has not come after all. */
function giveUpLate(ctx: MasterContext, agentId: AgentId): void {
  const { startedMs, recoveredAgents } = ctx.state;
  const isLate = ctx.nowMs - startedMs >= ctx.options.agentReregisterTimeoutMs;
  if (isLate && recoveredAgents.has(agentId)) becomeUnreachable(ctx, [agentId], NEVER_BACK);
}

function registerNew(ctx: MasterContext, link: LinkEntry, message: RegisterMessage): void {
  ctx.counters.count("master/messages_register_slave");
  if (link.agentId !== undefined) {
    const known = must(ctx.state.agents.get(link.agentId), "agent of a link");
    welcome(ctx, known, { isReregistration: false });
    return;
  }
  if (link.isBeingAdmitted) return;
  link.isBeingAdmitted = true;
  const agentId = brand<AgentId>(`${ctx.options.info.id}-S${ctx.state.nextAgent++}`);
  const info = keptAgentInfo(ctx, { ...message.agentInfo, id: { value: agentId } });
  const replacedId = replacedAgent(ctx, link, info);
  const operations: RegistryOperation[] = [{ kind: "admitAgent", info }];
  if (replacedId !== undefined) operations.unshift({ kind: "removeAgent", agentId: replacedId });
  const token = commit(ctx, operations, {
    kind: "admit",
    linkId: link.id,
    message,
    info,
    replacedId,
  });
  if (replacedId === undefined) return;
  ctx.state.transitions.set(replacedId, { kind: "removing", token });
  ctx.allocator.deactivateAgent(replacedId);
}

/**
 * An agent that lost its memory, or never heard its id, comes anew from the address of one we have.
 * Only one process can listen there, so the old one is over even if its link seems open still.
 */
function replacedAgent(ctx: MasterContext, link: LinkEntry, info: AgentInfo): AgentId | undefined {
  const { state } = ctx;
  const agentId = state.addresses.get(addressOf(info) ?? "");
  const agent = agentId === undefined ? undefined : state.agents.get(agentId);
  if (agent === undefined) return undefined;
  const isSame = agent.remoteIp === link.remoteIp && !state.transitions.has(agent.id);
  return isSame ? agent.id : undefined;
}

function registerAgain(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  agentId: AgentId,
): void {
  const { state } = ctx;
  ctx.counters.count("master/messages_reregister_slave");
  if (state.goneAgents.has(agentId)) {
    shutDown(ctx, link, "Agent has been marked gone");
    return;
  }
  if (isAnothers(ctx, link, agentId)) return;
  if (isTransitionInTheWay(ctx, link, message, agentId)) return;
  const info = keptAgentInfo(ctx, message.agentInfo);
  const known = state.agents.get(agentId);
  if (known !== undefined && known.info.hostname !== info.hostname) {
    shutDown(ctx, link, `Agent ${agentId} is known at ${known.info.hostname}`);
    return;
  }
  const admitted = known?.info ?? state.recoveredAgents.get(agentId)?.info;
  if (admitted !== undefined && isSameMessage(admitted, info)) {
    // What the registry holds as well is not held twice.
    completeReturn(ctx, link, message, admitted);
    return;
  }
  const kind = admitted === undefined ? "markAgentReachable" : "updateAgent";
  const token = commit(ctx, [{ kind, info }], {
    kind: "return",
    agentId,
    linkId: link.id,
    message,
    info,
    superseded: undefined,
  });
  state.transitions.set(agentId, { kind: "registering", token });
}

/** A link stands for one agent. */
function isAnothers(ctx: MasterContext, link: LinkEntry, agentId: AgentId): boolean {
  if (link.agentId === undefined || link.agentId === agentId) return false;
  refuse(ctx, link, `This link belongs to agent ${link.agentId}`);
  return true;
}

/** One change of a registry entry at a time; the newest registration is the one that counts. */
function isTransitionInTheWay(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  agentId: AgentId,
): boolean {
  const transition = ctx.state.transitions.get(agentId);
  if (transition === undefined) return false;
  const pending = ctx.state.commits.get(transition.token);
  if (transition.kind === "registering" && pending?.kind === "return") {
    pending.superseded = { linkId: link.id, message };
  } else {
    refuse(ctx, link, `Agent ${agentId} is being removed; register again`);
  }
  return true;
}

/** The registry agrees: the agent is registered from here on. */
function completeReturn(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  info: AgentInfo,
): void {
  const agentId = brand<AgentId>(must(info.id, "id of a returning agent").value);
  // It may have become so while the registry was told.
  if (isAnothers(ctx, link, agentId)) return;
  ctx.counters.count("master/slave_reregistrations");
  const known = ctx.state.agents.get(agentId);
  if (known === undefined) returnStranger(ctx, link, message, info);
  else returnKnown(ctx, link, known, message, info);
  // One that was refused has not come back.
  if (link.agentId === agentId) staysReachable(ctx, agentId);
}

function faultOfMessage(ctx: MasterContext, message: RegisterMessage): string | undefined {
  const { agentInfo: info } = message;
  if (info.hostname === "") return "'agentInfo.hostname' must not be empty";
  if (info.id !== undefined) {
    const checked = validateId(info.id.value, "agentInfo.id");
    if (!checked.ok) return checked.error.message;
  }
  const domain = faultOfDomain(ctx, info);
  if (domain !== undefined) return domain;
  const { checkpointedResources, oversubscribedResources } = message;
  return faultOfReport(ctx, info.resources ?? [], checkpointedResources, oversubscribedResources);
}

/** Where an agent is means something only beside where the master is. Source: semantics 2.3 rule 4. */
function faultOfDomain({ options }: MasterContext, { domain }: AgentInfo): string | undefined {
  if (domain?.fault_domain === undefined) {
    if (!options.isAgentDomainRequired) return undefined;
    return "The master wants a fault domain of each agent; give the agent its --domain";
  }
  if (options.info.domain?.fault_domain !== undefined) return undefined;
  return "The agent has a fault domain and the master has none; give the master its --domain";
}
