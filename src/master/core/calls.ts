/**
 * Scheduler calls other than SUBSCRIBE, and what operators ask: may this caller speak for this
 * framework, and who carries it out. Each call is answered once, before its consequences.
 * Source: semantics 3.2 rule 2, http-api 2.2, 2.4, 4.2.
 */
import { brand, type ExecutorId, type FrameworkId, type TaskId } from "../../base/ids.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type {
  SchedulerCall,
  SchedulerCallKill,
  SchedulerCallMessage,
  SchedulerCallShutdown,
} from "../../protocol/v1/types.ts";
import { accept, decline } from "./accept.ts";
import { denialOfTeardown } from "./authorization.ts";
import { command } from "./commands.ts";
import { log, type MasterContext } from "./context.ts";
import { removeFramework, updateFramework } from "./frameworks.ts";
import type { MasterInput } from "./inputs.ts";
import { answerInverseOffers, forgetRefusals } from "./inverse-offers.ts";
import { forgetDeclined } from "./offers.ts";
import { acknowledgeOperationStatus } from "./operations.ts";
import { checkDrained } from "./operator/drained.ts";
import { admitCall, nextCall } from "./rate-limits.ts";
import { reconcile, reconcileOperations, reconcileTask } from "./reconcile.ts";
import { executorKey, type FrameworkEntry, type TaskEntry } from "./state.ts";
import { acknowledge } from "./updates.ts";

type Input<Kind extends MasterInput["kind"]> = Extract<MasterInput, { readonly kind: Kind }>;

/** Answers a call and carries it out. Errors: invalid, forbidden, notReady, notImplemented. */
export function schedulerCall(ctx: MasterContext, input: Input<"schedulerCall">): void {
  const caller = callerOf(ctx, input);
  if (!caller.ok) {
    respond(ctx, input.requestId, caller);
    return;
  }
  const { principal } = caller.value.info;
  ctx.counters.countMessage(principal, "received");
  const admitted = admitCall(ctx, caller.value, input);
  if (!admitted.ok) respond(ctx, input.requestId, admitted);
  else if (admitted.value === "now") carryOut(ctx, caller.value, input);
}

/** The turn of a call that had to wait; its framework may be another's or over by now. */
export function rateLimitTurn(ctx: MasterContext, key: string): void {
  const input = nextCall(ctx, key);
  if (input === undefined) return;
  const caller = callerOf(ctx, input);
  if (caller.ok) carryOut(ctx, caller.value, input);
  else respond(ctx, input.requestId, caller);
}

function carryOut(
  ctx: MasterContext,
  framework: FrameworkEntry,
  input: Input<"schedulerCall">,
): void {
  const { call } = input;
  ctx.counters.countMessage(framework.info.principal, "processed");
  if (call.type !== undefined) ctx.counters.countCall(framework, call.type);
  if (call.type === "UPDATE_FRAMEWORK" && call.update_framework !== undefined) {
    const { update_framework: update } = call;
    respond(ctx, input.requestId, updateFramework(ctx, framework, update, input.principal));
    return;
  }
  if (call.type === undefined || call.type === "UNKNOWN" || call.type === "SUBSCRIBE") {
    respond(ctx, input.requestId, refuse("notImplemented", `Call type ${call.type} is not known`));
    return;
  }
  respond(ctx, input.requestId, ok(undefined));
  perform(ctx, framework, call);
}

/** An operator ends one task. Errors: notFound, conflict, forbidden. */
export function operatorKill(ctx: MasterContext, input: Input<"operatorKill">): void {
  const task = findTask(ctx, input.taskId, input.frameworkId);
  const frameworkId = task.ok ? task.value.frameworkId : input.frameworkId;
  const found = denialOfTeardown(ctx, input.principal, frameworkId) ?? task;
  respond(ctx, input.requestId, found.ok ? ok(undefined) : found);
  if (!found.ok) return;
  const { graceMs } = input;
  const killPolicy =
    graceMs === undefined ? undefined : { grace_period: { nanoseconds: graceMs * 1_000_000 } };
  sendKill(ctx, found.value, killPolicy);
}

