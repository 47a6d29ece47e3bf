/**
 * What every part of the core works with during one step, and the small verbs they share: send an
 * event, log, name new things. Effects leave in the order they were pushed.
 */

import type { Allocator } from "../../allocator/allocator.ts";
import type { OfferId, StreamId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { LogLevel } from "../../base/ports.ts";
import type { SharedValues } from "../../base/shared-values.ts";
import type { MasterToAgent } from "../../protocol/link-frames.ts";
import type { MasterEvent, SchedulerEvent } from "../../protocol/v1/types.ts";
import type { RegistryOperation } from "../../registry/core/registry-state.ts";
import type { ResourceKinds } from "../../resources/kinds.ts";
import type { Counters } from "./counters.ts";
import type { MasterEffect } from "./effects.ts";
import type { MasterTimer } from "./inputs.ts";
import { TIMER_DELAY_MS_MAX } from "./limits.ts";
import type { MasterOptions } from "./master-options.ts";
import type { FrameworkEntry, MasterState, PendingCommit } from "./state.ts";

export interface MasterContext {
  readonly options: MasterOptions;
  readonly allocator: Allocator;
  readonly kinds: ResourceKinds;
  /** A message as links send it. */
  readonly encode: (message: MasterToAgent) => Uint8Array;
  readonly state: MasterState;
  readonly counters: Counters;
  /** Equal parts of messages that are kept, each once. */
  readonly shared: SharedValues;
  effects: MasterEffect[];
  /** Epoch milliseconds of the step; never goes back. */
  nowMs: number;
}

/** Sends an event to a framework; lost when it is not connected, as Mesos does. */
export function sendEvent(
  ctx: MasterContext,
  framework: FrameworkEntry,
  event: SchedulerEvent,
): void {
  if (framework.streamId === undefined) return;
  ctx.counters.countEvent(framework, event);
  ctx.effects.push({ kind: "sendEvent", streamId: framework.streamId, event });
}

/** Tells every subscribed operator; the event is not even made when there is none. */
export function tellOperators(ctx: MasterContext, event: () => MasterEvent): void {
  if (ctx.state.operatorStreams.size === 0) return;
  ctx.effects.push({ kind: "operatorEvent", streamId: undefined, event: event() });
}

/** Ends a stream with an ERROR event. */
export function failStream(ctx: MasterContext, streamId: StreamId, message: string): void {
  ctx.effects.push({ kind: "sendEvent", streamId, event: { type: "ERROR", error: { message } } });
  ctx.effects.push({ kind: "closeStream", streamId });
}

export function log(
  ctx: MasterContext,
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  ctx.effects.push({ kind: "log", level, message, fields });
}

export function setTimer(ctx: MasterContext, timer: MasterTimer, delayMs: number): void {
  const atMs = ctx.nowMs + Math.min(Math.max(delayMs, 0), TIMER_DELAY_MS_MAX);
  ctx.effects.push({ kind: "setTimer", timer, atMs });
}

export function cancelTimer(ctx: MasterContext, timer: MasterTimer): void {
  ctx.effects.push({ kind: "cancelTimer", timer });
}

/** Asks for durability; `pending` says what happens when it is there. Returns the token. */
export function commit(
  ctx: MasterContext,
  operations: readonly RegistryOperation[],
  pending: PendingCommit,
): number {
  const token = ctx.state.nextToken++;
  ctx.state.commits.set(token, pending);
  ctx.effects.push({ kind: "commit", token, operations });
  return token;
}

export function newOfferId(ctx: MasterContext): OfferId {
  return brand<OfferId>(`${ctx.options.info.id}-O${ctx.state.nextOffer++}`);
}
