/**
 * Agents come in: first registration, return of a known one, and of one that was recovered from the
 * registry, unreachable or forgotten. The registry has an agent before it hears that it is
 * registered. Source: semantics 2.3, 2.4.
 */

import { must } from "../../base/assert.ts";
import {
  type AgentId,
  brand,
  type ExecutorId,
  type FrameworkId,
  type LinkId,
  type TaskId,
} from "../../base/ids.ts";
import type { AgentCommand, AgentToMaster, RegisterMessage } from "../../protocol/link-frames.ts";
import type { AgentInfo, AgentInfoCapabilityType } from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import type { RegistryOperation } from "../../registry/core/registry-state.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { addAgentEntry, changeAgent } from "./agent-changes.ts";
import { disconnectAgent, forgetAddress, removalCommitted } from "./agent-loss.ts";
import {
  faultOfReport,
  lastCommandOf,
  reportedUse,
  totalAfterPending,
  totalOf,
  usedOn,
} from "./agent-totals.ts";
import {
  command,
  isLaunch,
  isPending,
  newCommandQueue,
  resendCommands,
  settleCommands,
} from "./commands.ts";
import { cancelTimer, commit, log, type MasterContext, tellOperators } from "./context.ts";
import { addRecoveredFramework, shutdownFrameworkOn } from "./frameworks.ts";
import { keptAgentInfo } from "./kept-messages.ts";
import { rescindOffersOfAgent } from "./offers.ts";
import { addOperation, forgetOperation, isAcknowledging } from "./operations.ts";
import { checkDrained } from "./operator/drained.ts";
import { machineOf, machineOfAgent } from "./operator/machines.ts";
import { startPinging } from "./pings.ts";
import { reportedResources } from "./resource-forms.ts";
import {
  type AgentEntry,
  addressOf,
  executorKey,
  type FrameworkEntry,
  isPartitionAware,
  type LinkEntry,
  type MasterState,
  type PendingCommit,
} from "./state.ts";
import {
  addExecutor,
  addTask,
  isTerminal,
  masterStatus,
  newTaskEntry,
  removeExecutor,
  sendStatus,
} from "./tasks.ts";
import { staysReachable } from "./unreachable.ts";
import { agentMessage } from "./views/v1.ts";

type ReportedResources = Extract<AgentToMaster, { readonly kind: "resourcesChanged" }>;
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
  if (link === undefined || !isOk) {
    // Nobody ever heard of this id, and nobody will.
    commit(ctx, [{ kind: "removeAgent", agentId }], { kind: "discard", agentId });
    return;
  }
  link.isBeingAdmitted = false;
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
  const agent = addAgent(ctx, link, message, pending.info);
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

/** An agent has more or less than before; offers made on the old sum are void. */
export function resourcesChanged(
  ctx: MasterContext,
  agent: AgentEntry,
  { resources, checkpointedResources }: ReportedResources,
): void {
  const fault = faultOfReport(ctx, resources, checkpointedResources);
  const total = fault === undefined ? totalOf(ctx, resources, checkpointedResources) : undefined;
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
  if (link.agentId !== undefined && link.agentId !== agentId) {
    refuse(ctx, link, `This link belongs to agent ${link.agentId}`);
    return;
  }
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
  ctx.counters.count("master/slave_reregistrations");
  staysReachable(ctx, agentId);
  const known = ctx.state.agents.get(agentId);
  if (known === undefined) returnStranger(ctx, link, message, info);
  else returnKnown(ctx, link, known, message, info);
}

// ---- an agent this master already has ---------------------------------------------------------

function returnKnown(
  ctx: MasterContext,
  link: LinkEntry,
  agent: AgentEntry,
  message: RegisterMessage,
  info: AgentInfo,
): void {
  const total = totalAfterPending(ctx, agent, message);
  if (!total.contains(usedOn(ctx, agent))) {
    refuse(ctx, link, `Agent ${agent.id} has less than its tasks use; give it back what it had`);
    return;
  }
  if (agent.linkId === link.id) rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
  else if (agent.linkId !== undefined) replaceLink(ctx, agent, agent.linkId);
  const isAble = isSameMessage(agent.capabilities, message.capabilities);
  agent.capabilities = ctx.shared.share(message.capabilities);
  if (!isAble || !isSameMessage(agent.info, info) || !agent.total.equals(total)) {
    forgetAddress(ctx.state, agent);
    agent.info = info;
    rememberAddress(ctx.state, agent);
    changeAgent(ctx.state, agent, () => {
      agent.total = total;
    });
    ctx.allocator.updateAgent(agent.id, info, total.clone(), capabilitiesOf(agent));
  }
  agent.version = message.version;
  changeAgent(ctx.state, agent, () => {
    agent.linkId = link.id;
  });
  agent.remoteIp = link.remoteIp;
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
  if (!agent.isDeactivated) ctx.allocator.activateAgent(agent.id);
  resumeDrain(ctx, agent);
  startPinging(ctx, agent);
}

