/**
 * A master's core alone, at the size of a datacenter, with the time that each single step takes of
 * its thread: what one step does holds up the event loop of the real master. What a step sends is
 * encoded within it, as in the real one.
 */
import { brand, type LinkId, linkIdOf, type StreamId } from "../../../src/base/ids.ts";
import { ok } from "../../../src/base/result.ts";
import type { MasterEffect } from "../../../src/master/core/effects.ts";
import type { MasterInput, MasterTimer } from "../../../src/master/core/inputs.ts";
import type { MasterCore } from "../../../src/master/core/master-core.ts";
import type { MasterOptions } from "../../../src/master/core/master-options.ts";
import { type Codec, createCodec } from "../../../src/protocol/codec.ts";
import { createLinkCodec, type LinkCodec } from "../../../src/protocol/link-codec.ts";
import type { FrameworkInfo, MasterCall, SchedulerCall } from "../../../src/protocol/v1/types.ts";
import { emptyRegistry, type RegistryState } from "../../../src/registry/core/registry-state.ts";
import { newCore, START_MS } from "../../master/core/harness.ts";
import { threadTimeMs } from "../thread-clock.ts";

export interface SteppedFramework {
  readonly streamId: StreamId;
  id: string;
  /** Ids of all offers it ever got. */
  readonly offers: { readonly value: string }[];
}

/** What some work took. */
export interface Steps {
  readonly longestMs: number;
  readonly totalMs: number;
  /** What the longest step was about. */
  readonly longest: string;
}

export class SteppedMaster {
  readonly core: MasterCore;
  readonly #codec: Codec = createCodec();
  readonly #linkCodec: LinkCodec = createLinkCodec();
  readonly #timers = new Map<string, { readonly timer: MasterTimer; readonly atMs: number }>();
  readonly #frameworks = new Map<StreamId, SteppedFramework>();
  readonly #inputs: MasterInput[] = [];
  #nowMs: number = START_MS;
  #next = 1;
  #steps: { longestMs: number; totalMs: number; longest: string } = none();

  constructor(changes: Partial<MasterOptions> = {}, registry: RegistryState = emptyRegistry()) {
    this.core = newCore(changes);
    this.#inputs.push({ kind: "recovered", registry });
    this.settle();
  }

  /** What was done since the last call. */
  take(): Steps {
    const steps = this.#steps;
    this.#steps = none();
    return steps;
  }

  step(input: MasterInput): void {
    this.#inputs.push(input);
    this.settle();
  }

  /** All that follows at this very moment, which includes what goes on in later steps. */
  settle(): void {
    for (;;) {
      for (const input of this.#inputs.splice(0)) this.#step(input);
      if (this.#inputs.length > 0) continue;
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= this.#nowMs);
      if (due.length === 0) return;
      for (const [key, { timer }] of due) {
        this.#timers.delete(key);
        this.#inputs.push({ kind: "timer", timer });
      }
    }
  }

  /** Lets time pass, firing timers as they come due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      let nextMs = endMs;
      for (const { atMs } of this.#timers.values()) nextMs = Math.min(nextMs, atMs);
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      this.settle();
      if (this.#nowMs >= endMs) return;
    }
  }

  openLink(remoteIp: string): LinkId {
    const linkId = linkIdOf(this.#next++);
    this.step({ kind: "linkOpened", linkId, remoteIp });
    return linkId;
  }

  subscribe(info: Partial<FrameworkInfo>): SteppedFramework {
    const streamId = brand<StreamId>(`stream-${this.#next++}`);
    const framework: SteppedFramework = { streamId, id: info.id?.value ?? "", offers: [] };
    this.#frameworks.set(streamId, framework);
    const framework_info = { user: "nobody", name: "bench", ...info };
    this.step({ kind: "subscribe", streamId, subscribe: { framework_info }, principal: undefined });
    return framework;
  }

  hangUp({ streamId }: SteppedFramework): void {
    this.step({ kind: "streamClosed", streamId });
  }

  call(framework: SteppedFramework, call: Omit<SchedulerCall, "framework_id">): void {
    this.step({
      kind: "schedulerCall",
      requestId: this.#next++,
      call: { framework_id: { value: framework.id }, ...call },
      streamId: framework.streamId,
      principal: undefined,
    });
  }

  operatorCall(call: MasterCall): void {
    this.step({ kind: "operatorCall", requestId: this.#next++, call, principal: undefined });
  }

  #step(input: MasterInput): void {
    const startMs = threadTimeMs();
    const effects = this.core.step(input, this.#nowMs);
    for (const effect of effects) this.#carryOut(effect);
    const elapsedMs = threadTimeMs() - startMs;
    this.#steps.totalMs += elapsedMs;
    if (elapsedMs <= this.#steps.longestMs) return;
    this.#steps.longestMs = elapsedMs;
    this.#steps.longest = input.kind === "timer" ? input.timer.kind : input.kind;
  }

  #carryOut(effect: MasterEffect): void {
    switch (effect.kind) {
      case "sendEvent": {
        this.#codec.encode("mesos.v1.scheduler.Event", "application/json", effect.event);
        const framework = this.#frameworks.get(effect.streamId);
        if (framework === undefined) return;
        const { subscribed, offers } = effect.event;
        if (subscribed !== undefined) framework.id = subscribed.framework_id.value;
        for (const { id } of offers?.offers ?? []) framework.offers.push(id);
        return;
      }
      case "send":
        if (effect.message instanceof Uint8Array) return;
        this.#linkCodec.encodeMessage(effect.message);
        if (effect.message.kind !== "ping" || !effect.message.connected) return;
        this.#inputs.push({
          kind: "agentMessage",
          linkId: effect.linkId,
          message: { kind: "pong", number: effect.message.number },
        });
        return;
      case "closeLink":
        this.#inputs.push({ kind: "linkClosed", linkId: effect.linkId });
        return;
      case "commit":
        this.#inputs.push({
          kind: "registryCommitted",
          token: effect.token,
          results: effect.operations.map(() => ok(true)),
        });
        return;
      case "setTimer":
        this.#timers.set(JSON.stringify(effect.timer), effect);
        return;
      case "cancelTimer":
        this.#timers.delete(JSON.stringify(effect.timer));
        return;
      case "respond":
        if (!effect.outcome.ok) throw new Error(effect.outcome.error.message);
        return;
      case "exit":
        throw new Error(effect.reason);
      default:
        return;
    }
  }
}

function none(): { longestMs: number; totalMs: number; longest: string } {
  return { longestMs: 0, totalMs: 0, longest: "" };
}
