/**
 * Answers to "what do you know of my tasks": all of them, or one by one in the order of
 * semantics 6.5. Answers have no uuid and are not acknowledged.
 */
import { type AgentId, brand, type TaskId } from "../../base/ids.ts";
import type {
  OperationStatus,
  SchedulerCallReconcile,
  SchedulerCallReconcileOperations,
  TaskState,
} from "../../protocol/v1/types.ts";
import { type MasterContext, setTimer } from "./context.ts";
import { RECONCILED_PER_STEP_MAX, RECONCILED_WAITING_MAX } from "./limits.ts";
import { sendOperationStatus } from "./operations.ts";
import type {
  FrameworkEntry,
  ReconciledOperation,
  ReconciledTask,
  Reconciliation,
  TaskEntry,
} from "./state.ts";
import { lossState, masterStatus, sendStatus } from "./tasks.ts";

/** RECONCILE: empty means every active task, terminal but unacknowledged ones included. */
export function reconcile(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallReconcile,
): void {
  ctx.counters.count("master/messages_reconcile_tasks");
  const { streamId } = framework;
  if (streamId === undefined) return;
  const wanted = call.tasks ?? [];
  const tasks: ReconciledTask[] =
    wanted.length === 0
      ? [...framework.tasks.keys()].map((taskId) => ({
          taskId,
          agentId: undefined,
          isListed: true,
        }))
      : wanted.map(({ task_id, agent_id }) => ({
          taskId: task_id.value,
          agentId: agent_id?.value,
          isListed: false,
        }));
  const { id: frameworkId } = framework;
  answer(ctx, framework, { kind: "tasks", frameworkId, streamId, wanted: tasks, next: 0 });
}

/** RECONCILE_OPERATIONS: all that are known, or one by one. Source: semantics 5. */
export function reconcileOperations(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallReconcileOperations,
): void {
  ctx.counters.count("master/messages_reconcile_operations");
  const { streamId, id: frameworkId } = framework;
  if (streamId === undefined) return;
  const asked = call.operations ?? [];
  const wanted: ReconciledOperation[] =
    asked.length === 0
      ? [...operationsOf(ctx, framework).keys()].map((value) => ({
          asked: { operation_id: { value } },
          isListed: true,
        }))
      : asked.map((one) => ({ asked: one, isListed: false }));
  answer(ctx, framework, { kind: "operations", frameworkId, streamId, wanted, next: 0 });
}

/** Answers what fits into one step at once, if nobody waits, and the rest later. */
function answer(ctx: MasterContext, framework: FrameworkEntry, rest: Reconciliation): void {
  const { reconciliations } = ctx.state;
  const waiting = reconciliations.reduce((sum, one) => sum + one.wanted.length - one.next, 0);
  if (waiting + rest.wanted.length > RECONCILED_WAITING_MAX) {
    answerNext(ctx, framework, rest, rest.wanted.length);
    return;
  }
  reconciliations.push(rest);
  if (reconciliations.length === 1) goOnReconciling(ctx);
}

/** Answers for the next tasks and operations that were asked for. */
export function goOnReconciling(ctx: MasterContext): void {
  const { reconciliations } = ctx.state;
  let left = RECONCILED_PER_STEP_MAX;
  for (let first = reconciliations[0]; first !== undefined && left > 0; ) {
    const framework = ctx.state.frameworks.get(first.frameworkId);
    if (framework?.streamId === first.streamId) {
      left -= answerNext(ctx, framework, first, left);
      if (first.next < first.wanted.length) break;
    }
    reconciliations.shift();
    first = reconciliations[0];
  }
  if (reconciliations.length > 0) setTimer(ctx, { kind: "reconcile" }, 0);
}

/** Returns how many were answered for, `count` at most. */
function answerNext(
  ctx: MasterContext,
  framework: FrameworkEntry,
  rest: Reconciliation,
  count: number,
): number {
  const start = rest.next;
  rest.next = Math.min(start + count, rest.wanted.length);
  if (rest.kind === "operations") {
    answerOperations(ctx, framework, rest.wanted.slice(start, rest.next));
    return rest.next - start;
  }
  for (const { taskId, agentId, isListed } of rest.wanted.slice(start, rest.next)) {
    if (isListed && !framework.tasks.has(brand<TaskId>(taskId))) continue;
    reconcileTask(ctx, framework, taskId, agentId);
  }
  return rest.next - start;
}

