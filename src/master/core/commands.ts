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
  if (agent.linkId === undefined && isSettled(agent.commands, order)) return;
  const number = agent.commands.nextNumber++;
  const pending = pendingForm(ctx, number, order);
  agent.commands.pending.set(number, pending);
  if (agent.linkId === undefined) return;
  send(ctx, agent.linkId, number, pending);
  agent.commands.lastSent = number;
  if (agent.commands.pending.size > PENDING_COMMANDS_PER_AGENT_MAX) {
    const reason = `${PENDING_COMMANDS_PER_AGENT_MAX} commands are unanswered`;
    ctx.effects.push({ kind: "closeLink", linkId: agent.linkId, reason });
  }
}

/** A queue for an agent that has carried out commands up to `lastCommand` of this epoch. */
export function newCommandQueue(lastCommand: number): CommandQueue {
  return { nextNumber: lastCommand + 1, lastSent: lastCommand, pending: new FewMap() };
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
    commands.lastSent = number;
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

/**
 * A scheduler may repeat itself for as long as the agent is away; one of each is enough, the newest.
 * True when there is nothing to add: the same waits already, or was not sent yet and gives its place.
 */
function isSettled(queue: CommandQueue, order: AgentCommand): boolean {
  switch (order.kind) {
    case "killTask": {
      const asked = killAsked(queue, order);
      if (asked === undefined) return false;
      return asked.grace === graceOf(order) || takePlace(queue, asked.number, order);
    }
    case "shutdownExecutor":
      return isShutdownAsked(queue, order);
    case "updateFramework":
      return takePlace(queue, updateAsked(queue, order), order);
    default:
      return false;
  }
}

/** Agents want each number, so that what was never sent is replaced and not left out. */
function takePlace(
  { pending, lastSent }: CommandQueue,
  number: number | undefined,
  order: Repeatable,
): boolean {
  if (number === undefined || number <= lastSent) return false;
  pending.set(number, order);
  return true;
}

type Order<Kind extends AgentCommand["kind"]> = Extract<AgentCommand, { readonly kind: Kind }>;
type Repeatable = Order<"killTask" | "updateFramework">;

interface KillAsked {
  readonly number: number;
  readonly grace: number | undefined;
}

function killAsked({ pending }: CommandQueue, order: Order<"killTask">): KillAsked | undefined {
  let asked: KillAsked | undefined;
  for (const [number, other] of pending) {
    if (other.kind === "killTask") {
      const isSame = other.frameworkId === order.frameworkId && other.taskId === order.taskId;
      if (isSame) asked = { number, grace: graceOf(other) };
      // One before a launch is meant for an earlier task of that id.
    } else if (other.kind === "launch" && other.frameworkId === order.frameworkId) {
      if (asked !== undefined && other.taskIds.includes(order.taskId)) asked = undefined;
    }
  }
  return asked;
}

function graceOf({ killPolicy }: Order<"killTask">): number | undefined {
  return killPolicy?.grace_period?.nanoseconds;
}

function isShutdownAsked({ pending }: CommandQueue, order: Order<"shutdownExecutor">): boolean {
  let isAsked = false;
  for (const other of pending.values()) {
    if (other.kind !== "launch" && other.kind !== "shutdownExecutor") continue;
    const isSame = other.frameworkId === order.frameworkId && other.executorId === order.executorId;
    // One before a launch is meant for an earlier executor of that id.
    if (isSame) isAsked = other.kind === "shutdownExecutor";
  }
  return isAsked;
}

/** The number of the last one. */
function updateAsked(
  { pending }: CommandQueue,
  order: Order<"updateFramework">,
): number | undefined {
  let asked: number | undefined;
  for (const [number, other] of pending) {
    const isUpdate = other.kind === "updateFramework";
    if (isUpdate && other.framework.id?.value === order.framework.id?.value) asked = number;
  }
  return asked;
}