/** The newer of two links counts; the older one is as good as broken. */
function replaceLink(ctx: MasterContext, agent: AgentEntry, old: LinkId): void {
  disconnectAgent(ctx, agent);
  ctx.effects.push({ kind: "closeLink", linkId: old, reason: "replaced by a newer link" });
}

/**
 * What the agent did not report and was not about to be told is unknown to it: it answers for each
 * such task, reliably. Executors it does not have are gone.
 */
function reconcileKnown(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  const reported = new Set(message.tasks.map(({ task }) => keyOf(task.framework_id, task.task_id)));
  const pending = pendingLaunches(agent);
  const missing = [...agent.tasks].filter((task) => {
    const key = `${task.frameworkId}\n${task.id}`;
    return !reported.has(key) && !pending.tasks.has(key);
  });
  const known = new Set(
    message.executors.map(({ frameworkId, executorInfo }) =>
      executorKey(brand(frameworkId), brand(executorInfo.executor_id.value)),
    ),
  );
  for (const [key, executor] of [...agent.executors]) {
    if (known.has(key) || pending.executors.has(key)) continue;
    removeExecutor(ctx, agent, executor, { returnsResources: true });
  }
  if (missing.length === 0) return;
  const tasks = missing.map((task) => {
    const framework = must(ctx.state.frameworks.get(task.frameworkId), "framework of a task");
    return {
      frameworkId: task.frameworkId,
      taskId: task.id,
      isPartitionAware: isPartitionAware(framework),
    };
  });
  enqueue(agent, { kind: "reconcileTasks", tasks });
}

/**
 * Live tasks the master has given up although the agent never went away: the framework was told
 * that they are lost, so they must end, unless the agent is about to hear of that anyway.
 */
function endUnexpected(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  const leaving = new Set<string>();
  for (const order of agent.commands.pending.values()) {
    if (order.kind === "shutdownFramework") leaving.add(order.frameworkId);
  }
  const listed = new Set([...agent.tasks].map((task) => `${task.frameworkId}\n${task.id}`));
  for (const { task } of message.tasks) {
    const framework = ctx.state.frameworks.get(brand(task.framework_id.value));
    if (framework === undefined || leaving.has(framework.id) || isTerminal(task.state)) continue;
    if (listed.has(keyOf(task.framework_id, task.task_id))) continue;
    log(ctx, "warning", "an agent reported a task that was not expected", {
      agentId: agent.id,
      taskId: task.task_id.value,
    });
    enqueue(agent, {
      kind: "killTask",
      frameworkId: framework.id,
      taskId: task.task_id.value,
    });
  }
}

/** Puts a command in the queue of an agent whose queue is about to be sent as a whole. */
function enqueue(agent: AgentEntry, order: AgentCommand): void {
  agent.commands.pending.set(agent.commands.nextNumber++, order);
}

interface Launches {
  readonly tasks: ReadonlySet<string>;
  readonly executors: ReadonlySet<string>;
}

function pendingLaunches(agent: AgentEntry): Launches {
  const tasks = new Set<string>();
  const executors = new Set<string>();
  for (const order of agent.commands.pending.values()) {
    if (!isLaunch(order)) continue;
    const frameworkId = brand<FrameworkId>(order.framework.id?.value ?? "");
    const launched = order.kind === "runTask" ? [order.task] : (order.taskGroup.tasks ?? []);
    for (const task of launched) tasks.add(`${frameworkId}\n${task.task_id.value}`);
    const executor = order.kind === "runTask" ? order.task.executor : order.executor;
    if (executor === undefined || !order.launchesExecutor) continue;
    executors.add(executorKey(frameworkId, brand(executor.executor_id.value)));
  }
  return { tasks, executors };
}

/** An agent that came back may never have heard that it shall drain. */
function resumeDrain(ctx: MasterContext, agent: AgentEntry): void {
  if (agent.drain === undefined) return;
  command(ctx, agent, { kind: "drain", config: agent.drain.config });
  checkDrained(ctx, agent);
}