function callerOf(ctx: MasterContext, input: Input<"schedulerCall">): Result<FrameworkEntry> {
  const { call, streamId, principal } = input;
  if (!ctx.state.isRecovered) return refuse("notReady", "Master has not finished recovery");
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(call.framework_id?.value ?? ""));
  if (framework === undefined || framework.isLeaving) {
    return refuse("invalid", "Framework cannot be found", "framework_id");
  }
  if (principal !== undefined && principal !== framework.info.principal) {
    const names = `'${principal}' does not match principal '${framework.info.principal ?? ""}'`;
    return refuse("invalid", `Authenticated principal ${names} set in \`FrameworkInfo\``);
  }
  if (framework.streamId === undefined) return refuse("forbidden", "Framework is not subscribed");
  if (streamId === undefined) {
    const message = "All non-subscribe calls should include the 'Mesos-Stream-Id' header";
    return refuse("invalid", message);
  }
  if (streamId !== framework.streamId) {
    const request = `The stream ID '${streamId}' included in this request`;
    const message = `${request} didn't match the stream ID currently associated with framework ID ${framework.id}`;
    return refuse("invalid", message);
  }
  return ok(framework);
}

/** The call is complete for its type: `validateSchedulerCall` saw to that. */
function perform(ctx: MasterContext, framework: FrameworkEntry, call: SchedulerCall): void {
  const { counters } = ctx;
  switch (call.type) {
    case "TEARDOWN":
      counters.count("master/messages_unregister_framework");
      removeFramework(ctx, framework, "the scheduler tore it down");
      return;
    case "ACCEPT":
      if (call.accept !== undefined) accept(ctx, framework, call.accept);
      return;
    case "DECLINE":
      if (call.decline !== undefined) decline(ctx, framework, call.decline);
      return;
    case "REVIVE":
      counters.count("master/messages_revive_offers");
      revive(ctx, framework, call.revive?.roles ?? []);
      return;
    case "SUPPRESS":
      counters.count("master/messages_suppress_offers");
      suppress(ctx, framework, call.suppress?.roles ?? []);
      return;
    case "KILL":
      if (call.kill !== undefined) kill(ctx, framework, call.kill);
      return;
    case "SHUTDOWN":
      if (call.shutdown !== undefined) shutdown(ctx, framework, call.shutdown);
      return;
    case "ACKNOWLEDGE":
      if (call.acknowledge === undefined) return;
      acknowledge(ctx, framework, call.acknowledge);
      settleDrain(ctx, call.acknowledge.agent_id.value);
      return;
    case "RECONCILE":
      if (call.reconcile !== undefined) reconcile(ctx, framework, call.reconcile);
      return;
    case "ACKNOWLEDGE_OPERATION_STATUS":
      if (call.acknowledge_operation_status !== undefined) {
        acknowledgeOperationStatus(ctx, framework, call.acknowledge_operation_status);
        settleDrain(ctx, call.acknowledge_operation_status.agent_id?.value);
      }
      return;
    case "RECONCILE_OPERATIONS":
      if (call.reconcile_operations !== undefined) {
        reconcileOperations(ctx, framework, call.reconcile_operations);
      }
      return;
    case "MESSAGE":
      if (call.message !== undefined) sendMessage(ctx, framework, call.message);
      return;
    case "REQUEST":
      counters.count("master/messages_resource_request");
      return;
    case "ACCEPT_INVERSE_OFFERS":
      answerInverseOffers(ctx, framework, call.accept_inverse_offers?.inverse_offer_ids ?? [], {
        status: "ACCEPT",
        filters: call.accept_inverse_offers?.filters,
      });
      return;
    case "DECLINE_INVERSE_OFFERS":
      answerInverseOffers(ctx, framework, call.decline_inverse_offers?.inverse_offer_ids ?? [], {
        status: "DECLINE",
        filters: call.decline_inverse_offers?.filters,
      });
      return;
    default:
      return;
  }
}

function settleDrain(ctx: MasterContext, agentId: string | undefined): void {
  const agent = ctx.state.agents.get(brand(agentId ?? ""));
  if (agent !== undefined) checkDrained(ctx, agent);
}

function revive(ctx: MasterContext, framework: FrameworkEntry, roles: readonly string[]): void {
  if (!areOwnRoles(ctx, framework, roles)) return;
  for (const role of rolesOrAll(framework, roles)) framework.suppressedRoles.delete(role);
  ctx.allocator.revive(framework.id, roles);
  forgetDeclined(ctx, framework, new Set(rolesOrAll(framework, roles)));
  forgetRefusals(ctx, framework);
}

