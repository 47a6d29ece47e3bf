/**
 * Offers: made from what the allocator decides, answered once, withdrawn when their ground goes.
 * Every way out of the table either returns the resources to the allocator or hands them on.
 * Source: semantics 4.1, 4.5, 4.7.
 */

import type { Allocation } from "../../allocator/allocator.ts";
import { assert, must } from "../../base/assert.ts";
import type { Offer } from "../../protocol/v1/types.ts";
import { cancelTimer, type MasterContext, newOfferId, sendEvent, setTimer } from "./context.ts";
import { assertAgentWithinTotal } from "./invariants.ts";
import { OFFER_ENDS_PER_STEP_MAX, OFFERS_PER_STEP_MAX, RUN_BUDGET } from "./limits.ts";
import { offerMessage } from "./offer-message.ts";
import {
  type AgentEntry,
  type FrameworkEntry,
  isAgentActive,
  type OfferEnd,
  type OfferEntry,
} from "./state.ts";
import { tallyHeld } from "./tally.ts";

/** Runs the allocator and sends what it gives to the frameworks, the rest of much in later steps. */
export function runAllocation(ctx: MasterContext): void {
  const schedule = ctx.state.allocation;
  schedule.wastedRuns = schedule.isWasteSeen ? schedule.wastedRuns + 1 : 0;
  schedule.isWasteSeen = false;
  const sinceLastMs = ctx.nowMs - schedule.lastRunMs;
  schedule.lastRunMs = ctx.nowMs;
  schedule.timerMs = undefined;
  ctx.counters.count("allocator/mesos/allocation_runs");
  const allocations = ctx.allocator.allocate(ctx.nowMs, RUN_BUDGET);
  schedule.lastRunCostMs =
    allocations.length * OFFER_COST_MS + ctx.allocator.lastCycleLooks() * LOOK_COST_MS;
  schedule.recentOffers =
    schedule.recentOffers / (1 + sinceLastMs / RECENT_MS) + allocations.length;
  for (const allocation of allocations) addOffer(ctx, allocation);
  sendOffers(ctx);
}

/** Sends the next outstanding offers that were not sent yet, one OFFERS event per framework. */
export function sendOffers(ctx: MasterContext): void {
  const { unsentOffers } = ctx.state;
  const offersOf = new Map<FrameworkEntry, Offer[]>();
  let count = 0;
  for (const offer of unsentOffers) {
    if (count === OFFERS_PER_STEP_MAX) break;
    count += 1;
    unsentOffers.delete(offer);
    const framework = must(ctx.state.frameworks.get(offer.frameworkId), "framework of an offer");
    const agent = must(ctx.state.agents.get(offer.agentId), "agent of an offer");
    // The cheap part of the invariants, on in production: only offers make an agent's account grow.
    assertAgentWithinTotal(ctx, agent);
    const message = offerMessage(framework, agent, offer);
    const offers = offersOf.get(framework);
    if (offers === undefined) offersOf.set(framework, [message]);
    else offers.push(message);
  }
  for (const [framework, offers] of offersOf) {
    ctx.counters.countOffers(framework, "sent", offers.length);
    sendEvent(ctx, framework, { type: "OFFERS", offers: { offers } });
  }
  if (unsentOffers.size > 0) setTimer(ctx, { kind: "sendOffers" }, 0);
}

/** About what an offer costs until it is sent, and what a look at an agent for a client does. */
const OFFER_COST_MS = 0.02;
const LOOK_COST_MS = 0.0005;

/**
 * Sets the `allocate` timer to the next moment a run could make an offer: at once after an event,
 * unless the run before was so much work that events had better be batched, or offers are many at
 * the time, when what comes free on one agent within a few milliseconds had better be one offer;
 * offers that come straight back without a filter double a pause of their own. Never above the
 * allocation interval.
 * Source: DESIGN §4.
 */
export function scheduleAllocation(ctx: MasterContext): void {
  const dueMs = nextAllocationMs(ctx);
  const schedule = ctx.state.allocation;
  if (dueMs === schedule.timerMs) return;
  schedule.timerMs = dueMs;
  if (dueMs === undefined) cancelTimer(ctx, { kind: "allocate" });
  else setTimer(ctx, { kind: "allocate" }, dueMs - ctx.nowMs);
}