// ---- an agent this master does not have, or not any more ---------------------------------------

function returnStranger(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  info: AgentInfo,
): void {
  const agentId = brand<AgentId>(must(info.id, "id of a returning agent").value);
  const { state } = ctx;
  const total = totalOf(ctx, info.resources ?? [], message.checkpointedResources);
  if (!total.contains(reportedUse(ctx, message))) {
    refuse(ctx, link, `Agent ${agentId} has less than its tasks use; give it back what it had`);
    return;
  }
  const isRecovered = state.recoveredAgents.has(agentId);
  const wasUnreachable = state.unreachableAgents.has(agentId);
  const agent = addAgent(ctx, link, message, info);
  welcome(ctx, agent, { isReregistration: true });
  settleFrameworks(ctx, agent, message);
  settleUnreported(ctx, agent, message);
  tellAgentAdded(ctx, agent);
  if (!isRecovered) announceReturn(ctx, agent, wasUnreachable);
  resumeDrain(ctx, agent);
  startPinging(ctx, agent);
}

/** Operators hear of an agent once all it reports is in the books. */
function tellAgentAdded(ctx: MasterContext, agent: AgentEntry): void {
  const added = () => ({ agent: agentMessage(ctx.state, agent) });
  tellOperators(ctx, () => ({ type: "AGENT_ADDED", agent_added: added() }));
}

/** Builds the agent with all it reports. Afterwards it is in memory and in the allocator. */
function addAgent(
  ctx: MasterContext,
  link: LinkEntry,
  message: RegisterMessage,
  info: AgentInfo,
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
    total: totalOf(ctx, info.resources ?? [], message.checkpointedResources),
    used: new Map(),
    tasks: new Set(),
    executors: new Map(),
    offers: new Set(),
    frameworks: new Set(),
    commands: newCommandQueue(lastCommandOf(ctx, message)),
    operations: new Map(),
    registeredMs: ctx.nowMs,
    reregisteredMs: ctx.nowMs,
    pingNumber: 0,
    isPongOutstanding: false,
    missedPongs: 0,
    drain,
    drainStartedMs: drain === undefined ? undefined : ctx.nowMs,
    isDrainSettling: false,
    unavailability: undefined,
    inverse: new Map(),
  };
  agent.unavailability = machineOfAgent(ctx, agent)?.unavailability;
  link.agentId = id;
  state.recoveredAgents.delete(id);
  state.unreachableAgents.delete(id);
  addAgentEntry(state, agent);
  rememberAddress(state, agent);
  adoptReports(ctx, agent, message);
  adoptOperations(ctx, agent, message);
  const used = new Map(
    [...agent.used].map(([frameworkId, bundle]) => [frameworkId, bundle.clone()]),
  );
  ctx.allocator.addAgent(id, info, agent.total.clone(), used, capabilitiesOf(agent));
  if (isDeactivated) ctx.allocator.deactivateAgent(id);
  return agent;
}

function adoptReports(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  const { state } = ctx;
  for (const info of message.frameworks) {
    const frameworkId = brand<FrameworkId>(info.id?.value ?? "");
    if (state.completedFrameworks.has(frameworkId)) continue;
    if (!state.frameworks.has(frameworkId)) addRecoveredFramework(ctx, info);
    agent.frameworks.add(frameworkId);
  }
  for (const { frameworkId, executorInfo } of message.executors) {
    const framework = state.frameworks.get(brand(frameworkId));
    const key = executorKey(brand(frameworkId), brand(executorInfo.executor_id.value));
    if (framework === undefined || agent.executors.has(key)) continue;
    addExecutor(ctx, agent, {
      id: brand<ExecutorId>(executorInfo.executor_id.value),
      frameworkId: framework.id,
      agentId: agent.id,
      info: executorInfo,
      resources: reportedResources(ctx, executorInfo.resources ?? [], framework),
    });
  }
  for (const { task } of message.tasks) {
    const framework = state.frameworks.get(brand(task.framework_id.value));
    if (framework !== undefined) adoptTask(ctx, agent, framework, task);
  }
}