/** Answers for one task; silent while an agent that could have it has not come back. */
export function reconcileTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  taskId: string,
  agentId: string | undefined,
): void {
  const task = framework.tasks.get(brand<TaskId>(taskId));
  if (task !== undefined) {
    sendLatest(ctx, framework, task);
    return;
  }
  const verdict = judgeUnknown(ctx, agentId === undefined ? undefined : brand<AgentId>(agentId));
  if (verdict === undefined) return;
  const status = masterStatus(ctx, {
    taskId,
    agentId,
    state: lossState(framework, verdict.state),
    reason: "REASON_RECONCILIATION",
    message: verdict.message,
    unreachableMs: verdict.unreachableMs,
  });
  sendStatus(ctx, framework, status);
}

function answerOperations(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operations: readonly ReconciledOperation[],
): void {
  const { recoveredAgents, unreachableAgents, goneAgents } = ctx.state;
  const known = operationsOf(ctx, framework);
  for (const { asked, isListed } of operations) {
    const { operation_id, agent_id, resource_provider_id } = asked;
    const latest = known.get(operation_id.value);
    if (latest !== undefined) {
      sendOperationStatus(ctx, framework, latest);
      continue;
    }
    if (isListed) continue;
    const agentId = brand<AgentId>(agent_id?.value ?? "");
    const state = recoveredAgents.has(agentId)
      ? "OPERATION_RECOVERING"
      : unreachableAgents.has(agentId)
        ? "OPERATION_UNREACHABLE"
        : goneAgents.has(agentId)
          ? "OPERATION_GONE_BY_OPERATOR"
          : "OPERATION_UNKNOWN";
    const status = {
      operation_id,
      state,
      message: "Reconciliation: Operation is unknown",
      ...(agent_id !== undefined && { agent_id }),
      ...(resource_provider_id !== undefined && { resource_provider_id }),
    } as const;
    sendOperationStatus(ctx, framework, status);
  }
}

/** Newest statuses by operation id, as answers: without a uuid. */
function operationsOf(
  ctx: MasterContext,
  framework: FrameworkEntry,
): ReadonlyMap<string, OperationStatus> {
  const known = new Map<string, OperationStatus>();
  for (const agent of ctx.state.agents.values()) {
    for (const { operation, latest } of agent.operations.values()) {
      const id = operation.info.id?.value;
      if (operation.frameworkId !== framework.id || id === undefined) continue;
      const { uuid: _, ...status } = latest;
      known.set(id, status);
    }
  }
  return known;
}

interface Verdict {
  readonly state: TaskState;
  readonly message: string;
  readonly unreachableMs?: number;
}

function judgeUnknown(ctx: MasterContext, agentId: AgentId | undefined): Verdict | undefined {
  const { agents, recoveredAgents, unreachableAgents, goneAgents } = ctx.state;
  if (agentId === undefined) {
    if (recoveredAgents.size > 0) return undefined;
    return { state: "TASK_UNKNOWN", message: "Reconciliation: Task is unknown" };
  }
  if (recoveredAgents.has(agentId)) return undefined;
  if (agents.has(agentId)) {
    return { state: "TASK_GONE", message: "Reconciliation: Task is unknown to the agent" };
  }
  const unreachable = unreachableAgents.get(agentId);
  if (unreachable !== undefined) {
    return {
      state: "TASK_UNREACHABLE",
      message: "Reconciliation: Task is unreachable",
      unreachableMs: unreachable.sinceMs,
    };
  }
  if (goneAgents.has(agentId)) {
    return { state: "TASK_GONE_BY_OPERATOR", message: "Reconciliation: Task is gone" };
  }
  return { state: "TASK_UNKNOWN", message: "Reconciliation: Task is unknown" };
}

/** What the framework was last shown, not what the agent may already know (semantics 6.4 rule 4). */
function sendLatest(ctx: MasterContext, framework: FrameworkEntry, task: TaskEntry): void {
  const latest = task.statuses.at(-1);
  const status = masterStatus(ctx, {
    taskId: task.id,
    agentId: task.agentId,
    executorId: task.executorId,
    state: task.statusUpdateState ?? task.state,
    reason: "REASON_RECONCILIATION",
    message: "Reconciliation: Latest task state",
  });
  const { healthy, check_status, container_status } = latest ?? {};
  sendStatus(ctx, framework, {
    ...status,
    ...(healthy !== undefined && { healthy }),
    ...(check_status !== undefined && { check_status }),
    ...(container_status !== undefined && { container_status }),
  });
}
