/**
 * Operations on agents' resources: counted here at once, carried out by the agent, kept until their
 * last status is acknowledged, by the framework when it gave them an id, else by the master.
 * Source: semantics 5.
 */

import { assert, must } from "../../base/assert.ts";
import { brand, type FrameworkId } from "../../base/ids.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { uuidToBase64 } from "../../protocol/base64.ts";
import type { AgentOperation, AgentToMaster } from "../../protocol/link-frames.ts";
import type {
  Operation,
  OperationState,
  OperationStatus,
  SchedulerCallAcknowledgeOperationStatus,
} from "../../protocol/v1/types.ts";
import { Bundle } from "../../resources/bundle.ts";
import { bundlesOfConversion, conversionOf } from "../../resources/conversion.ts";
import { formatResources } from "../../resources/format.ts";
import { changeAgent } from "./agent-changes.ts";
import { command, isPending } from "./commands.ts";
import { type MasterContext, sendEvent } from "./context.ts";
import { rescindOffer } from "./offers.ts";
import type { AgentEntry, FrameworkEntry, OperationEntry } from "./state.ts";
import { tallyOperation } from "./tally.ts";

/** How long a framework may take to come back after a master's failover (semantics 5). */
const ORPHAN_PATIENCE_MS = 10 * 60_000;

/** Both sides of a conversion as bundles, in the form the operation has. */
export interface BundleConversion {
  readonly consumed: Bundle;
  readonly converted: Bundle;
}

/**
 * What an operation makes of resources. Refusals as `bundlesOfConversion`, those of `judge`, which is
 * asked about what it takes, and `conflict` for resources that nobody has. What it would make is
 * looked at last: kinds are remembered for good, and a refused operation may name any.
 */
export function bundlesOf(
  ctx: MasterContext,
  operation: AgentOperation["info"],
  judge: (consumed: Bundle) => Result<void>,
): Result<BundleConversion> {
  const conversion = conversionOf(operation);
  if (!conversion.ok) return conversion;
  const { consumed } = conversion.value;
  const absent = consumed.find((resource) => !ctx.kinds.isKnown(resource));
  if (absent !== undefined) {
    return refuse("conflict", `Nothing contains ${formatResources([absent])}`);
  }
  const judged = judge(Bundle.from(ctx.kinds, consumed));
  return judged.ok ? bundlesOfConversion(ctx.kinds, operation) : judged;
}

/** Counts the conversion on the agent, and has the agent carry it out. Allocation is the caller's. */
export function applyOperation(
  ctx: MasterContext,
  agent: AgentEntry,
  framework: FrameworkEntry | undefined,
  info: AgentOperation["info"],
  { consumed, converted }: BundleConversion,
): void {
  changeAgent(ctx.state, agent, () => {
    agent.total.subtract(consumed.withoutAllocation());
    agent.total.add(converted.withoutAllocation());
  });
  ctx.allocator.updateAgent(agent.id, agent.info, agent.total.clone());
  const operation: AgentOperation = {
    uuid: newOperationUuid(ctx),
    frameworkId: framework?.id,
    info,
  };
  const pending = { ...idOf(info), state: "OPERATION_PENDING", agent_id: { value: agent.id } };
  addOperation(ctx, agent, {
    operation,
    latest: pending as OperationStatus,
    statuses: [],
  });
  command(ctx, agent, { kind: "applyOperation", operation });
}

/** Puts an operation on its agent's list. */
export function addOperation(ctx: MasterContext, agent: AgentEntry, entry: OperationEntry): void {
  agent.operations.set(entry.operation.uuid, entry);
  tallyOperation(ctx.state.tally, entry, 1);
}

/** Takes an operation off its agent's list, where it must be. */
export function forgetOperation(ctx: MasterContext, agent: AgentEntry, uuid: string): void {
  const entry = must(agent.operations.get(uuid), "operation of an agent");
  agent.operations.delete(uuid);
  tallyOperation(ctx.state.tally, entry, -1);
}

