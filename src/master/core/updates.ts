/**
 * Status updates on their way from agent to framework and acknowledgements on their way back, plus
 * the other things an agent reports of what it runs. Source: semantics 6.4.
 */
import { brand, type ExecutorId, type FrameworkId, type TaskId } from "../../base/ids.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type { SchedulerCallAcknowledge } from "../../protocol/v1/types.ts";
import { command } from "./commands.ts";
import { log, type MasterContext, sendEvent } from "./context.ts";
import { type AgentEntry, executorKey, type FrameworkEntry, type TaskEntry } from "./state.ts";
import {
  applyStatus,
  completeTask,
  isTerminal,
  rememberStatus,
  removeExecutor,
  removeTask,
  sendStatus,
  tellTaskUpdated,
} from "./tasks.ts";

type Message<Kind extends AgentToMaster["kind"]> = Extract<AgentToMaster, { readonly kind: Kind }>;

/**
 * An agent reports the head of a task's update stream. It goes to the framework when that is
 * connected, known task or not, because the agent repeats it until the framework acknowledges.
 */
export function statusUpdate(
  ctx: MasterContext,
  agent: AgentEntry,
  message: Message<"statusUpdate">,
): void {
  ctx.counters.count("master/messages_status_update");
  const { frameworkId, latestState } = message;
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(frameworkId));
  if (framework === undefined) {
    ctx.counters.count("master/invalid_status_updates");
    log(ctx, "warning", "dropped an update of an unknown framework", { frameworkId });
    return;
  }
  const status = { ...message.status, agent_id: { value: agent.id } };
  sendStatus(ctx, framework, status);
  const taskId = brand<TaskId>(status.task_id.value);
  const task = findTask(framework, agent, taskId);
  if (task !== undefined) {
    ctx.counters.count("master/valid_status_updates");
    applyStatus(ctx, task, status, latestState);
    return;
  }
  ctx.counters.count("master/invalid_status_updates");
  settleUnreachable(ctx, framework, agent, taskId, { status, latestState });
}

/** The framework has the update; a terminal one makes the task completed. */
export function acknowledge(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallAcknowledge,
): void {
  ctx.counters.count("master/messages_status_update_acknowledgement");
  const agent = ctx.state.agents.get(brand(call.agent_id.value));
  if (agent === undefined || agent.linkId === undefined) {
    ctx.counters.count("master/invalid_status_update_acknowledgements");
    return;
  }
  ctx.counters.count("master/valid_status_update_acknowledgements");
  const id = brand<TaskId>(call.task_id.value);
  const task = findTask(framework, agent, id);
  // The strings that are kept anyway, as the command waits for its agent.
  const { id: taskId = id, statusUpdateUuid, statusUpdateState } = task ?? {};
  const uuid = statusUpdateUuid === call.uuid ? statusUpdateUuid : call.uuid;
  const isNewest = task !== undefined && uuid === statusUpdateUuid;
  if (isNewest && statusUpdateState !== undefined && isTerminal(statusUpdateState)) {
    removeTask(ctx, task, { returnsResources: true });
    completeTask(framework, task);
  }
  command(ctx, agent, { kind: "acknowledgeUpdate", frameworkId: framework.id, taskId, uuid });
}

/** A custom executor ended: what it held returns, the framework gets FAILURE. */
export function executorExited(
  ctx: MasterContext,
  agent: AgentEntry,
  message: Message<"executorExited">,
): void {
  ctx.counters.count("master/messages_exited_executor");
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(message.frameworkId));
  if (framework === undefined) return;
  const id = brand<ExecutorId>(message.executorId);
  const executor = agent.executors.get(executorKey(framework.id, id));
  if (executor !== undefined) {
    removeExecutor(ctx, agent, executor, { returnsResources: true });
    framework.completedExecutors.add(executor);
  }
  sendEvent(ctx, framework, {
    type: "FAILURE",
    failure: {
      agent_id: { value: agent.id },
      executor_id: { value: id },
      status: message.status,
    },
  });
}

/** Bytes of an executor for its scheduler, best effort. */
export function executorMessage(
  ctx: MasterContext,
  agent: AgentEntry,
  message: Message<"executorMessage">,
): void {
  ctx.counters.count("master/messages_executor_to_framework");
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(message.frameworkId));
  if (framework?.streamId === undefined) {
    ctx.counters.count("master/invalid_executor_to_framework_messages");
    return;
  }
  ctx.counters.count("master/valid_executor_to_framework_messages");
  sendEvent(ctx, framework, {
    type: "MESSAGE",
    message: {
      agent_id: { value: agent.id },
      executor_id: { value: message.executorId },
      data: message.data,
    },
  });
}

/** The task as listed on this agent; another agent may have a task of the same id. */
function findTask(
  framework: FrameworkEntry,
  agent: AgentEntry,
  taskId: TaskId,
): TaskEntry | undefined {
  const task = framework.tasks.get(taskId);
  if (task?.agentId === agent.id) return task;
  for (const other of agent.tasks) {
    if (other.isDuplicate && other.id === taskId && other.frameworkId === framework.id)
      return other;
  }
  return undefined;
}

/** The agent came back without a task that was unreachable and now says what became of it. */
function settleUnreachable(
  ctx: MasterContext,
  framework: FrameworkEntry,
  agent: AgentEntry,
  taskId: TaskId,
  { status, latestState }: Pick<Message<"statusUpdate">, "status" | "latestState">,
): void {
  const task = framework.unreachableTasks.get(taskId);
  if (task?.agentId !== agent.id || !isTerminal(latestState)) return;
  framework.unreachableTasks.delete(taskId);
  task.state = latestState;
  rememberStatus(ctx, task, status);
  tellTaskUpdated(ctx, task, status);
  completeTask(framework, task);
}
