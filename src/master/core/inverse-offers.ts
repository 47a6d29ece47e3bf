/**
 * Inverse offers: frameworks with something on an agent that will be away are asked whether they can
 * spare it. The answer is only noted. Source: semantics 4.9.
 */
import { must } from "../../base/assert.ts";
import { brand, type FrameworkId, type OfferId } from "../../base/ids.ts";
import type { Filters, InverseOffer } from "../../protocol/v1/types.ts";
import { cancelTimer, type MasterContext, newOfferId, sendEvent, setTimer } from "./context.ts";
import { agentUrl } from "./offer-message.ts";
import { refuseMsOf } from "./refusals.ts";
import type { AgentEntry, FrameworkEntry, InverseOfferEntry } from "./state.ts";

/**
 * After an allocation run, which may have given frameworks more on such an agent. A look at all
 * agents is not for every run, since these follow each other quickly.
 */
export function sendInverseOffersSoon(ctx: MasterContext): void {
  const { state, options } = ctx;
  if (state.policy.machines.size === 0) return;
  const dueMs = state.inverseOffersSentMs + options.allocationIntervalMs;
  if (dueMs <= ctx.nowMs) sendInverseOffers(ctx);
  else setTimer(ctx, { kind: "inverseOffers" }, dueMs - ctx.nowMs);
}

/** Sends those that are due, one event to each framework, and wakes up when a refusal ends. */
export function sendInverseOffers(ctx: MasterContext): void {
  ctx.state.inverseOffersSentMs = ctx.nowMs;
  const asked = new Set([...ctx.state.inverseOffers.values()].map(keyOf));
  const due = new Map<FrameworkEntry, InverseOffer[]>();
  let wakeMs = Number.POSITIVE_INFINITY;
  for (const agent of ctx.state.agents.values()) {
    if (agent.unavailability === undefined || agent.linkId === undefined) continue;
    for (const framework of concerned(ctx, agent)) {
      const refusedUntilMs = agent.inverse.get(framework.id)?.refusedUntilMs ?? 0;
      if (refusedUntilMs > ctx.nowMs) wakeMs = Math.min(wakeMs, refusedUntilMs);
      else if (!asked.has(keyOf({ agentId: agent.id, frameworkId: framework.id }))) {
        const offers = due.get(framework) ?? [];
        due.set(framework, offers);
        offers.push(addInverseOffer(ctx, agent, framework));
      }
    }
  }
  for (const [framework, inverse_offers] of due) {
    sendEvent(ctx, framework, { type: "INVERSE_OFFERS", inverse_offers: { inverse_offers } });
  }
  if (Number.isFinite(wakeMs)) setTimer(ctx, { kind: "inverseOffers" }, wakeMs - ctx.nowMs);
  else cancelTimer(ctx, { kind: "inverseOffers" });
}

/** Nobody answered in time (`--offer_timeout`): it is withdrawn and asked anew. */
export function inverseOfferTimedOut(ctx: MasterContext, id: OfferId): void {
  const offer = ctx.state.inverseOffers.get(id);
  if (offer === undefined) return;
  rescind(ctx, offer);
  sendInverseOffers(ctx);
}

/** REVIVE: the framework is asked again, whatever it refused. Source: semantics 4.5. */
export function forgetRefusals(ctx: MasterContext, framework: FrameworkEntry): void {
  if (ctx.state.policy.machines.size === 0) return;
  for (const agent of ctx.state.agents.values()) {
    const answer = agent.inverse.get(framework.id);
    if (answer !== undefined) agent.inverse.set(framework.id, { ...answer, refusedUntilMs: 0 });
  }
  sendInverseOffers(ctx);
}

/** ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS; unknown ids are ignored. */
export function answerInverseOffers(
  ctx: MasterContext,
  framework: FrameworkEntry,
  ids: readonly { readonly value: string }[],
  answer: { readonly status: "ACCEPT" | "DECLINE"; readonly filters: Filters | undefined },
): void {
  for (const { value } of ids) {
    const offer = ctx.state.inverseOffers.get(brand<OfferId>(value));
    if (offer?.frameworkId !== framework.id) continue;
    remove(ctx, offer);
    const agent = must(ctx.state.agents.get(offer.agentId), "agent of an inverse offer");
    agent.inverse.set(framework.id, {
      status: answer.status,
      atMs: ctx.nowMs,
      // As with offers, not before the next run.
      refusedUntilMs:
        ctx.nowMs + Math.max(ctx.options.allocationIntervalMs, refuseMsOf(answer.filters)),
    });
  }
  sendInverseOffers(ctx);
}

/** The plan for the agent has changed: what was asked is void, what was answered forgotten. */
export function rescindInverseOffersOfAgent(ctx: MasterContext, agent: AgentEntry): void {
  for (const offer of [...ctx.state.inverseOffers.values()]) {
    if (offer.agentId === agent.id) rescind(ctx, offer);
  }
  agent.inverse.clear();
}

/** The framework cannot answer any more; what it said stays known. */
export function discardInverseOffersOfFramework(ctx: MasterContext, id: FrameworkId): void {
  for (const offer of [...ctx.state.inverseOffers.values()]) {
    if (offer.frameworkId === id) remove(ctx, offer);
  }
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

function keyOf({
  agentId,
  frameworkId,
}: Pick<InverseOfferEntry, "agentId" | "frameworkId">): string {
  return `${agentId}\n${frameworkId}`;
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
  const { offerTimeoutMs } = ctx.options;
  if (offerTimeoutMs !== undefined) {
    setTimer(ctx, { kind: "offerTimeout", offerId: id }, offerTimeoutMs);
  }
  return message;
}

function remove(ctx: MasterContext, offer: InverseOfferEntry): void {
  ctx.state.inverseOffers.delete(offer.id);
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
