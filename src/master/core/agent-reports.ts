/**
 * What a registering agent reports, beside what the master knows: tasks, executors, operations and
 * frameworks on either side only are adopted, asked for or ended. Source: semantics 2.3, 2.4.
 */
import { must } from "../../base/assert.ts";
import { brand, type ExecutorId, type FrameworkId, type TaskId } from "../../base/ids.ts";
import type { RegisterMessage } from "../../protocol/link-frames.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import { command, isPending } from "./commands.ts";
import { log, type MasterContext } from "./context.ts";
import { addRecoveredFramework, shutdownFrameworkOn } from "./frameworks.ts";
import { addOperation, forgetOperation, isAcknowledging } from "./operations.ts";
import { reportedResources } from "./resource-forms.ts";
import {
  type AgentEntry,
  executorKey,
  type FrameworkEntry,
  isPartitionAware,
  type PendingCommand,
} from "./state.ts";
import {
  addExecutor,
  addTask,
  completeTask,
  isTerminal,
  newTaskEntry,
  removeExecutor,
} from "./tasks.ts";

/** Takes executors and tasks of a new entry into the books; recovered frameworks appear with them. */
export function adoptReports(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
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

/** The agent's word counts; what it does not name any more was acknowledged. */
export function adoptOperations(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
  if (agent.operations.size === 0 && message.operations.length === 0) return;
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

/**
 * What the agent did not report and was not about to be told is unknown to it: it answers for each
 * such task, reliably. Executors it does not have are gone.
 */
export function reconcileKnown(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
  const reported = reportedTasks(message);
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
export function endUnexpected(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
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
function enqueue(agent: AgentEntry, order: PendingCommand): void {
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
    if (order.kind !== "launch") continue;
    const { frameworkId, taskIds, executorId } = order;
    for (const taskId of taskIds) tasks.add(`${frameworkId}\n${taskId}`);
    if (executorId !== undefined) executors.add(executorKey(frameworkId, brand(executorId)));
  }
  return { tasks, executors };
}

/**
 * Differs from Mesos: tasks that were unreachable and did not come back with their agent are asked
 * for, so that their end is told reliably rather than left open. Those of which an end was told
 * already are over, and their ids are free.
 */
export function settleUnreported(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
  let reported: Set<string> | undefined;
  const tasks: { frameworkId: string; taskId: string; isPartitionAware: boolean }[] = [];
  for (const framework of ctx.state.frameworks.values()) {
    for (const task of framework.unreachableTasks.values()) {
      if (task.agentId !== agent.id) continue;
      reported ??= reportedTasks(message);
      if (reported.has(`${framework.id}\n${task.id}`)) continue;
      if (isTerminal(task.state)) {
        framework.unreachableTasks.delete(task.id);
        completeTask(framework, task);
        continue;
      }
      // Nobody is left to acknowledge its answer when the framework ends.
      agent.frameworks.add(framework.id);
      tasks.push({
        frameworkId: framework.id,
        taskId: task.id,
        isPartitionAware: isPartitionAware(framework),
      });
    }
  }
  if (tasks.length > 0) command(ctx, agent, { kind: "reconcileTasks", tasks });
}

/** Frameworks that are over here must end there, and those that changed are told so. */
export function settleFrameworks(
  ctx: MasterContext,
  agent: AgentEntry,
  message: RegisterMessage,
): void {
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

function reportedTasks(message: RegisterMessage): Set<string> {
  return new Set(message.tasks.map(({ task }) => keyOf(task.framework_id, task.task_id)));
}

function keyOf(
  frameworkId: { readonly value: string },
  taskId: { readonly value: string },
): string {
  return `${frameworkId.value}\n${taskId.value}`;
}
