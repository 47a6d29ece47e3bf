/**
 * How agents go: disconnected, unreachable, removed. The registry changes before memory does, and
 * memory before anybody is told. Source: semantics 2.5, 2.6.
 *
 * | trigger | tasks become | kept as |
 * |---|---|---|
 * | link closed | LOST, only of frameworks that do not checkpoint | completed |
 * | no pong for all pings, no return in time | UNREACHABLE, or LOST | unreachable |
 * | unregistered, replaced at its address | LOST | completed |
 */

import { must } from "../../base/assert.ts";
import type { AgentId } from "../../base/ids.ts";
import type { TaskState, TaskStatus } from "../../protocol/v1/types.ts";
import { changeAgent, removeAgentEntry } from "./agent-changes.ts";
import {
  cancelTimer,
  commit,
  log,
  type MasterContext,
  sendEvent,
  setTimer,
  tellOperators,
} from "./context.ts";
import { shutdownFrameworkOn } from "./frameworks.ts";
import { rescindInverseOffersOfAgent } from "./inverse-offers.ts";
import { rescindOffersOfAgent } from "./offers.ts";
import { loseOperations } from "./operations.ts";
import {
  type AgentEntry,
  addressOf,
  type FrameworkEntry,
  isCheckpointing,
  isPartitionAware,
  type MasterState,
  type PendingCommit,
  type TaskEntry,
} from "./state.ts";
import {
  applyStatus,
  completeTask,
  isTerminal,
  lossState,
  masterStatus,
  rememberStatus,
  rememberUnreachable,
  removeExecutor,
  removeTask,
  sendStatus,
  tellTaskUpdated,
} from "./tasks.ts";

/**
 * The agent's link is gone: no more offers, and what does not survive an agent is lost now. The
 * agent ends it when it returns, because it may be running still.
 */
export function disconnectAgent(ctx: MasterContext, agent: AgentEntry): void {
  const linkId = must(agent.linkId, "link of a connected agent");
  const link = ctx.state.links.get(linkId);
  if (link !== undefined) link.agentId = undefined;
  changeAgent(ctx.state, agent, () => {
    agent.linkId = undefined;
  });
  log(ctx, "warning", "agent disconnected", { agentId: agent.id, hostname: agent.info.hostname });
  ctx.allocator.deactivateAgent(agent.id);
  rescindOffersOfAgent(ctx, agent, { isAgentLeaving: false });
  rescindInverseOffersOfAgent(ctx, agent);
  for (const frameworkId of [...agent.frameworks]) {
    const framework = ctx.state.frameworks.get(frameworkId);
    if (framework === undefined || isCheckpointing(framework)) continue;
    loseFragile(ctx, framework, agent);
  }
  const delayMs = ctx.options.agentReregisterTimeoutMs;
  setTimer(ctx, { kind: "reregister", agentId: agent.id }, delayMs);
}

/** Starts the way to unreachable; nothing is told before the registry has it. */
export function markUnreachable(
  ctx: MasterContext,
  agentIds: readonly AgentId[],
  cause: string,
): void {
  const { state } = ctx;
  const atMs = ctx.nowMs;
  const operations = agentIds.map(
    (agentId) => ({ kind: "markAgentUnreachable", agentId, atMs }) as const,
  );
  const token = commit(ctx, operations, { kind: "unreachable", agentIds, atMs, cause });
  for (const agentId of agentIds) {
    state.transitions.set(agentId, { kind: "markingUnreachable", token });
    if (state.agents.get(agentId)?.linkId !== undefined) ctx.allocator.deactivateAgent(agentId);
  }
}

/** The registry has the agents as unreachable: now memory and the frameworks follow. */
export function unreachableCommitted(
  ctx: MasterContext,
  pending: Extract<PendingCommit, { readonly kind: "unreachable" }>,
): void {
  const { state, counters } = ctx;
  for (const agentId of pending.agentIds) {
    state.transitions.delete(agentId);
    const agent = state.agents.get(agentId);
    const info = agent?.info ?? state.recoveredAgents.get(agentId)?.info;
    const { isDeactivated = false, drain } = agent ?? state.recoveredAgents.get(agentId) ?? {};
    state.recoveredAgents.delete(agentId);
    if (info === undefined) continue;
    state.unreachableAgents.set(agentId, { info, sinceMs: pending.atMs, isDeactivated, drain });
    counters.count("master/slave_unreachable_completed");
    counters.count("master/slave_removals");
    if (agent === undefined) {
      counters.count("master/recovery_slave_removals");
      tellAgentLost(ctx, agentId);
      continue;
    }
    counters.count("master/slave_removals/reason_unhealthy");
    forgetAgent(ctx, agent, {
      kind: "unreachable",
      cause: pending.cause,
      unreachableMs: pending.atMs,
    });
  }
}

