/**
 * Life of a framework: subscribe, fail over, disconnect, update, removal.
 *
 * | from | event | to |
 * |---|---|---|
 * | none, recovered, disconnected | subscribe | connected |
 * | connected | subscribe | connected, the old stream ends with ERROR |
 * | connected | stream closed | disconnected, or completed when failover_timeout is 0 |
 * | disconnected | failover timeout | completed |
 * | any | teardown | completed |
 *
 * Source: semantics 3.1–3.4.
 */
import { assert, must } from "../../base/assert.ts";
import { type AgentId, brand, type FrameworkId, type StreamId } from "../../base/ids.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { SplitMap } from "../../base/split-map.ts";
import type {
  FrameworkInfo,
  SchedulerCallSubscribe,
  SchedulerCallUpdateFramework,
} from "../../protocol/v1/types.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { denialOfRegistration, forbidden } from "./authorization.ts";
import { command } from "./commands.ts";
import {
  cancelTimer,
  failStream,
  log,
  type MasterContext,
  sendEvent,
  setTimer,
  tellOperators,
} from "./context.ts";
import {
  allocatorFramework,
  capabilitiesOf,
  faultOfInfo,
  faultOfSubscription,
  faultOfWishes,
  rolesOf,
} from "./framework-info.ts";
import { History } from "./history.ts";
import {
  discardInverseOffersOfFramework,
  forgetInverseAnswers,
  sendInverseOffersSoon,
} from "./inverse-offers.ts";
import { DURATION_SECONDS_MAX } from "./limits.ts";
import { HEARTBEAT_SECONDS } from "./master-options.ts";
import {
  discardOffersOfFramework,
  doomOffer,
  endDoomedOffers,
  offersOfFramework,
  RESCINDED,
} from "./offers.ts";
import { adoptOrphanOperations } from "./operations.ts";
import { checkDrained } from "./operator/drained.ts";
import type { AgentEntry, FrameworkEntry } from "./state.ts";
import { type GoOn, startSweep, visitAgents } from "./sweeps.ts";
import {
  applyStatus,
  completeTask,
  isTerminal,
  masterStatus,
  removeExecutor,
  removeTask,
} from "./tasks.ts";
import { frameworkEventMessage } from "./views/v1.ts";

/** SUBSCRIBE: everything, refusals included, is answered by events on the stream. */
export function subscribe(
  ctx: MasterContext,
  streamId: StreamId,
  subscription: SchedulerCallSubscribe,
  principal: string | undefined,
): void {
  if (!ctx.state.isRecovered) {
    failStream(ctx, streamId, "Master has not finished recovery");
    return;
  }
  const wanted = withPrincipal(subscription.framework_info, principal);
  const isFirst = isIdMissing(wanted);
  ctx.counters.count(
    isFirst ? "master/messages_register_framework" : "master/messages_reregister_framework",
  );
  const known = isFirst ? undefined : ctx.state.frameworks.get(brand(wanted.id?.value ?? ""));
  const fault =
    faultOfSubscription(ctx, subscription) ??
    (known === undefined ? undefined : faultOfPrincipal(known, wanted)) ??
    denialOfRegistration(ctx, wanted);
  if (fault !== undefined) {
    log(ctx, "info", "refused a subscription", { name: wanted.name, fault });
    failStream(ctx, streamId, fault);
    return;
  }
  const framework = known ?? newFramework(ctx, wanted);
  if (known !== undefined) resubscribe(ctx, framework, wanted);
  adoptSubscription(ctx, framework, subscription);
  connect(ctx, framework, streamId);
  if (known === undefined) tellAdded(ctx, framework);
  else tellUpdated(ctx, framework);
}

/** A framework that agents told of, before it subscribed itself: inactive, no failover timer. */
export function addRecoveredFramework(ctx: MasterContext, info: FrameworkInfo): FrameworkEntry {
  const framework = newFramework(ctx, info);
  framework.isRecovered = true;
  tellAdded(ctx, framework);
  return framework;
}