/** Outstanding offers stay valid (semantics 4.6). */
function suppress(ctx: MasterContext, framework: FrameworkEntry, roles: readonly string[]): void {
  if (!areOwnRoles(ctx, framework, roles)) return;
  for (const role of rolesOrAll(framework, roles)) framework.suppressedRoles.add(role);
  ctx.allocator.suppress(framework.id, roles);
}

function areOwnRoles(
  ctx: MasterContext,
  framework: FrameworkEntry,
  roles: readonly string[],
): boolean {
  const own = new Set(framework.roles);
  const foreign = roles.find((role) => !own.has(role));
  if (foreign === undefined) return true;
  const fields = { frameworkId: framework.id, role: foreign };
  log(ctx, "warning", "dropped a call that names a role the framework does not have", fields);
  return false;
}

function rolesOrAll(framework: FrameworkEntry, roles: readonly string[]): readonly string[] {
  return roles.length === 0 ? framework.roles : roles;
}

/** Reaches the agent now or when it returns; an unknown task is reconciled instead. */
function kill(ctx: MasterContext, framework: FrameworkEntry, call: SchedulerCallKill): void {
  ctx.counters.count("master/messages_kill_task");
  const task = framework.tasks.get(brand<TaskId>(call.task_id.value));
  if (task === undefined) {
    reconcileTask(ctx, framework, call.task_id.value, call.agent_id?.value);
    return;
  }
  if (call.agent_id !== undefined && call.agent_id.value !== task.agentId) {
    const fields = { taskId: task.id, agentId: task.agentId, named: call.agent_id.value };
    log(ctx, "warning", "ignored a kill that names another agent", fields);
    return;
  }
  sendKill(ctx, task, call.kill_policy);
}

function sendKill(
  ctx: MasterContext,
  task: TaskEntry,
  killPolicy: SchedulerCallKill["kill_policy"],
): void {
  const agent = ctx.state.agents.get(task.agentId);
  if (agent === undefined) return;
  command(ctx, agent, {
    kind: "killTask",
    frameworkId: task.frameworkId,
    taskId: task.id,
    ...(killPolicy !== undefined && { killPolicy }),
  });
}

function shutdown(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallShutdown,
): void {
  const agent = ctx.state.agents.get(brand(call.agent_id.value));
  const executorId = brand<ExecutorId>(call.executor_id.value);
  if (agent === undefined || !agent.executors.has(executorKey(framework.id, executorId))) return;
  command(ctx, agent, { kind: "shutdownExecutor", frameworkId: framework.id, executorId });
}

/** Best effort: lost when the agent is away. */
function sendMessage(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallMessage,
): void {
  ctx.counters.count("master/messages_framework_to_executor");
  const agent = ctx.state.agents.get(brand(call.agent_id.value));
  if (agent?.linkId === undefined) {
    ctx.counters.count("master/invalid_framework_to_executor_messages");
    return;
  }
  ctx.counters.count("master/valid_framework_to_executor_messages");
  command(ctx, agent, {
    kind: "frameworkMessage",
    frameworkId: framework.id,
    executorId: call.executor_id.value,
    data: call.data,
  });
}

function findTask(
  ctx: MasterContext,
  taskId: string,
  frameworkId: string | undefined,
): Result<TaskEntry> {
  const found: TaskEntry[] = [];
  for (const framework of ctx.state.frameworks.values()) {
    if (frameworkId !== undefined && framework.id !== frameworkId) continue;
    const task = framework.tasks.get(brand<TaskId>(taskId));
    if (task !== undefined) found.push(task);
  }
  const [task] = found;
  if (task === undefined)
    return refuse("notFound", `No active task has the id ${taskId}`, "taskId");
  if (found.length === 1) return ok(task);
  const names = found.map((candidate) => candidate.frameworkId).join(", ");
  return refuse("conflict", `Several frameworks have a task ${taskId}; name one of ${names}`);
}

function respond(ctx: MasterContext, requestId: number, outcome: Result<void>): void {
  ctx.effects.push({ kind: "respond", requestId, outcome });
}
