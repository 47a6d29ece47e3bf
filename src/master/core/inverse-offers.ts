/**
 * Inverse offers: frameworks with something on an agent that will be away are asked whether they can
 * spare it. The answer is only noted. Source: semantics 4.9.
 */
import { must } from "../../base/assert.ts";
import { brand, type FrameworkId, type OfferId } from "../../base/ids.ts";
import type { Filters, InverseOffer } from "../../protocol/v1/types.ts";
import { cancelTimer, type MasterContext, newOfferId, sendEvent, setTimer } from "./context.ts";
import { INVERSE_LOOKS_PER_STEP_MAX, INVERSE_OFFER_LOOKS } from "./limits.ts";
import { agentUrl } from "./offer-message.ts";
import { refuseMsOf } from "./refusals.ts";
import type { AgentEntry, FrameworkEntry, InverseOfferEntry, InverseRound } from "./state.ts";

/**
 * After an allocation run, which may have given frameworks more on such an agent, and when an agent
 * or a framework is back, since runs may have nothing to give to it. A look at all agents is not for
 * every time, since these follow each other quickly.
 */
export function sendInverseOffersSoon(ctx: MasterContext): void {
  const { policy, inverseRound } = ctx.state;
  if (policy.machines.size === 0) return;
  const dueMs = inverseRound.startedMs + ctx.options.allocationIntervalMs;
  if (dueMs <= ctx.nowMs) sendInverseOffers(ctx);
  else wantRound(ctx, dueMs);
}

/** Begins a round; one that is under way goes on first. */
export function sendInverseOffers(ctx: MasterContext): void {
  const { state, options } = ctx;
  const { inverseRound: round } = state;
  if (isUnderWay(round)) {
    wantRound(ctx, round.startedMs + options.allocationIntervalMs);
    return;
  }
  round.startedMs = ctx.nowMs;
  round.wakeMs = Number.POSITIVE_INFINITY;
  round.next = 0;
  round.agents = [...state.agents.values()]
    .filter(
      ({ id, unavailability }) => unavailability !== undefined || state.inverseOffersOf.has(id),
    )
    .map(({ id }) => id);
  goOnAsking(ctx);
}

/** The timer: a part of a round, or a new one. */
export function inverseOffersDue(ctx: MasterContext): void {
  if (isUnderWay(ctx.state.inverseRound)) goOnAsking(ctx);
  else sendInverseOffers(ctx);
}

function isUnderWay({ agents, next }: InverseRound): boolean {
  return next < agents.length;
}

function wantRound(ctx: MasterContext, atMs: number): void {
  const { inverseRound: round } = ctx.state;
  if (atMs >= round.wakeMs) return;
  round.wakeMs = atMs;
  if (!isUnderWay(round)) setTimer(ctx, { kind: "inverseOffers" }, atMs - ctx.nowMs);
}

/** The next agents of a round; one event to each framework. */
function goOnAsking(ctx: MasterContext): void {
  const { agents, inverseRound: round } = ctx.state;
  const due: Due = new Map();
  for (let left = INVERSE_LOOKS_PER_STEP_MAX; left > 0 && isUnderWay(round); round.next += 1) {
    const agent = agents.get(must(round.agents[round.next], "agent of a round"));
    left -= 1;
    if (agent === undefined) continue;
    left -= (rescindOutdated(ctx, agent) + askAbout(ctx, agent, due)) * INVERSE_OFFER_LOOKS;
  }
  sendDue(ctx, due);
  if (isUnderWay(round)) {
    setTimer(ctx, { kind: "inverseOffers" }, 0);
    return;
  }
  round.agents = [];
  if (Number.isFinite(round.wakeMs)) {
    setTimer(ctx, { kind: "inverseOffers" }, round.wakeMs - ctx.nowMs);
  } else cancelTimer(ctx, { kind: "inverseOffers" });
}

type Due = Map<FrameworkEntry, InverseOffer[]>;

/** Makes the inverse offers that are due about an agent, and returns how many there are. */
function askAbout(ctx: MasterContext, agent: AgentEntry, due: Due): number {
  if (agent.unavailability === undefined || agent.linkId === undefined) return 0;
  let count = 0;
  for (const framework of concerned(ctx, agent)) {
    const refusedUntilMs = agent.inverse.get(framework.id)?.refusedUntilMs ?? 0;
    if (refusedUntilMs > ctx.nowMs) wantRound(ctx, refusedUntilMs);
    else if (ctx.state.inverseOffersOf.get(agent.id)?.has(framework.id) !== true) {
      const offers = due.get(framework) ?? [];
      due.set(framework, offers);
      offers.push(addInverseOffer(ctx, agent, framework));
      count += 1;
    }
  }
  return count;
}

function sendDue(ctx: MasterContext, due: Due): void {
  for (const [framework, inverse_offers] of due) {
    sendEvent(ctx, framework, { type: "INVERSE_OFFERS", inverse_offers: { inverse_offers } });
  }
}

/** Nobody answered in time (`--offer_timeout`): it is withdrawn and asked anew. */
export function inverseOfferTimedOut(ctx: MasterContext, id: OfferId): void {
  const offer = ctx.state.inverseOffers.get(id);
  if (offer === undefined) return;
  rescind(ctx, offer);
  const due: Due = new Map();
  const agent = must(ctx.state.agents.get(offer.agentId), "agent of an inverse offer");
  askAbout(ctx, agent, due);
  sendDue(ctx, due);
}

/** REVIVE: the framework is asked again, whatever it refused. Source: semantics 4.5. */
export function forgetRefusals(ctx: MasterContext, framework: FrameworkEntry): void {
  if (ctx.state.policy.machines.size === 0) return;
  endRefusals(ctx, framework.id);
  sendInverseOffers(ctx);
}