/** The scheduler hung up: its offers return, its tasks run on until the failover timeout. */
export function streamClosed(ctx: MasterContext, streamId: StreamId): void {
  const frameworkId = ctx.state.streams.get(streamId);
  if (frameworkId === undefined) return;
  const framework = must(ctx.state.frameworks.get(frameworkId), "framework of a stream");
  disconnect(ctx, framework);
  framework.unregisteredMs = ctx.nowMs;
  const timeoutMs = failoverTimeoutMs(framework);
  log(ctx, "info", "framework disconnected", { frameworkId, timeoutMs });
  if (timeoutMs <= 0) {
    removeFramework(ctx, framework, "Framework failover timeout");
    return;
  }
  setTimer(ctx, { kind: "failover", frameworkId }, timeoutMs);
  // Differs from Mesos, which leaves the event's `connected` true until the next subscription.
  tellUpdated(ctx, framework);
}

/** The failover timeout ended; void when the framework is back. */
export function failoverTimedOut(ctx: MasterContext, frameworkId: FrameworkId): void {
  const framework = ctx.state.frameworks.get(frameworkId);
  if (framework === undefined || framework.streamId !== undefined || framework.isLeaving) return;
  removeFramework(ctx, framework, "Framework failover timeout");
}

export function heartbeat(ctx: MasterContext, streamId: StreamId): void {
  const frameworkId = ctx.state.streams.get(streamId);
  if (frameworkId === undefined) return;
  const framework = must(ctx.state.frameworks.get(frameworkId), "framework of a stream");
  sendEvent(ctx, framework, { type: "HEARTBEAT" });
  setTimer(ctx, { kind: "heartbeat", streamId }, HEARTBEAT_SECONDS * 1000);
}

/**
 * UPDATE_FRAMEWORK: as subscribe, but what may not change is refused. Refusals: `invalid`,
 * `forbidden`.
 * Source: semantics 3.4, http-api 4.2.
 */
export function updateFramework(
  ctx: MasterContext,
  framework: FrameworkEntry,
  update: SchedulerCallUpdateFramework,
  principal: string | undefined,
): Result<void> {
  const info = withPrincipal(update.framework_info, principal);
  const fault = faultOfInfo(ctx, info);
  if (fault !== undefined) {
    return refuse("invalid", `Supplied FrameworkInfo is not valid: ${fault}`);
  }
  const frozen = faultOfFrozenFields(framework.info, info);
  if (frozen !== undefined) {
    return refuse("invalid", `FrameworkInfo update is not valid: ${frozen}`);
  }
  const wish = faultOfWishes(ctx, update);
  if (wish !== undefined) {
    return refuse("invalid", `'UpdateFramework' call is not valid: ${wish}`);
  }
  const denial = denialOfRegistration(ctx, info);
  if (denial !== undefined) return forbidden(denial);
  const isChanged = replaceInfo(ctx, framework, info);
  adoptSubscription(ctx, framework, update);
  if (isChanged) tellUpdated(ctx, framework);
  const roles = new Set(framework.roles);
  for (const offer of offersOfFramework(ctx, framework)) {
    if (!roles.has(offer.role)) doomOffer(ctx, offer, RESCINDED);
  }
  endDoomedOffers(ctx);
  return ok(undefined);
}

/**
 * Ends a framework: its agents end what runs, its tasks are KILLED in the books and not told.
 * Source: semantics 3.3.
 */
export function removeFramework(ctx: MasterContext, framework: FrameworkEntry, why: string): void {
  log(ctx, "info", "framework removed", { frameworkId: framework.id, why });
  const { streamId } = framework;
  if (streamId !== undefined) {
    disconnect(ctx, framework);
    ctx.effects.push({ kind: "closeStream", streamId });
  }
  cancelTimer(ctx, { kind: "failover", frameworkId: framework.id });
  framework.isLeaving = true;
  const agents = agentsWith(ctx, framework);
  startSweep(ctx, { kind: "removeFramework", framework, agents, next: 0 }, goOnRemovingFramework);
  if (framework.isLeaving) tellUpdated(ctx, framework);
}