/** An agent tells of an operation; also of one this master never knew. */
export function operationStatus(
  ctx: MasterContext,
  agent: AgentEntry,
  { operation, status }: Extract<AgentToMaster, { readonly kind: "operationStatus" }>,
): void {
  ctx.counters.count("master/messages_operation_status_update");
  // Repeated by an agent that has not read the acknowledgement yet.
  if (isAcknowledging(agent, operation.uuid)) {
    ctx.counters.count("master/invalid_operation_status_updates");
    return;
  }
  ctx.counters.count("master/valid_operation_status_updates");
  const known = agent.operations.get(operation.uuid);
  const entry: OperationEntry = known ?? { operation, latest: status, statuses: [] };
  if (known === undefined) addOperation(ctx, agent, entry);
  if (entry.latest.uuid?.value !== status.uuid?.value) {
    entry.statuses.push(status);
    ctx.counters.countOperationState(operation.info.type ?? "UNKNOWN", status.state);
  }
  tallyOperation(ctx.state.tally, entry, -1);
  entry.latest = status;
  tallyOperation(ctx.state.tally, entry, 1);
  const framework = frameworkOf(ctx, operation);
  if (framework !== undefined && operation.info.id !== undefined) {
    sendOperationStatus(ctx, framework, status);
  } else if (isOrphan(ctx, agent, operation)) acknowledge(ctx, agent, entry);
}

/** An acknowledgement is on its way to the agent. */
export function isAcknowledging(agent: AgentEntry, operationUuid: string): boolean {
  return isPending(
    agent,
    (order) => order.kind === "acknowledgeOperation" && order.operationUuid === operationUuid,
  );
}

/**
 * Nobody wants to hear of it: no id, no framework, or one that is over. A framework this master does
 * not know may still come back after a failover; the agent repeats the status meanwhile.
 */
function isOrphan(ctx: MasterContext, agent: AgentEntry, operation: AgentOperation): boolean {
  const { frameworkId, info } = operation;
  if (frameworkId === undefined || info.id === undefined) return true;
  const id = brand<FrameworkId>(frameworkId);
  if (ctx.state.frameworks.has(id)) return false;
  const sinceMs = ctx.nowMs - (agent.reregisteredMs ?? agent.registeredMs);
  return ctx.state.completedFrameworks.has(id) || sinceMs > ORPHAN_PATIENCE_MS;
}

/** ACKNOWLEDGE_OPERATION_STATUS of a framework. */
export function acknowledgeOperationStatus(
  ctx: MasterContext,
  framework: FrameworkEntry,
  call: SchedulerCallAcknowledgeOperationStatus,
): void {
  ctx.counters.count("master/messages_operation_status_update_acknowledgement");
  const agent = ctx.state.agents.get(brand(call.agent_id?.value ?? ""));
  for (const entry of agent?.operations.values() ?? []) {
    const { operation, latest } = entry;
    const isIt =
      operation.frameworkId === framework.id &&
      operation.info.id?.value === call.operation_id.value;
    if (!isIt || agent === undefined || latest.uuid?.value !== call.uuid) continue;
    ctx.counters.count("master/valid_operation_status_update_acknowledgements");
    acknowledge(ctx, agent, entry);
    return;
  }
  ctx.counters.count("master/invalid_operation_status_update_acknowledgements");
}

/**
 * What becomes of an agent's operations when it is lost: told once, not acknowledged. Without a
 * state nobody is told, as of an agent that went in order.
 */
export function loseOperations(
  ctx: MasterContext,
  agent: AgentEntry,
  state: OperationState | undefined,
): void {
  for (const { operation } of agent.operations.values()) {
    if (state === undefined) break;
    ctx.counters.countOperationState(operation.info.type ?? "UNKNOWN", state);
    const framework = frameworkOf(ctx, operation);
    if (framework === undefined || operation.info.id === undefined) continue;
    const status = { ...idOf(operation.info), state, agent_id: { value: agent.id } };
    sendOperationStatus(ctx, framework, status);
  }
  for (const uuid of [...agent.operations.keys()]) forgetOperation(ctx, agent, uuid);
}

/** A removed framework acknowledges nothing any more. */
export function adoptOrphanOperations(
  ctx: MasterContext,
  agent: AgentEntry,
  frameworkId: FrameworkId,
): void {
  for (const entry of [...agent.operations.values()]) {
    if (entry.operation.frameworkId === frameworkId) acknowledge(ctx, agent, entry);
  }
}

/**
 * Frees what an operator's operation needs by withdrawing offers, one by one. Refusal: `conflict`.
 * Differs from Mesos: when all offers together would not free enough, none is withdrawn, so that a
 * refused call changes nothing; and the rest of a withdrawn offer is offered again at once, since the
 * operation has what it needs before the allocator runs.
 */
export function makeRoom(ctx: MasterContext, agent: AgentEntry, needed: Bundle): Result<void> {
  if (!unusedOn(agent).contains(needed)) return notFree(agent);
  for (const offerId of [...agent.offers]) {
    if (freeOn(ctx, agent).contains(needed)) return ok(undefined);
    const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
    if (offer.resources.withoutAllocation().intersects(needed)) rescindOffer(ctx, offer);
  }
  assert(freeOn(ctx, agent).contains(needed), "what no task uses is free once no offer holds it");
  return ok(undefined);
}