function nextAllocationMs(ctx: MasterContext): number | undefined {
  // Who is to get them is decided when all of them are back.
  if (ctx.state.doomedOffers.size > 0) return undefined;
  const { timerMs, lastRunMs } = ctx.state.allocation;
  if (ctx.allocator.isDirty()) {
    // A run that is due already stays where it is, so that steady events cannot push it away.
    const dueMs = Math.max(ctx.nowMs, lastRunMs + batchingMs(ctx));
    return timerMs === undefined ? dueMs : Math.min(dueMs, timerMs);
  }
  const wakeMs = ctx.allocator.nextWakeMs();
  return Number.isFinite(wakeMs) ? Math.max(ctx.nowMs, wakeMs) : undefined;
}

/** A run may take a third of the time. */
const PAUSE_PER_COST = 2;

/** How long offers count as recent, about. */
const RECENT_MS = 100;
/** Recent offers up to which nothing waits for more to come free beside it. */
const FEW_OFFERS = 10;
const GATHERING_MS_PER_OFFER = 3;
const GATHERING_MS_MAX = 100;

/** Pause after the last run, whole milliseconds; 0 while runs are cheap and offers few. */
function batchingMs(ctx: MasterContext): number {
  const { lastRunCostMs, recentOffers, wastedRuns } = ctx.state.allocation;
  const wasteMs = wastedRuns > 0 ? 2 ** wastedRuns : 0;
  const manyOffers = Math.max(0, recentOffers - FEW_OFFERS);
  const gatheringMs = Math.min(GATHERING_MS_MAX, manyOffers * GATHERING_MS_PER_OFFER);
  const pauseMs = Math.floor(Math.max(lastRunCostMs * PAUSE_PER_COST, gatheringMs) + wasteMs);
  return Math.min(pauseMs, ctx.options.allocationIntervalMs);
}

/** Takes an offer off the table; whoever calls decides what becomes of the resources. */
export function removeOffer(ctx: MasterContext, offer: OfferEntry): void {
  const isListed = ctx.state.offers.delete(offer.id);
  ctx.state.unsentOffers.delete(offer);
  ctx.state.doomedOffers.delete(offer);
  assert(isListed, () => `offer ${offer.id} is outstanding`);
  tallyHeld(ctx.state.tally, "offered", offer.resources, -1);
  ctx.state.agents.get(offer.agentId)?.offers.delete(offer.id);
  ctx.state.frameworks.get(offer.frameworkId)?.offers.delete(offer.id);
  if (ctx.options.offerTimeoutMs !== undefined) {
    cancelTimer(ctx, { kind: "offerTimeout", offerId: offer.id });
  }
}

/** Takes an offer back; `refuseMs` > 0 keeps the same resources from the framework for so long. */
function returnOffer(ctx: MasterContext, offer: OfferEntry, refuseMs: number): void {
  removeOffer(ctx, offer);
  ctx.allocator.recover(offer.frameworkId, offer.agentId, offer.resources, refuseMs, ctx.nowMs);
}

/** Withdraws an offer and tells the framework, or ends a doomed one as was decided. */
export function rescindOffer(ctx: MasterContext, offer: OfferEntry): void {
  const end = ctx.state.doomedOffers.get(offer) ?? RESCINDED;
  if (end.isTold) tellRescinded(ctx, offer);
  returnOffer(ctx, offer, end.refuseMs);
}

/** Withdraws every offer on an agent; with `isAgentLeaving` the allocator has forgotten it. */
export function rescindOffersOfAgent(
  ctx: MasterContext,
  agent: AgentEntry,
  { isAgentLeaving }: { readonly isAgentLeaving: boolean },
): void {
  for (const offerId of [...agent.offers]) {
    const offer = must(ctx.state.offers.get(offerId), "offer of an agent");
    if (!isAgentLeaving) {
      rescindOffer(ctx, offer);
      continue;
    }
    if ((ctx.state.doomedOffers.get(offer) ?? RESCINDED).isTold) tellRescinded(ctx, offer);
    removeOffer(ctx, offer);
  }
}