/** The next agents of a framework that is over; when there are none left it is removed. */
export const goOnRemovingFramework: GoOn<"removeFramework"> = (ctx, sweep) => {
  const { state } = ctx;
  const { framework } = sweep;
  if (!visitAgents(ctx, sweep, (agent) => removeFromAgent(ctx, framework, agent))) return false;
  sweep.agents = agentsWith(ctx, framework);
  sweep.next = 0;
  // Some came meanwhile, or what it was offered is not taken back yet.
  if (sweep.agents.length > 0 || framework.offers.size > 0) return false;
  assert(framework.tasks.size === 0, "a removed framework has no active tasks");
  for (const task of framework.unreachableTasks.values()) completeTask(framework, task);
  framework.unreachableTasks.clear();
  forgetInverseAnswers(ctx, framework.id);
  framework.unregisteredMs = ctx.nowMs;
  framework.isLeaving = false;
  ctx.allocator.removeFramework(framework.id);
  state.frameworks.delete(framework.id);
  forgetPrincipal(ctx, framework.info.principal);
  rememberCompleted(ctx, framework);
  const framework_info = framework.info;
  state.changes.add({ kind: "framework", frameworkId: framework.id });
  tellOperators(ctx, () => ({ type: "FRAMEWORK_REMOVED", framework_removed: { framework_info } }));
  return true;
};

/** Ids of the agents that were told of a framework. */
function agentsWith({ state }: MasterContext, { id }: FrameworkEntry): AgentId[] {
  const agents: AgentId[] = [];
  for (const agent of state.agents.values()) if (agent.frameworks.has(id)) agents.push(agent.id);
  return agents;
}

/** Tells an agent to end everything of a framework, unless it is about to hear just that. */
export function shutdownFrameworkOn(
  ctx: MasterContext,
  agent: AgentEntry,
  frameworkId: FrameworkId,
): void {
  let isAsked = false;
  for (const order of agent.commands.pending.values()) {
    if (order.kind === "shutdownFramework" && order.frameworkId === frameworkId) isAsked = true;
    // What is launched after the agent was asked is not meant by it.
    if (order.kind === "launch" && order.frameworkId === frameworkId) isAsked = false;
  }
  if (!isAsked) command(ctx, agent, { kind: "shutdownFramework", frameworkId });
}

/** Returns what it cost, see `visitAgents`. */
function removeFromAgent(ctx: MasterContext, framework: FrameworkEntry, agent: AgentEntry): number {
  let cost = 1;
  shutdownFrameworkOn(ctx, agent, framework.id);
  for (const task of [...agent.tasks]) {
    if (task.frameworkId !== framework.id) continue;
    if (!isTerminal(task.state)) {
      const status = masterStatus(ctx, {
        taskId: task.id,
        agentId: agent.id,
        state: "TASK_KILLED",
        reason: "REASON_FRAMEWORK_REMOVED",
        message: `Framework ${framework.id} removed`,
      });
      applyStatus(ctx, task, status, "TASK_KILLED");
    }
    removeTask(ctx, task, { returnsResources: true });
    completeTask(framework, task);
    cost += 1;
  }
  for (const executor of [...agent.executors.values()]) {
    if (executor.frameworkId !== framework.id) continue;
    removeExecutor(ctx, agent, executor, { returnsResources: true });
    framework.completedExecutors.add(executor);
    cost += 1;
  }
  adoptOrphanOperations(ctx, agent, framework.id);
  agent.frameworks.delete(framework.id);
  checkDrained(ctx, agent);
  return cost;
}

