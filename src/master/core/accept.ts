/**
 * ACCEPT and DECLINE: offers are given up and what was wanted is carried out on what they held, in
 * order, a failing part never stopping the next. Source: semantics 4.8, 4.11, 5; http-api 4.3.
 */
import { brand, type ExecutorId, type OfferId } from "../../base/ids.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type {
  ExecutorInfo,
  OfferOperation,
  SchedulerCallAccept,
  SchedulerCallDecline,
  Task,
  TaskInfo,
  TaskState,
  TaskStatusReason,
} from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { command } from "./commands.ts";
import { log, type MasterContext, sendEvent } from "./context.ts";
import { noteUnusedOffers, removeOffer, returnOffer } from "./offers.ts";
import { faultOfOperation, normalizeOperation } from "./operation-validation.ts";
import { applyOperation, bundlesOf, rescindOffersWith, volumeInUse } from "./operations.ts";
import { refuseMsOf } from "./refusals.ts";
import {
  allocatedResources,
  emptyBundle,
  printResources,
  resourceMessages,
} from "./resource-forms.ts";
import {
  type AgentEntry,
  type ExecutorEntry,
  executorKey,
  type FrameworkEntry,
  isAgentActive,
  type OfferEntry,
} from "./state.ts";
import { faultOfTask } from "./task-validation.ts";
import {
  addExecutor,
  addTask,
  lossState,
  masterStatus,
  newTaskEntry,
  sendStatus,
} from "./tasks.ts";

/** Carries out an ACCEPT. Every task of it is launched or answered with a terminal state. */
export function accept(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallAccept,
): void {
  const operations = call.operations ?? [];
  for (const { type } of operations) ctx.counters.countOperation(framework, type ?? "UNKNOWN");
  const checked = checkOffers(ctx, framework, call.offer_ids ?? []);
  if (!checked.ok) {
    dropOffers(ctx, framework, call.offer_ids ?? []);
    dropOperations(ctx, framework, operations, "REASON_INVALID_OFFERS", checked.error);
    return;
  }
  const { agent, offers, role } = checked.value;
  ctx.counters.countOffers(framework, "accepted", offers.length);
  const remaining = emptyBundle(ctx.kinds);
  for (const offer of offers) {
    remaining.add(offer.resources);
    removeOffer(ctx, offer);
  }
  const launch: Launch = {
    framework,
    agent,
    role,
    remaining,
    converted: emptyBundle(ctx.kinds),
    launchedCount: 0,
    operationCount: 0,
  };
  for (const operation of operations) perform(ctx, launch, operation);
  // Converted leftovers come back without a filter, so that their maker is offered them at once.
  const refuseMs = launch.operationCount > 0 ? 0 : refuseMsOf(call.filters);
  if (launch.launchedCount + launch.operationCount === 0) noteUnusedOffers(ctx, refuseMs);
  remaining.add(launch.converted);
  if (remaining.isEmpty()) return;
  ctx.allocator.recover(framework.id, agent.id, remaining, refuseMs, ctx.nowMs);
}

/** Gives offers back with a filter; unknown ones are ignored. */
export function decline(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallDecline,
): void {
  ctx.counters.count("master/messages_decline_offers");
  const refuseMs = refuseMsOf(call.filters);
  for (const { value } of call.offer_ids ?? []) {
    const offer = offerOf(ctx, framework, value);
    if (offer === undefined) continue;
    ctx.counters.countOffers(framework, "declined", 1);
    noteUnusedOffers(ctx, refuseMs);
    returnOffer(ctx, offer, refuseMs);
  }
}

/** An ACCEPT under way; `remaining` shrinks as its operations take from it. */
interface Launch {
  readonly framework: FrameworkEntry;
  readonly agent: AgentEntry;
  readonly role: string;
  /** Allocated form. */
  readonly remaining: Bundle;
  /** Made by this call, but not for its later operations; allocated form. */
  readonly converted: Bundle;
  launchedCount: number;
  operationCount: number;
}

interface AcceptedOffers {
  readonly agent: AgentEntry;
  readonly offers: readonly OfferEntry[];
  readonly role: string;
}

function checkOffers(
  ctx: MasterContext,
  framework: FrameworkEntry,
  offerIds: readonly { readonly value: string }[],
): Result<AcceptedOffers, string> {
  const offers = new Map<OfferId, OfferEntry>();
  for (const { value } of offerIds) {
    const offer = offerOf(ctx, framework, value);
    if (offer === undefined) return err(`Offer ${value} is no longer valid`);
    if (offers.has(offer.id)) return err(`Duplicate offer ${value} in offer list`);
    offers.set(offer.id, offer);
  }
  const [first] = offers.values();
  if (first === undefined) return err("No offers specified");
  for (const offer of offers.values()) {
    if (offer.agentId !== first.agentId) {
      return err(`Aggregated offers must belong to one single agent. Offer ${offer.id} does not`);
    }
    if (offer.role !== first.role) {
      return err(`Aggregated offers must be allocated to the same role. Offer ${offer.id} is not`);
    }
  }
  const agent = ctx.state.agents.get(first.agentId);
  if (agent === undefined || !isAgentActive(ctx.state, agent)) {
    return err(`Agent ${first.agentId} of the offers is not available`);
  }
  return ok({ agent, offers: [...offers.values()], role: first.role });
}

