/**
 * The numbered command channel to one agent: each command is kept until the agent says it is done,
 * resent in order after a new registration, and so carried out exactly once.
 * Source: src/protocol/link-frames.ts.
 */
import { assert } from "../../base/assert.ts";
import { FewMap } from "../../base/few.ts";
import { brand, type FrameworkId, type LinkId } from "../../base/ids.ts";
import type { AgentCommand } from "../../protocol/link-frames.ts";
import type { MasterContext } from "./context.ts";
import { PENDING_COMMANDS_PER_AGENT_MAX } from "./limits.ts";
import type { AgentEntry, CommandQueue, PendingCommand } from "./state.ts";

/**
 * Gives the agent a command: sent at once when it is connected, otherwise when it returns. A
 * connected agent that answers too little is cut.
 */
export function command(ctx: MasterContext, agent: AgentEntry, order: AgentCommand): void {
  if (agent.linkId === undefined && isRepeated(agent, order)) return;
  const number = agent.commands.nextNumber++;
  const pending = pendingForm(ctx, number, order);
  agent.commands.pending.set(number, pending);
  if (agent.linkId === undefined) return;
  send(ctx, agent.linkId, number, pending);
  if (agent.commands.pending.size > PENDING_COMMANDS_PER_AGENT_MAX) {
    const reason = `${PENDING_COMMANDS_PER_AGENT_MAX} commands are unanswered`;
    ctx.effects.push({ kind: "closeLink", linkId: agent.linkId, reason });
  }
}

/** A queue for an agent that has carried out commands up to `lastCommand` of this epoch. */
export function newCommandQueue(lastCommand: number): CommandQueue {
  return { nextNumber: lastCommand + 1, pending: new FewMap() };
}

/** Forgets every command up to `number`: the agent works in order. */
export function commandsDone(queue: CommandQueue, number: number): void {
  // One by one costs by the square where they are a list, and mostly it is all of them.
  if (number >= queue.nextNumber - 1) {
    queue.pending.clear();
    return;
  }
  for (const pending of queue.pending.keys()) {
    if (pending > number) return;
    queue.pending.delete(pending);
  }
}

/**
 * Takes over what a registering agent says it has done. A number the queue has not reached means
 * that an earlier life of the agent in this epoch got further: new commands go above it.
 */
export function settleCommands(queue: CommandQueue, lastCommand: number): void {
  commandsDone(queue, lastCommand);
  queue.nextNumber = Math.max(queue.nextNumber, lastCommand + 1);
}

/** Sends everything that is not done once more, in order. */
export function resendCommands(ctx: MasterContext, agent: AgentEntry): void {
  const { commands, linkId } = agent;
  assert(linkId !== undefined, "commands are resent to connected agents");
  for (const [number, order] of commands.pending) {
    send(ctx, linkId, number, order);
  }
}

function send(ctx: MasterContext, linkId: LinkId, number: number, order: PendingCommand): void {
  const message =
    order.kind === "launch"
      ? order.message
      : ({ kind: "command", number, command: order } as const);
  ctx.effects.push({ kind: "send", linkId, message });
}

function pendingForm(ctx: MasterContext, number: number, order: AgentCommand): PendingCommand {
  if (order.kind !== "runTask" && order.kind !== "runTaskGroup") return order;
  const tasks = order.kind === "runTask" ? [order.task] : (order.taskGroup.tasks ?? []);
  const executor = order.kind === "runTask" ? order.task.executor : order.executor;
  return {
    kind: "launch",
    frameworkId: brand<FrameworkId>(order.framework.id?.value ?? ""),
    taskIds: tasks.map((task) => task.task_id.value),
    executorId: order.launchesExecutor ? executor?.executor_id.value : undefined,
    // A copy, as the codec's bytes are part of a larger buffer.
    message: ctx.encode({ kind: "command", number, command: order }).slice(),
  };
}

/** True when an order for which the test holds has not been carried out yet. */
export function isPending(agent: AgentEntry, test: (order: PendingCommand) => boolean): boolean {
  for (const order of agent.commands.pending.values()) {
    if (test(order)) return true;
  }
  return false;
}

/** A scheduler may repeat a kill for as long as the agent is away; one of them is enough. */
function isRepeated(agent: AgentEntry, order: AgentCommand): boolean {
  if (order.kind !== "killTask") return false;
  const grace = order.killPolicy?.grace_period?.nanoseconds;
  let isAsked = false;
  for (const other of agent.commands.pending.values()) {
    if (other.kind === "killTask") {
      isAsked ||=
        other.frameworkId === order.frameworkId &&
        other.taskId === order.taskId &&
        other.killPolicy?.grace_period?.nanoseconds === grace;
      // One before a launch is meant for an earlier task of that id.
    } else if (isAsked && other.kind === "launch" && other.frameworkId === order.frameworkId) {
      isAsked = !other.taskIds.includes(order.taskId);
    }
  }
  return isAsked;
}