function adoptTask(
  ctx: MasterContext,
  agent: AgentEntry,
  framework: FrameworkEntry,
  task: RegisterMessage["tasks"][number]["task"],
): void {
  const other = framework.tasks.get(brand<TaskId>(task.task_id.value));
  if (other?.agentId === agent.id) return;
  const isDuplicate = other !== undefined;
  const resources = reportedResources(ctx, task.resources ?? [], framework);
  const entry = newTaskEntry(ctx, framework, agent, { task, resources, isDuplicate });
  addTask(ctx, framework, agent, entry);
  if (!isDuplicate) return;
  // The framework reused the id while this agent was away; the task it knows is the other one.
  const order = { kind: "killTask", frameworkId: framework.id, taskId: entry.id } as const;
  command(ctx, agent, order);
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

/**
 * Differs from Mesos: tasks that were unreachable and did not come back with their agent are asked
 * for, so that their end is told reliably rather than left open.
 */
function settleUnreported(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  const reported = new Set(message.tasks.map(({ task }) => keyOf(task.framework_id, task.task_id)));
  const tasks: { frameworkId: string; taskId: string; isPartitionAware: boolean }[] = [];
  for (const framework of ctx.state.frameworks.values()) {
    for (const task of framework.unreachableTasks.values()) {
      if (task.agentId !== agent.id || isTerminal(task.state)) continue;
      if (reported.has(`${framework.id}\n${task.id}`)) continue;
      tasks.push({
        frameworkId: framework.id,
        taskId: task.id,
        isPartitionAware: isPartitionAware(framework),
      });
    }
  }
  if (tasks.length > 0) command(ctx, agent, { kind: "reconcileTasks", tasks });
}

// ---- shared -----------------------------------------------------------------------------------

/** Frameworks that are over here must end there, and those that changed are told so. */
function settleFrameworks(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  for (const info of message.frameworks) {
    const frameworkId = brand<FrameworkId>(info.id?.value ?? "");
    const framework = ctx.state.frameworks.get(frameworkId);
    if (framework === undefined) {
      shutdownFrameworkOn(ctx, agent, frameworkId);
      continue;
    }
    agent.frameworks.add(frameworkId);
    const isCurrent = isSameMessage(info, framework.info);
    if (isCurrent || isUpdatePending(agent, frameworkId)) continue;
    command(ctx, agent, { kind: "updateFramework", framework: framework.info });
  }
}

function isUpdatePending(agent: AgentEntry, frameworkId: FrameworkId): boolean {
  return isPending(
    agent,
    (order) => order.kind === "updateFramework" && order.framework.id?.value === frameworkId,
  );
}

function welcome(
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

function capabilitiesOf(agent: AgentEntry): ReadonlySet<AgentInfoCapabilityType> {
  return new Set(agent.capabilities.flatMap(({ type }) => (type === undefined ? [] : [type])));
}

function rememberAddress(state: MasterState, agent: AgentEntry): void {
  const address = addressOf(agent.info);
  if (address !== undefined) state.addresses.set(address, agent.id);
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
  return faultOfReport(ctx, info.resources ?? [], message.checkpointedResources);
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

/** The agent's word counts; what it does not name any more was acknowledged. */
function adoptOperations(ctx: MasterContext, agent: AgentEntry, message: RegisterMessage): void {
  const awaited = new Set<string>();
  for (const order of agent.commands.pending.values()) {
    if (order.kind === "applyOperation") awaited.add(order.operation.uuid);
  }
  const reported = new Set(message.operations.map(({ operation }) => operation.uuid));
  for (const uuid of agent.operations.keys()) {
    if (reported.has(uuid) || awaited.has(uuid)) continue;
    forgetOperation(ctx, agent, uuid);
  }
  for (const { operation, status } of message.operations) {
    const isNew = !agent.operations.has(operation.uuid);
    if (isNew && !isAcknowledging(agent, operation.uuid)) {
      addOperation(ctx, agent, { operation, latest: status, statuses: [] });
    }
  }
}

function keyOf(
  frameworkId: { readonly value: string },
  taskId: { readonly value: string },
): string {
  return `${frameworkId.value}\n${taskId.value}`;
}

function refuse(ctx: MasterContext, link: LinkEntry, message: string): void {
  log(ctx, "warning", "refused an agent", { remoteIp: link.remoteIp, why: message });
  ctx.effects.push({ kind: "send", linkId: link.id, message: { kind: "refused", message } });
}

function shutDown(ctx: MasterContext, link: LinkEntry, message: string): void {
  log(ctx, "warning", "shut an agent down", { remoteIp: link.remoteIp, why: message });
  ctx.effects.push({ kind: "send", linkId: link.id, message: { kind: "shutdown", message } });
}