/** Withdrawn without a filter. */
export const RESCINDED: OfferEnd = { isTold: true, refuseMs: 0 };
/** For frameworks that cannot hear of it any more, or know. */
export const DISCARDED: OfferEnd = { isTold: false, refuseMs: 0 };

/**
 * Decides how an offer ends, for `endDoomedOffers` to carry out: as many offers may be meant at once
 * as there are agents. From here on the framework cannot use it.
 */
export function doomOffer(ctx: MasterContext, offer: OfferEntry, end: OfferEnd): void {
  const { doomedOffers, unsentOffers } = ctx.state;
  const isNews = unsentOffers.delete(offer);
  // What was decided first stays, unless there is nobody to hear of it or to refuse it any more.
  if (doomedOffers.has(offer) && end !== DISCARDED) return;
  doomedOffers.set(offer, isNews ? { ...end, isTold: false } : end);
}

/** Carries out the ends of the next doomed offers. */
export function endDoomedOffers(ctx: MasterContext): void {
  const { doomedOffers } = ctx.state;
  let count = 0;
  for (const offer of doomedOffers.keys()) {
    if (count === OFFER_ENDS_PER_STEP_MAX) break;
    count += 1;
    rescindOffer(ctx, offer);
  }
  if (doomedOffers.size > 0) setTimer(ctx, { kind: "endOffers" }, 0);
}

/** Takes back all offers of a framework that cannot hear of it any more. No filter, no RESCIND. */
export function discardOffersOfFramework(ctx: MasterContext, framework: FrameworkEntry): void {
  for (const offer of offersOfFramework(ctx, framework)) doomOffer(ctx, offer, DISCARDED);
  endDoomedOffers(ctx);
}

/** A framework revives: what it has declined, but still waits to be taken back, gets no filter. */
export function forgetDeclined(
  ctx: MasterContext,
  framework: FrameworkEntry,
  roles: ReadonlySet<string>,
): void {
  const { doomedOffers } = ctx.state;
  if (doomedOffers.size === 0) return;
  for (const offer of offersOfFramework(ctx, framework)) {
    const end = doomedOffers.get(offer);
    if (end !== undefined && roles.has(offer.role))
      doomedOffers.set(offer, { ...end, refuseMs: 0 });
  }
}

export function offersOfFramework(
  { state }: MasterContext,
  framework: FrameworkEntry,
): OfferEntry[] {
  return [...framework.offers].map((id) => must(state.offers.get(id), "offer of a framework"));
}

/** Notes that an offer came straight back: see `scheduleAllocation`. */
export function noteUnusedOffers(ctx: MasterContext, refuseMs: number): void {
  if (refuseMs === 0) ctx.state.allocation.isWasteSeen = true;
}

/** A framework that was not told of the offer yet need not hear of its end. */
function tellRescinded(ctx: MasterContext, offer: OfferEntry): void {
  if (ctx.state.unsentOffers.has(offer)) return;
  const framework = must(ctx.state.frameworks.get(offer.frameworkId), "framework of an offer");
  ctx.counters.countOffers(framework, "rescinded", 1);
  sendEvent(ctx, framework, { type: "RESCIND", rescind: { offer_id: { value: offer.id } } });
}

function addOffer(ctx: MasterContext, allocation: Allocation): void {
  const { role, resources } = allocation;
  const framework = must(ctx.state.frameworks.get(allocation.frameworkId), "allocated framework");
  const agent = must(ctx.state.agents.get(allocation.agentId), "allocated agent");
  assert(framework.streamId !== undefined, "offers go to connected frameworks");
  assert(isAgentActive(ctx.state, agent), "offers are made on active agents");
  const id = newOfferId(ctx);
  const offer = { id, frameworkId: framework.id, agentId: agent.id, role, resources };
  ctx.state.offers.set(id, offer);
  ctx.state.unsentOffers.add(offer);
  tallyHeld(ctx.state.tally, "offered", resources, 1);
  framework.offers.add(id);
  agent.offers.add(id);
  if (ctx.options.offerTimeoutMs !== undefined) {
    setTimer(ctx, { kind: "offerTimeout", offerId: id }, ctx.options.offerTimeoutMs);
  }
}