/** Starts the removal of an agent for good; its id may come back as an unknown agent. */
export function removeAgent(ctx: MasterContext, agent: AgentEntry, cause: string): void {
  const { state } = ctx;
  if (state.transitions.has(agent.id)) return;
  const pending = { kind: "remove", agentId: agent.id, cause } as const;
  const token = commit(ctx, [{ kind: "removeAgent", agentId: agent.id }], pending);
  state.transitions.set(agent.id, { kind: "removing", token });
  if (agent.linkId !== undefined) ctx.allocator.deactivateAgent(agent.id);
}

/** The registry has forgotten the agent: now memory and the frameworks follow. */
export function removalCommitted(ctx: MasterContext, agentId: AgentId, cause: string): void {
  ctx.state.transitions.delete(agentId);
  const agent = must(ctx.state.agents.get(agentId), "agent that is being removed");
  ctx.counters.count("master/slave_removals");
  forgetAgent(ctx, agent, { kind: "removed", cause, unreachableMs: undefined });
}

/**
 * The registry has the agent as gone for good: its process must end, and its tasks are over, also
 * those that were only unreachable. Source: semantics 2.6.
 */
export function agentGone(ctx: MasterContext, agentId: AgentId, atMs: number): void {
  const { state } = ctx;
  state.goneAgents.set(agentId, { sinceMs: atMs });
  state.recoveredAgents.delete(agentId);
  state.unreachableAgents.delete(agentId);
  endUnreachable(ctx, agentId);
  const agent = state.agents.get(agentId);
  if (agent === undefined) return;
  ctx.counters.count("master/slave_removals");
  if (agent.linkId !== undefined) {
    const message = "Agent has been marked gone";
    ctx.effects.push({
      kind: "send",
      linkId: agent.linkId,
      message: { kind: "shutdown", message },
    });
  }
  forgetAgent(ctx, agent, {
    kind: "gone",
    cause: "Agent has been marked gone",
    unreachableMs: undefined,
  });
}

/** Also of an agent that is back and has not answered yet for what did not come with it. */
function endUnreachable(ctx: MasterContext, agentId: AgentId): void {
  for (const framework of ctx.state.frameworks.values()) {
    for (const task of [...framework.unreachableTasks.values()]) {
      if (task.agentId !== agentId) continue;
      framework.unreachableTasks.delete(task.id);
      // One that had ended before its agent was lost stays with that.
      if (!isTerminal(task.state) || task.state === "TASK_LOST") {
        const status = goneStatus(ctx, framework, task);
        noteLoss(ctx, framework, task, status);
        sendStatus(ctx, framework, status);
      }
      completeTask(framework, task);
    }
  }
}

function goneStatus(ctx: MasterContext, framework: FrameworkEntry, task: TaskEntry): TaskStatus {
  return masterStatus(ctx, {
    taskId: task.id,
    agentId: task.agentId,
    executorId: task.executorId,
    state: lossState(framework, "TASK_GONE_BY_OPERATOR"),
    reason: isPartitionAware(framework)
      ? "REASON_AGENT_REMOVED_BY_OPERATOR"
      : "REASON_AGENT_REMOVED",
    message: "Agent has been marked gone",
  });
}

/** The agent no longer stands for its address. */
export function forgetAddress(state: MasterState, agent: AgentEntry): void {
  const address = addressOf(agent.info);
  if (address !== undefined && state.addresses.get(address) === agent.id) {
    state.addresses.delete(address);
  }
}

/** Tells every connected framework that an agent is lost. */
function tellAgentLost(ctx: MasterContext, agentId: AgentId): void {
  for (const framework of ctx.state.frameworks.values()) {
    const failure = { agent_id: { value: agentId } };
    sendEvent(ctx, framework, { type: "FAILURE", failure });
  }
}

interface Loss {
  readonly kind: "unreachable" | "removed" | "gone";
  readonly cause: string;
  readonly unreachableMs: number | undefined;
}

/** What frameworks are told of operations on a lost agent. */
const OPERATIONS_AFTER = {
  unreachable: "OPERATION_UNREACHABLE",
  gone: "OPERATION_GONE_BY_OPERATOR",
  removed: undefined,
} as const;