/** For `bundlesOf`: an operation may take what is in `total`, which is that agent's. */
export function takenFrom(total: Bundle, agent: AgentEntry): (consumed: Bundle) => Result<void> {
  return (consumed) =>
    total.contains(consumed.withoutAllocation()) ? ok(undefined) : notFree(agent);
}

/** Refusal: `conflict`. */
function notFree({ id }: AgentEntry): Result<never> {
  return refuse("conflict", `Agent ${id} does not have these resources free`);
}

/** The id of a volume among these that a task or executor uses. Source: semantics 5 (DESTROY). */
export function volumeInUse(agent: AgentEntry, volumes: Bundle): string | undefined {
  const kinds = new Set(volumes.withoutAllocation().presentKinds());
  for (const used of agent.used.values()) {
    const [resource] = used
      .withoutAllocation()
      .filter((kind) => kind.isPersistentVolume && kinds.has(kind))
      .toResources();
    if (resource !== undefined) return resource.disk?.persistence?.id ?? resource.name;
  }
  return undefined;
}

/** Withdraws every offer on the agent that holds a part of these, unallocated. */
export function rescindOffersWith(ctx: MasterContext, agent: AgentEntry, resources: Bundle): void {
  for (const offerId of [...agent.offers]) {
    const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
    if (offer.resources.withoutAllocation().intersects(resources)) rescindOffer(ctx, offer);
  }
}

/** As GET_OPERATIONS tells it. */
export function operationMessage(agent: AgentEntry, entry: OperationEntry): Operation {
  const { operation, latest, statuses } = entry;
  return {
    ...(operation.frameworkId !== undefined && { framework_id: { value: operation.frameworkId } }),
    agent_id: { value: agent.id },
    info: operation.info,
    latest_status: latest,
    statuses,
    uuid: { value: operation.uuid },
  };
}

function acknowledge(ctx: MasterContext, agent: AgentEntry, entry: OperationEntry): void {
  const uuid = entry.latest.uuid?.value;
  // Nothing was told of it yet: the acknowledgement follows the first status.
  if (uuid === undefined) return;
  forgetOperation(ctx, agent, entry.operation.uuid);
  command(ctx, agent, { kind: "acknowledgeOperation", operationUuid: entry.operation.uuid, uuid });
}

export function sendOperationStatus(
  ctx: MasterContext,
  framework: FrameworkEntry,
  status: OperationStatus,
): void {
  sendEvent(ctx, framework, {
    type: "UPDATE_OPERATION_STATUS",
    update_operation_status: { status },
  });
}

function frameworkOf(
  ctx: MasterContext,
  { frameworkId }: AgentOperation,
): FrameworkEntry | undefined {
  return frameworkId === undefined ? undefined : ctx.state.frameworks.get(brand(frameworkId));
}

function idOf(info: AgentOperation["info"]): Pick<OperationStatus, "operation_id"> {
  return info.id === undefined ? {} : { operation_id: info.id };
}

/** Unallocated form. */
function freeOn(ctx: MasterContext, agent: AgentEntry): Bundle {
  const free = unusedOn(agent);
  for (const offerId of agent.offers) {
    const offer = ctx.state.offers.get(offerId);
    if (offer !== undefined) free.subtract(taken(offer.resources));
  }
  return free;
}

/** What no task or executor uses, offered or not. */
function unusedOn(agent: AgentEntry): Bundle {
  const unused = agent.total.clone();
  for (const used of agent.used.values()) unused.subtract(taken(used));
  return unused;
}

/** A shared volume stays free however many hold it. */
function taken(bundle: Bundle): Bundle {
  return bundle.withoutAllocation().filter((kind) => !kind.isShared);
}

/** Below 2^48, so that the sum stays exact. */
const LAST_GROUP = 2 ** 48;

/** Unique among all masters without randomness: the master's own id plus a number. */
function newOperationUuid(ctx: MasterContext): string {
  const id = ctx.options.info.id;
  const tail = Number.parseInt(id.slice(-12), 16);
  const number = ctx.state.nextOperation++;
  const last = ((Number.isNaN(tail) ? 0 : tail) + number) % LAST_GROUP;
  const text = `${id.slice(0, -12)}${last.toString(16).padStart(12, "0")}`;
  return must(uuidToBase64(text), "the master's id is a UUID");
}
