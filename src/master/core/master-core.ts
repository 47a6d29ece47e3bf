/**
 * The master as a pure machine: one input and the time go in, what to do about it comes out. Holds
 * frameworks, agents, tasks and offers as plain data and keeps two promises at every step: nothing
 * acknowledged is lost, and offered + used never exceeds what an agent has.
 * Source: DESIGN §1; the files of this folder name their sections.
 */

import type { Allocator } from "../../allocator/allocator.ts";
import type { Explanation } from "../../allocator/explanation.ts";
import { assert, unreachable } from "../../base/assert.ts";
import type { AgentId, FrameworkId } from "../../base/ids.ts";
import { SharedValues } from "../../base/shared-values.ts";
import type { MasterToAgent } from "../../protocol/link-frames.ts";
import type { ResourceKinds } from "../../resources/kinds.ts";
import {
  agentMessage,
  linkClosed,
  linkOpened,
  pruneRegistry,
  registryCommitted,
  reregisterTimedOut,
} from "./agents.ts";
import { operatorKill, rateLimitTurn, schedulerCall } from "./calls.ts";
import type { MasterContext } from "./context.ts";
import { Counters, FRAMEWORK_PREFIX } from "./counters.ts";
import type { MasterEffect } from "./effects.ts";
import { failoverTimedOut, heartbeat, streamClosed, subscribe } from "./frameworks.ts";
import type { MasterInput, MasterTimer } from "./inputs.ts";
import { assertMasterInvariants } from "./invariants.ts";
import { inverseOffersDue, inverseOfferTimedOut, sendInverseOffersSoon } from "./inverse-offers.ts";
import type { MasterOptions } from "./master-options.ts";
import {
  endDoomedOffers,
  rescindOffer,
  runAllocation,
  scheduleAllocation,
  sendOffers,
} from "./offers.ts";
import {
  operatorHeartbeat,
  operatorStreamClosed,
  operatorSubscribe,
} from "./operator/event-stream.ts";
import { operatorCall } from "./operator/operator-calls.ts";
import { pingsTimedOut } from "./pings.ts";
import { goOnReconciling } from "./reconcile.ts";
import { recover, recoveredAgentsTimedOut } from "./recovery.ts";
import { emptyMasterState, type MasterState } from "./state.ts";
import { goOnSweeping } from "./sweeping.ts";
import { nextRemoval } from "./unreachable.ts";
import { metricsSnapshot } from "./views/metrics.ts";

/** What a master is made of. The allocator belongs to the core from here on. */
export interface MasterDependencies {
  readonly options: MasterOptions;
  readonly allocator: Allocator;
  readonly kinds: ResourceKinds;
  /** A message as links send it: the link codec's `encodeMessage`. */
  readonly encode: (message: MasterToAgent) => Uint8Array;
}

export class MasterCore {
  private readonly ctx: MasterContext;

  constructor(dependencies: MasterDependencies) {
    const counters = new Counters();
    this.ctx = {
      ...dependencies,
      state: emptyMasterState(dependencies.options, counters.values),
      counters,
      shared: new SharedValues(),
      effects: [],
      nowMs: 0,
    };
  }

  /** For reading only: views, metrics, the simulator's checkers. Changes at each step. */
  get state(): MasterState {
    return this.ctx.state;
  }

  /** Every metric of the core by its Mesos name. O(frameworks + roles). */
  metrics(nowMs: number): Record<string, number> {
    const { state, allocator, options } = this.ctx;
    const metrics = metricsSnapshot(state, nowMs, allocator);
    if (options.arePerFrameworkMetricsShown) return metrics;
    const entries = Object.entries(metrics);
    return Object.fromEntries(entries.filter(([name]) => !name.startsWith(FRAMEWORK_PREFIX)));
  }