function offerOf(
  ctx: MasterContext,
  framework: FrameworkEntry,
  id: string,
): OfferEntry | undefined {
  const offer = ctx.state.offers.get(brand<OfferId>(id));
  return offer?.frameworkId === framework.id ? offer : undefined;
}

function dropOffers(
  ctx: MasterContext,
  framework: FrameworkEntry,
  offerIds: readonly { readonly value: string }[],
): void {
  for (const { value } of offerIds) {
    const offer = offerOf(ctx, framework, value);
    if (offer !== undefined) returnOffer(ctx, offer, 0);
  }
}

function dropOperations(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operations: readonly OfferOperation[],
  reason: TaskStatusReason,
  why: string,
): void {
  const state = lossState(framework, "TASK_DROPPED");
  const message = `Task launched with invalid offers: ${why}`;
  for (const operation of operations) {
    for (const task of tasksOf(operation)) {
      refuseTask(ctx, framework, task, { state, reason, message });
    }
    if (!isLaunch(operation)) refuseOperation(ctx, framework, operation, why);
  }
}

function perform(ctx: MasterContext, launch: Launch, operation: OfferOperation): void {
  const { framework } = launch;
  switch (operation.type) {
    case "LAUNCH":
      performLaunch(ctx, launch, operation);
      return;
    case "LAUNCH_GROUP":
      refuseGroup(ctx, framework, operation);
      return;
    default: {
      const fault = performConversion(ctx, launch, operation);
      if (fault !== undefined) refuseOperation(ctx, framework, operation, fault);
    }
  }
}

/** Applies an operation on resources to what is left of the offers, or says why not. */
function performConversion(
  ctx: MasterContext,
  launch: Launch,
  operation: OfferOperation,
): string | undefined {
  const { framework, agent, role, remaining } = launch;
  const info = normalizeOperation(operation, role);
  const { principal } = framework.info;
  const fault = faultOfOperation({ agent, framework, role, principal, operation: info });
  if (fault !== undefined) return fault;
  const bundles = bundlesOf(ctx, info);
  if (!bundles.ok) return bundles.error.message;
  const { consumed, converted } = bundles.value;
  if (!remaining.contains(consumed)) {
    return `The offer does not contain ${printResources(consumed)}`;
  }
  if (info.type === "DESTROY") {
    const used = volumeInUse(agent, consumed);
    if (used !== undefined) return `Volume '${used}' is used by a task`;
    rescindOffersWith(ctx, agent, consumed.withoutAllocation());
  }
  remaining.subtract(consumed);
  ctx.allocator.recover(framework.id, agent.id, consumed, 0, ctx.nowMs);
  applyOperation(ctx, agent, framework, info, bundles.value);
  ctx.allocator.addUsed(framework.id, agent.id, converted);
  // What a volume was resized to is not for later operations of this call (semantics 5).
  const isKept = info.type === "GROW_VOLUME" || info.type === "SHRINK_VOLUME";
  (isKept ? launch.converted : remaining).add(converted);
  launch.operationCount += 1;
  return undefined;
}

function performLaunch(ctx: MasterContext, launch: Launch, operation: OfferOperation): void {
  const tasks = operation.launch?.task_infos ?? [];
  if (tasks.length === 0) {
    ctx.counters.count("master/messages_decline_offers");
    return;
  }
  ctx.counters.count("master/messages_launch_tasks");
  for (const task of tasks) {
    const fault =
      operation.id === undefined
        ? launchTask(ctx, launch, task)
        : "The `id` field cannot be set on LAUNCH operations";
    if (fault === undefined) continue;
    refuseTask(ctx, launch.framework, task, {
      state: "TASK_ERROR",
      reason: "REASON_TASK_INVALID",
      message: fault,
    });
  }
}

