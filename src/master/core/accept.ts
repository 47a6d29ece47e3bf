/**
 * ACCEPT and DECLINE: offers are given up and what was wanted is carried out on what they held, in
 * order, a failing part never stopping the next. Source: semantics 4.8, 4.11, 5; http-api 4.3.
 */
import { brand, type OfferId } from "../../base/ids.ts";
import { err, ok, type Result, refuse } from "../../base/result.ts";
import { excerpt } from "../../base/text.ts";
import type {
  OfferOperation,
  SchedulerCallAccept,
  SchedulerCallDecline,
  TaskStatusReason,
} from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";
import { denialOfOperation } from "./authorization.ts";
import { log, type MasterContext, sendEvent } from "./context.ts";
import { withHeldVolumes } from "./held-volumes.ts";
import { type Launch, performLaunch, performLaunchGroup, refuseTask, tasksOf } from "./launches.ts";
import { REFUSAL_LENGTH_MAX } from "./limits.ts";
import { OfferPool } from "./offer-pool.ts";
import { DISCARDED, doomOffer, endDoomedOffers, noteUnusedOffers, removeOffer } from "./offers.ts";
import { faultOfOperation, normalizeOperation } from "./operation-validation.ts";
import { applyOperation, bundlesOf, rescindOffersWith, volumeInUse } from "./operations.ts";
import { refuseMsOf } from "./refusals.ts";
import { printResources } from "./resource-forms.ts";
import { type AgentEntry, type FrameworkEntry, isAgentActive, type OfferEntry } from "./state.ts";
import { lossState } from "./tasks.ts";

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
    dropOperations(ctx, framework, operations, checked.error);
    return;
  }
  const { agent, offers, role } = checked.value;
  ctx.counters.countOffers(framework, "accepted", offers.length);
  for (const offer of offers) removeOffer(ctx, offer);
  const pool = new OfferPool(
    ctx.kinds,
    offers.map(({ resources }) => resources),
  );
  const launch: AcceptUnderWay = {
    framework,
    agent,
    role,
    pool,
    launchedCount: 0,
    conversionCount: 0,
  };
  for (const operation of operations) perform(ctx, launch, operation);
  returnLeftovers(ctx, launch, refuseMsOf(call.filters));
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
    doomOffer(ctx, offer, { isTold: false, refuseMs });
  }
  endDoomedOffers(ctx);
}

interface AcceptUnderWay extends Launch {
  conversionCount: number;
}

/** Converted leftovers come back without a filter, so that their maker is offered them at once. */
function returnLeftovers(ctx: MasterContext, launch: AcceptUnderWay, refuseMs: number): void {
  const { framework, agent, pool } = launch;
  const { untouched, converted } = pool.leftovers();
  if (launch.launchedCount + launch.conversionCount === 0) noteUnusedOffers(ctx, refuseMs);
  if (!converted.isEmpty()) {
    ctx.allocator.recover(framework.id, agent.id, converted, 0, ctx.nowMs);
  }
  if (!untouched.isEmpty()) {
    ctx.allocator.recover(framework.id, agent.id, untouched, refuseMs, ctx.nowMs);
  }
}

/** Why an ACCEPT is refused as a whole. */
interface Rejection {
  readonly reason: TaskStatusReason;
  readonly message: string;
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
): Result<AcceptedOffers, Rejection> {
  const offers = new Map<OfferId, OfferEntry>();
  for (const { value } of offerIds) {
    const offer = offerOf(ctx, framework, value);
    if (offer === undefined) return invalid(`Offer ${value} is no longer valid`);
    if (offers.has(offer.id)) return invalid(`Duplicate offer ${value} in offer list`);
    offers.set(offer.id, offer);
  }
  const [first] = offers.values();
  if (first === undefined) return invalid("No offers specified");
  for (const offer of offers.values()) {
    if (offer.agentId !== first.agentId) {
      return invalid(
        `Aggregated offers must belong to one single agent. Offer ${offer.id} does not`,
      );
    }
    if (offer.role !== first.role) {
      return invalid(
        `Aggregated offers must be allocated to the same role. Offer ${offer.id} is not`,
      );
    }
  }
  const agent = ctx.state.agents.get(first.agentId);
  if (agent === undefined || !isAgentActive(ctx.state, agent)) {
    // Its offers are still out only while it is on its way out of the registry.
    return err({ reason: "REASON_AGENT_REMOVED", message: "Agent removed" });
  }
  return ok({ agent, offers: [...offers.values()], role: first.role });
}