function endRefusals({ state }: MasterContext, id: FrameworkId): void {
  if (state.policy.machines.size === 0) return;
  for (const agent of state.agents.values()) {
    const answer = agent.inverse.get(id);
    if (answer !== undefined) agent.inverse.set(id, { ...answer, refusedUntilMs: 0 });
  }
}

/** ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS; unknown ids are ignored. */
export function answerInverseOffers(
  ctx: MasterContext,
  framework: FrameworkEntry,
  ids: readonly { readonly value: string }[],
  answer: { readonly status: "ACCEPT" | "DECLINE"; readonly filters: Filters | undefined },
): void {
  // As with offers, not before the next run.
  const refusedUntilMs =
    ctx.nowMs + Math.max(ctx.options.allocationIntervalMs, refuseMsOf(answer.filters));
  for (const { value } of ids) {
    const offer = ctx.state.inverseOffers.get(brand<OfferId>(value));
    if (offer?.frameworkId !== framework.id) continue;
    const agent = must(ctx.state.agents.get(offer.agentId), "agent of an inverse offer");
    if (isOutdated(agent, offer)) continue;
    remove(ctx, offer);
    agent.inverse.set(framework.id, { status: answer.status, atMs: ctx.nowMs, refusedUntilMs });
    wantRound(ctx, refusedUntilMs);
  }
}

/** Nobody is asked about the agent any more, and what was answered is forgotten. */
export function rescindInverseOffersOfAgent(ctx: MasterContext, agent: AgentEntry): void {
  for (const offer of inverseOffersOf(ctx, agent)) rescind(ctx, offer);
  agent.inverse.clear();
}

/**
 * The framework cannot answer any more; what it said stays known, and it is asked again when it is
 * back. Source: semantics 4.5.
 */
export function discardInverseOffersOfFramework(ctx: MasterContext, id: FrameworkId): void {
  for (const offer of [...ctx.state.inverseOffers.values()]) {
    if (offer.frameworkId === id) remove(ctx, offer);
  }
  endRefusals(ctx, id);
}

/** The framework is over, and with it what it said. */
export function forgetInverseAnswers(ctx: MasterContext, id: FrameworkId): void {
  // An answer is about a plan.
  if (ctx.state.policy.machines.size === 0) return;
  for (const agent of ctx.state.agents.values()) agent.inverse.delete(id);
}

/** Returns how many there were. */
function rescindOutdated(ctx: MasterContext, agent: AgentEntry): number {
  const outdated = inverseOffersOf(ctx, agent).filter((offer) => isOutdated(agent, offer));
  for (const offer of outdated) rescind(ctx, offer);
  return outdated.length;
}

/** Made for another plan than that of now. */
function isOutdated({ unavailability }: AgentEntry, { message }: InverseOfferEntry): boolean {
  return message.unavailability !== unavailability;
}

function inverseOffersOf({ state }: MasterContext, { id }: AgentEntry): InverseOfferEntry[] {
  return [...(state.inverseOffersOf.get(id)?.values() ?? [])];
}

/** Connected frameworks that hold or are offered something on the agent. */
function concerned(ctx: MasterContext, agent: AgentEntry): readonly FrameworkEntry[] {
  const ids = new Set<FrameworkId>(agent.used.keys());
  for (const offerId of agent.offers) {
    const offer = ctx.state.offers.get(offerId);
    if (offer !== undefined) ids.add(offer.frameworkId);
  }
  return [...ids].flatMap((id) => {
    const framework = ctx.state.frameworks.get(id);
    return framework?.streamId === undefined ? [] : [framework];
  });
}

function addInverseOffer(
  ctx: MasterContext,
  agent: AgentEntry,
  framework: FrameworkEntry,
): InverseOffer {
  const id = newOfferId(ctx);
  const message: InverseOffer = {
    id: { value: id },
    url: agentUrl(agent),
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    unavailability: must(agent.unavailability, "unavailability of a planned agent"),
    resources: [],
  };
  const entry = { id, agentId: agent.id, frameworkId: framework.id, message };
  ctx.state.inverseOffers.set(id, entry);
  const asked =
    ctx.state.inverseOffersOf.get(agent.id) ?? new Map<FrameworkId, InverseOfferEntry>();
  ctx.state.inverseOffersOf.set(agent.id, asked);
  asked.set(framework.id, entry);
  const { offerTimeoutMs } = ctx.options;
  if (offerTimeoutMs !== undefined) {
    setTimer(ctx, { kind: "offerTimeout", offerId: id }, offerTimeoutMs);
  }
  return message;
}

function remove(ctx: MasterContext, offer: InverseOfferEntry): void {
  const { inverseOffers, inverseOffersOf } = ctx.state;
  inverseOffers.delete(offer.id);
  const asked = must(inverseOffersOf.get(offer.agentId), "inverse offers of an agent");
  asked.delete(offer.frameworkId);
  if (asked.size === 0) inverseOffersOf.delete(offer.agentId);
  if (ctx.options.offerTimeoutMs !== undefined) {
    cancelTimer(ctx, { kind: "offerTimeout", offerId: offer.id });
  }
}

function rescind(ctx: MasterContext, offer: InverseOfferEntry): void {
  remove(ctx, offer);
  const framework = ctx.state.frameworks.get(offer.frameworkId);
  if (framework === undefined) return;
  sendEvent(ctx, framework, {
    type: "RESCIND_INVERSE_OFFER",
    rescind_inverse_offer: { inverse_offer_id: { value: offer.id } },
  });
}