/** Launches one task, or says why not. */
function launchTask(ctx: MasterContext, launch: Launch, task: TaskInfo): string | undefined {
  const { framework, agent, role, remaining } = launch;
  const executor = completeExecutor(framework, task.executor);
  const known = executor === undefined ? undefined : knownExecutor(launch, executor);
  const candidate = { framework, agent, role, remaining, task, executor, known };
  const fault = faultOfTask(ctx, candidate);
  if (fault !== undefined) return fault;
  const resources = allocatedResources(ctx.kinds, task.resources ?? [], role);
  remaining.subtract(resources);
  const running =
    executor === undefined ? undefined : (known ?? startExecutor(ctx, launch, executor));
  const order: TaskInfo = {
    ...task,
    resources: resourceMessages(resources),
    ...(running !== undefined && { executor: running.info }),
  };
  const entry = newTaskEntry({
    frameworkId: framework.id,
    agentId: agent.id,
    executorId: running?.id,
    description: describe(framework, order),
    resources,
    isDuplicate: false,
  });
  addTask(ctx, framework, agent, entry);
  launch.launchedCount += 1;
  command(ctx, agent, { kind: "runTask", framework: framework.info, task: order });
  return undefined;
}

function knownExecutor(launch: Launch, executor: ExecutorInfo): ExecutorEntry | undefined {
  const { framework, agent } = launch;
  return agent.executors.get(executorKey(framework.id, brand(executor.executor_id.value)));
}

/** The first task of a custom executor brings it along, and it takes its own share of the offer. */
function startExecutor(ctx: MasterContext, launch: Launch, executor: ExecutorInfo): ExecutorEntry {
  const { framework, agent, role, remaining } = launch;
  const resources = allocatedResources(ctx.kinds, executor.resources ?? [], role);
  remaining.subtract(resources);
  const entry: ExecutorEntry = {
    id: brand<ExecutorId>(executor.executor_id.value),
    frameworkId: framework.id,
    agentId: agent.id,
    info: { ...executor, resources: resourceMessages(resources) },
    resources,
  };
  addExecutor(agent, entry);
  return entry;
}

/** The executor as it will run: with the framework's id filled in. */
function completeExecutor(
  framework: FrameworkEntry,
  executor: ExecutorInfo | undefined,
): ExecutorInfo | undefined {
  if (executor === undefined || executor.framework_id !== undefined) return executor;
  return { ...executor, framework_id: { value: framework.id } };
}

/** The task as everybody but the agent sees it. */
function describe(framework: FrameworkEntry, task: TaskInfo): Task {
  const { command: order, executor, labels, discovery, container, limits } = task;
  const user = order?.user ?? executor?.command?.user;
  return {
    name: task.name,
    task_id: task.task_id,
    framework_id: { value: framework.id },
    agent_id: task.agent_id,
    state: "TASK_STAGING",
    resources: task.resources,
    ...(executor !== undefined && { executor_id: executor.executor_id }),
    ...(labels !== undefined && { labels }),
    ...(discovery !== undefined && { discovery }),
    ...(container !== undefined && { container }),
    ...(task.health_check !== undefined && { health_check: task.health_check }),
    ...(task.kill_policy !== undefined && { kill_policy: task.kill_policy }),
    ...(user !== undefined && { user }),
    ...(limits !== undefined && { limits }),
  };
}

function refuseGroup(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operation: OfferOperation,
): void {
  const message =
    operation.id === undefined
      ? "Task groups are not supported by this version; use LAUNCH"
      : "The `id` field cannot be set on LAUNCH_GROUP operations";
  const reason = "REASON_TASK_GROUP_INVALID";
  for (const task of tasksOf(operation)) {
    refuseTask(ctx, framework, task, { state: "TASK_ERROR", reason, message });
  }
}

function refuseTask(
  ctx: MasterContext,
  framework: FrameworkEntry,
  task: TaskInfo,
  verdict: {
    readonly state: TaskState;
    readonly reason: TaskStatusReason;
    readonly message: string;
  },
): void {
  const status = masterStatus(ctx, {
    taskId: task.task_id.value,
    agentId: task.agent_id.value,
    executorId: task.executor?.executor_id.value,
    ...verdict,
  });
  ctx.counters.countTerminal(framework, verdict.state, status);
  sendStatus(ctx, framework, status);
}

/** Only operations with an id can be answered; the others leave a line in the log. */
function refuseOperation(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operation: OfferOperation,
  message: string,
): void {
  const { id, type } = operation;
  log(ctx, "warning", "dropped an operation", { frameworkId: framework.id, type, why: message });
  if (id === undefined) return;
  const status = { operation_id: id, state: "OPERATION_ERROR", message } as const;
  sendEvent(ctx, framework, {
    type: "UPDATE_OPERATION_STATUS",
    update_operation_status: { status },
  });
}

function isLaunch(operation: OfferOperation): boolean {
  return operation.type === "LAUNCH" || operation.type === "LAUNCH_GROUP";
}

function tasksOf(operation: OfferOperation): readonly TaskInfo[] {
  if (operation.type === "LAUNCH") return operation.launch?.task_infos ?? [];
  if (operation.type === "LAUNCH_GROUP") return operation.launch_group?.task_group.tasks ?? [];
  return [];
}