  /**
   * Takes one input at `nowMs` (epoch milliseconds that never go back) and says what to do, in
   * order. The array belongs to the caller. Throws AssertionError when an invariant is broken.
   */
  step(input: MasterInput, nowMs: number): MasterEffect[] {
    const { ctx } = this;
    assert(nowMs >= ctx.nowMs, () => `time went back from ${ctx.nowMs} to ${nowMs}`);
    ctx.nowMs = nowMs;
    ctx.effects = [];
    apply(ctx, input);
    if (ctx.state.isRecovered) scheduleAllocation(ctx);
    const { effects } = ctx;
    ctx.effects = [];
    return effects;
  }

  /** What the allocator has against a framework's offers for a role. Costs O(agents), changes nothing. */
  explain(frameworkId: FrameworkId, role: string, nowMs: number): Explanation {
    return this.ctx.allocator.explain(frameworkId, role, nowMs);
  }

  /** Every invariant by a full scan; throws AssertionError. For tests and the simulator. */
  assertInvariants(): void {
    assertMasterInvariants(this.ctx);
  }
}

function apply(ctx: MasterContext, input: MasterInput): void {
  switch (input.kind) {
    case "recovered":
      assert(!ctx.state.isRecovered, "the registry is recovered once");
      recover(ctx, input.registry);
      return;
    case "subscribe":
      subscribe(ctx, input.streamId, input.subscribe, input.principal);
      return;
    case "schedulerCall":
      schedulerCall(ctx, input);
      return;
    case "streamClosed":
      streamClosed(ctx, input.streamId);
      return;
    case "linkOpened":
      linkOpened(ctx, input.linkId, input.remoteIp);
      return;
    case "linkClosed":
      linkClosed(ctx, input.linkId);
      return;
    case "agentMessage":
      agentMessage(ctx, input.linkId, input.message);
      return;
    case "registryCommitted":
      registryCommitted(ctx, input.token, input.results);
      return;
    case "timer":
      timerFired(ctx, input.timer);
      return;
    case "whitelist":
      ctx.allocator.updateWhitelist(input.hostnames);
      return;
    case "operatorKill":
      operatorKill(ctx, input);
      return;
    case "operatorSubscribe":
      operatorSubscribe(ctx, input.streamId);
      return;
    case "operatorStreamClosed":
      operatorStreamClosed(ctx, input.streamId);
      return;
    case "operatorCall":
      operatorCall(ctx, input);
      return;
    default:
      unreachable(input, "master input");
  }
}

/** Timers of things that are gone fire in vain: cancelling one is only an economy. */
function timerFired(ctx: MasterContext, timer: MasterTimer): void {
  switch (timer.kind) {
    case "allocate":
      runAllocation(ctx);
      sendInverseOffersSoon(ctx);
      return;
    case "heartbeat":
      heartbeat(ctx, timer.streamId);
      return;
    case "operatorHeartbeat":
      operatorHeartbeat(ctx, timer.streamId);
      return;
    case "sendOffers":
      sendOffers(ctx);
      return;
    case "endOffers":
      endDoomedOffers(ctx);
      return;
    case "reconcile":
      goOnReconciling(ctx);
      return;
    case "sweep":
      goOnSweeping(ctx);
      return;
    case "ping":
      pingsTimedOut(ctx);
      return;
    case "failover":
      failoverTimedOut(ctx, timer.frameworkId);
      return;
    case "recoveredAgents":
      recoveredAgentsTimedOut(ctx);
      return;
    case "reregister":
      reregisterTimedOut(ctx, timer.agentId as AgentId);
      return;
    case "offerTimeout": {
      const offer = ctx.state.offers.get(timer.offerId);
      if (offer !== undefined) rescindOffer(ctx, offer);
      else inverseOfferTimedOut(ctx, timer.offerId);
      return;
    }
    case "inverseOffers":
      inverseOffersDue(ctx);
      return;
    case "rateLimit":
      rateLimitTurn(ctx, timer.key);
      return;
    case "removal":
      nextRemoval(ctx);
      return;
    case "pruneRegistry":
      pruneRegistry(ctx);
      return;
    default:
      unreachable(timer, "master timer");
  }
}