function forgetPrincipal(ctx: MasterContext, principal: string | undefined): void {
  if (principal === undefined) return;
  for (const { info } of ctx.state.frameworks.values()) {
    if (info.principal === principal) return;
  }
  ctx.counters.forgetPrincipal(principal);
}

function rememberCompleted(ctx: MasterContext, framework: FrameworkEntry): void {
  const { completedFrameworks } = ctx.state;
  completedFrameworks.set(framework.id, framework);
  for (const [id, oldest] of completedFrameworks) {
    if (completedFrameworks.size <= ctx.options.maxCompletedFrameworks) return;
    completedFrameworks.delete(id);
    ctx.counters.forgetFramework(oldest);
  }
}

function newFramework(ctx: MasterContext, info: FrameworkInfo): FrameworkEntry {
  const id = isIdMissing(info) ? nextFrameworkId(ctx) : brand<FrameworkId>(info.id?.value ?? "");
  const { options, state } = ctx;
  const framework: FrameworkEntry = {
    id,
    info: { ...info, id: { value: id } },
    roles: rolesOf(info),
    capabilities: capabilitiesOf(info),
    suppressedRoles: new Set(),
    offerConstraints: undefined,
    streamId: undefined,
    isRecovered: false,
    isLeaving: false,
    registeredMs: ctx.nowMs,
    reregisteredMs: undefined,
    unregisteredMs: undefined,
    tasks: new SplitMap(),
    taskCounts: new Map(),
    unreachableTasks: new Map(),
    completedTasks: new History(options.maxCompletedTasksPerFramework),
    completedExecutors: new History(options.maxCompletedTasksPerFramework),
    offers: new Set(),
  };
  state.frameworks.set(id, framework);
  ctx.allocator.addFramework(id, allocatorFramework(framework), new Map(), false);
  return framework;
}

/** `<master id>-NNNN`; a scheduler may have brought an id of that form, which is then skipped. */
function nextFrameworkId(ctx: MasterContext): FrameworkId {
  const { state, options } = ctx;
  for (;;) {
    const number = String(state.nextFramework++).padStart(4, "0");
    const id = brand<FrameworkId>(`${options.info.id}-${number}`);
    if (!state.frameworks.has(id) && !state.completedFrameworks.has(id)) return id;
  }
}

function resubscribe(ctx: MasterContext, framework: FrameworkEntry, wanted: FrameworkInfo): void {
  const { streamId } = framework;
  if (streamId !== undefined) {
    disconnect(ctx, framework);
    failStream(ctx, streamId, "Framework failed over");
  }
  cancelTimer(ctx, { kind: "failover", frameworkId: framework.id });
  const { user, checkpoint } = framework.info;
  const { checkpoint: _, ...rest } = wanted;
  replaceInfo(ctx, framework, {
    ...rest,
    user,
    ...(checkpoint !== undefined && { checkpoint }),
  });
  if (framework.isRecovered) framework.registeredMs = ctx.nowMs;
  else framework.reregisteredMs = ctx.nowMs;
  framework.isRecovered = false;
}

/** Takes over a new info, telling the agents that have the framework. False: it is no other. */
function replaceInfo(
  ctx: MasterContext,
  framework: FrameworkEntry,
  wanted: FrameworkInfo,
): boolean {
  const info: FrameworkInfo = { ...wanted, id: { value: framework.id } };
  if (isSameMessage(info, framework.info)) return false;
  if (info.name !== framework.info.name) ctx.counters.forgetFramework(framework);
  framework.info = info;
  framework.roles = rolesOf(info);
  framework.capabilities = capabilitiesOf(info);
  const agents = agentsWith(ctx, framework);
  startSweep(ctx, { kind: "updateFramework", framework, agents, next: 0 }, goOnTellingAgents);
  return true;
}

/** The next agents that hear what a framework is now, unless it is over. */
export const goOnTellingAgents: GoOn<"updateFramework"> = (ctx, sweep) => {
  const { framework } = sweep;
  if (framework.isLeaving || !ctx.state.frameworks.has(framework.id)) return true;
  return visitAgents(ctx, sweep, (agent) => {
    if (!agent.frameworks.has(framework.id)) return 0;
    command(ctx, agent, { kind: "updateFramework", framework: framework.info });
    return 1;
  });
};