function forgetAgent(ctx: MasterContext, agent: AgentEntry, loss: Loss): void {
  const { state } = ctx;
  log(ctx, "warning", "agent lost", { agentId: agent.id, how: loss.kind, why: loss.cause });
  ctx.allocator.removeAgent(agent.id);
  rescindOffersOfAgent(ctx, agent, { isAgentLeaving: true });
  for (const task of [...agent.tasks]) loseTask(ctx, agent, task, loss);
  for (const executor of [...agent.executors.values()]) {
    removeExecutor(ctx, agent, executor, { returnsResources: false });
  }
  loseOperations(ctx, agent, OPERATIONS_AFTER[loss.kind]);
  rescindInverseOffersOfAgent(ctx, agent);
  state.pings.remove(agent);
  cancelTimer(ctx, { kind: "reregister", agentId: agent.id });
  removeAgentEntry(state, agent);
  forgetAddress(state, agent);
  const link = agent.linkId === undefined ? undefined : state.links.get(agent.linkId);
  if (link !== undefined) {
    link.agentId = undefined;
    ctx.effects.push({ kind: "closeLink", linkId: link.id, reason: `agent ${loss.kind}` });
  }
  tellAgentLost(ctx, agent.id);
  const agent_id = { value: agent.id };
  tellOperators(ctx, () => ({ type: "AGENT_REMOVED", agent_removed: { agent_id } }));
}

/** The framework was shown how the task ended; only its acknowledgement is missing. */
function isEndShown({ statusUpdateState: shown }: TaskEntry): boolean {
  return shown !== undefined && isTerminal(shown);
}

function loseTask(ctx: MasterContext, agent: AgentEntry, task: TaskEntry, loss: Loss): void {
  const framework = must(ctx.state.frameworks.get(task.frameworkId), "framework of a task");
  const isSettled = isEndShown(task);
  removeTask(ctx, task, { returnsResources: false });
  if (task.isDuplicate) return;
  const isUnreachable = loss.kind === "unreachable";
  if (!isSettled) {
    const status =
      loss.kind === "gone"
        ? goneStatus(ctx, framework, task)
        : masterStatus(ctx, {
            taskId: task.id,
            agentId: agent.id,
            executorId: task.executorId,
            state: isUnreachable ? lossState(framework, "TASK_UNREACHABLE") : "TASK_LOST",
            reason: "REASON_AGENT_REMOVED",
            message: `Agent ${agent.info.hostname} ${isUnreachable ? "unreachable" : "removed"}: ${loss.cause}`,
            unreachableMs: loss.unreachableMs,
          });
    noteLoss(ctx, framework, task, status);
    sendStatus(ctx, framework, status);
  }
  if (isUnreachable) rememberUnreachable(ctx, framework, task);
  else completeTask(framework, task);
}

/** A task that is off every list and holds nothing: only its last words are written down. */
function noteLoss(
  ctx: MasterContext,
  framework: FrameworkEntry,
  task: TaskEntry,
  status: TaskStatus,
): void {
  if (isTerminal(task.state)) return;
  task.state = status.state;
  task.statusUpdateState = status.state;
  task.statusUpdateUuid = undefined;
  rememberStatus(ctx, task, status);
  tellTaskUpdated(ctx, task, status);
  if (isTerminal(status.state)) ctx.counters.countTerminal(framework, status.state, status);
}

/** A framework without checkpointing loses everything on an agent that disconnects. */
function loseFragile(ctx: MasterContext, framework: FrameworkEntry, agent: AgentEntry): void {
  let count = 0;
  for (const task of [...agent.tasks]) {
    if (task.frameworkId !== framework.id) continue;
    loseFragileTask(ctx, framework, agent, task);
    count += 1;
  }
  for (const executor of [...agent.executors.values()]) {
    if (executor.frameworkId !== framework.id) continue;
    removeExecutor(ctx, agent, executor, { returnsResources: true });
    framework.completedExecutors.add(executor);
    count += 1;
  }
  if (count > 0) shutdownFrameworkOn(ctx, agent, framework.id);
}

function loseFragileTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  agent: AgentEntry,
  task: TaskEntry,
): void {
  if (!isEndShown(task)) {
    const state: TaskState = "TASK_LOST";
    const status = masterStatus(ctx, {
      taskId: task.id,
      agentId: agent.id,
      executorId: task.executorId,
      state,
      reason: "REASON_AGENT_DISCONNECTED",
      message: `Agent ${agent.info.hostname} disconnected`,
    });
    if (!isTerminal(task.state)) applyStatus(ctx, task, status, state);
    if (!task.isDuplicate) sendStatus(ctx, framework, status);
  }
  removeTask(ctx, task, { returnsResources: true });
  completeTask(framework, task);
}