function invalid(why: string): Result<never, Rejection> {
  return err({
    reason: "REASON_INVALID_OFFERS",
    message: `Task launched with invalid offers: ${why}`,
  });
}

function offerOf(
  ctx: MasterContext,
  framework: FrameworkEntry,
  id: string,
): OfferEntry | undefined {
  const offer = ctx.state.offers.get(brand<OfferId>(id));
  if (offer?.frameworkId !== framework.id || ctx.state.doomedOffers.has(offer)) return undefined;
  return offer;
}

function dropOffers(
  ctx: MasterContext,
  framework: FrameworkEntry,
  offerIds: readonly { readonly value: string }[],
): void {
  for (const { value } of offerIds) {
    const offer = offerOf(ctx, framework, value);
    if (offer !== undefined) doomOffer(ctx, offer, DISCARDED);
  }
  endDoomedOffers(ctx);
}

function dropOperations(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operations: readonly OfferOperation[],
  { reason, message }: Rejection,
): void {
  const state = lossState(framework, "TASK_DROPPED");
  for (const operation of operations) {
    for (const task of tasksOf(operation)) {
      refuseTask(ctx, framework, task, { state, reason, message });
    }
    if (!isLaunch(operation)) refuseOperation(ctx, framework, operation, message);
  }
}

function perform(ctx: MasterContext, launch: AcceptUnderWay, operation: OfferOperation): void {
  switch (operation.type) {
    case "LAUNCH":
      performLaunch(ctx, launch, operation);
      return;
    case "LAUNCH_GROUP":
      performLaunchGroup(ctx, launch, operation);
      return;
    default: {
      const fault = performConversion(ctx, launch, operation);
      if (fault !== undefined) refuseOperation(ctx, launch.framework, operation, fault);
    }
  }
}

/** Applies an operation on resources to what is left of the offers, or says why not. */
function performConversion(
  ctx: MasterContext,
  launch: AcceptUnderWay,
  operation: OfferOperation,
): string | undefined {
  const { framework, agent, role, pool } = launch;
  const info = withHeldVolumes(agent, normalizeOperation(operation, role));
  const { principal } = framework.info;
  const fault =
    faultOfOperation({ agent, framework, role, principal, operation: info }) ??
    denialOfOperation(ctx, principal, info);
  if (fault !== undefined) return fault;
  const bundles = bundlesOf(ctx, info, (wanted) => {
    if (!pool.remaining.contains(wanted)) return absentFrom("offer", wanted);
    // Several offers may hold one shared volume, which is there once.
    const isThere = agent.total.contains(wanted.withoutAllocation());
    return isThere ? ok(undefined) : absentFrom("agent", wanted);
  });
  if (!bundles.ok) return bundles.error.message;
  const { consumed, converted } = bundles.value;
  if (info.type === "DESTROY") {
    const used = volumeInUse(agent, consumed);
    if (used !== undefined) return `Volume '${used}' is used by a task`;
    rescindOffersWith(ctx, agent, consumed.withoutAllocation());
    const copies = pool.takeOtherCopies(consumed);
    if (!copies.isEmpty()) ctx.allocator.recover(framework.id, agent.id, copies, 0, ctx.nowMs);
  }
  ctx.allocator.recover(framework.id, agent.id, consumed, 0, ctx.nowMs);
  applyOperation(ctx, agent, framework, info, bundles.value);
  ctx.allocator.addUsed(framework.id, agent.id, converted);
  // What a volume was resized to is not for later operations of this call (semantics 5).
  const isKept = info.type === "GROW_VOLUME" || info.type === "SHRINK_VOLUME";
  pool.convert(consumed, converted, { isKept });
  launch.conversionCount += 1;
  return undefined;
}

function absentFrom(what: string, wanted: Bundle): Result<never> {
  return refuse("conflict", `The ${what} does not contain ${printResources(wanted)}`);
}

/** Only operations with an id can be answered; the others leave a line in the log. */
function refuseOperation(
  ctx: MasterContext,
  framework: FrameworkEntry,
  operation: OfferOperation,
  why: string,
): void {
  const { id, type } = operation;
  const message = excerpt(why, REFUSAL_LENGTH_MAX);
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