function tellAdded(ctx: MasterContext, framework: FrameworkEntry): void {
  ctx.state.changes.add({ kind: "framework", frameworkId: framework.id });
  const added = () => ({ framework: frameworkEventMessage(framework) });
  tellOperators(ctx, () => ({ type: "FRAMEWORK_ADDED", framework_added: added() }));
}

function tellUpdated(ctx: MasterContext, framework: FrameworkEntry): void {
  ctx.state.changes.add({ kind: "framework", frameworkId: framework.id });
  const updated = () => ({ framework: frameworkEventMessage(framework) });
  tellOperators(ctx, () => ({ type: "FRAMEWORK_UPDATED", framework_updated: updated() }));
}

/** Suppressed roles and constraints are replaced as a whole; absent means none. */
function adoptSubscription(
  ctx: MasterContext,
  framework: FrameworkEntry,
  subscription: SchedulerCallSubscribe,
): void {
  framework.suppressedRoles.clear();
  for (const role of subscription.suppressed_roles ?? []) framework.suppressedRoles.add(role);
  framework.offerConstraints = subscription.offer_constraints;
  ctx.allocator.updateFramework(framework.id, allocatorFramework(framework));
}

function connect(ctx: MasterContext, framework: FrameworkEntry, streamId: StreamId): void {
  assert(framework.streamId === undefined, "a framework has one stream");
  framework.streamId = streamId;
  ctx.state.streams.set(streamId, framework.id);
  ctx.allocator.activateFramework(framework.id);
  log(ctx, "info", "framework subscribed", {
    frameworkId: framework.id,
    name: framework.info.name,
  });
  sendEvent(ctx, framework, {
    type: "SUBSCRIBED",
    subscribed: {
      framework_id: { value: framework.id },
      heartbeat_interval_seconds: HEARTBEAT_SECONDS,
      master_info: ctx.options.info,
    },
  });
  heartbeat(ctx, streamId);
  sendInverseOffersSoon(ctx);
}

/** Ends the connection in the books: no stream, no offers, no further offers. */
function disconnect(ctx: MasterContext, framework: FrameworkEntry): void {
  const streamId = must(framework.streamId, "stream of a connected framework");
  cancelTimer(ctx, { kind: "heartbeat", streamId });
  ctx.state.streams.delete(streamId);
  framework.streamId = undefined;
  ctx.allocator.deactivateFramework(framework.id);
  discardOffersOfFramework(ctx, framework);
  discardInverseOffersOfFramework(ctx, framework.id);
}

function failoverTimeoutMs(framework: FrameworkEntry): number {
  return Math.min(framework.info.failover_timeout ?? 0, DURATION_SECONDS_MAX) * 1000;
}

function isIdMissing(info: FrameworkInfo): boolean {
  return info.id === undefined || info.id.value === "";
}

function withPrincipal(info: FrameworkInfo, principal: string | undefined): FrameworkInfo {
  return principal === undefined || info.principal !== undefined ? info : { ...info, principal };
}

function faultOfPrincipal(known: FrameworkEntry, wanted: FrameworkInfo): string | undefined {
  if (known.info.principal === wanted.principal) return undefined;
  return "Changing framework's principal is not allowed.";
}

function faultOfFrozenFields(old: FrameworkInfo, wanted: FrameworkInfo): string | undefined {
  if (old.principal !== wanted.principal) return "Changing framework's principal is not allowed.";
  if (old.user !== wanted.user) return "Updating 'FrameworkInfo.user' is unsupported";
  if ((old.checkpoint ?? false) !== (wanted.checkpoint ?? false)) {
    return "Updating 'FrameworkInfo.checkpoint' is unsupported";
  }
  return undefined;
}
