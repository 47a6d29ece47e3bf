/**
 * The one master: a registry on disk that may lose what was not yet synced, and a process with the
 * real MasterCore and allocator that may die at any step.
 */

import type { Allocator } from "../../src/allocator/allocator.ts";
import { DrfAllocator } from "../../src/allocator/drf-allocator.ts";
import { brand, type LinkId, linkIdOf, type StreamId } from "../../src/base/ids.ts";
import type { Result } from "../../src/base/result.ts";
import type { MasterEffect } from "../../src/master/core/effects.ts";
import type { MasterInput, MasterTimer } from "../../src/master/core/inputs.ts";
import { MasterCore } from "../../src/master/core/master-core.ts";
import type { AgentToMaster, MasterToAgent } from "../../src/protocol/link-frames.ts";
import type {
  MasterCall,
  SchedulerCall,
  SchedulerCallSubscribe,
  SchedulerEvent,
} from "../../src/protocol/v1/types.ts";
import { applyOperation } from "../../src/registry/core/registry-operations.ts";
import {
  copyRegistry,
  emptyRegistry,
  type RegistryState,
} from "../../src/registry/core/registry-state.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { encodeMessage, messageOf } from "../harness/link-messages.ts";
import { Follower, snapshotOf } from "../master/core/follower.ts";
import { masterOptions } from "../master/core/harness.ts";
import { copyOf } from "./copy.ts";
import type { Judge } from "./judge.ts";
import type { Caller, Masters, StreamEnd } from "./masters.ts";
import { checkCharges } from "./quota-judge.ts";
import { type LinkEnd, SimLink } from "./sim-link.ts";
import type { World } from "./world.ts";

interface Process {
  /** Reads the operators' event stream from the master's start. */
  readonly follower: Follower;
  readonly core: MasterCore;
  readonly allocator: Allocator;
  readonly epoch: string;
  readonly streams: Map<StreamId, { readonly end: StreamEnd; lastMs: number }>;
  readonly links: Map<LinkId, SimLink>;
  readonly timers: Map<string, () => void>;
  readonly requests: Map<number, (outcome: Result<void>) => void>;
  /** When the last commit is on disk, and when the master hears of it. */
  writtenMs: number;
  toldMs: number;
}

/** 127.0.0.1 as MasterInfo has it. */
const LOOPBACK = 16_777_343;

/** Steps of the master from one full scan of its books to the next. */
const STEPS_PER_SCAN = 4;

/** Where the one master runs. */
const HOST = "master";

export class SimMaster implements Masters {
  /** What is on the disk. */
  readonly registry: RegistryState = emptyRegistry();
  readonly #world: World;
  readonly #judge: Judge;
  #process: Process | undefined;
  #nextRequest = 1;
  #nextLink = 1;
  #isRestart = false;
  #steps = 0;

  constructor(world: World, judge: Judge) {
    this.#world = world;
    this.#judge = judge;
    this.start();
  }

  get core(): MasterCore | undefined {
    return this.#process?.core;
  }

  start(): void {
    if (this.#process !== undefined) return;
    const epoch = this.#world.dice.uuid();
    this.#world.log(`master ${epoch} starts`);
    const options = masterOptions({
      info: { id: epoch, ip: LOOPBACK, port: 5050, hostname: "master" },
    });
    const kinds = new ResourceKinds();
    const allocator = new DrfAllocator(kinds, { ...options, masterRegion: undefined });
    if (this.#world.plant === "forgetFilter") forgetFilters(allocator);
    if (this.#world.plant === "offerRevocable") offerRevocable(allocator);
    if (this.#world.plant === "forgetQuota" && this.#isRestart) forgetQuotas(allocator);
    this.#isRestart = true;
    this.#process = {
      core: new MasterCore({ options, allocator, kinds, encode: encodeMessage }),
      allocator,
      epoch,
      streams: new Map(),
      links: new Map(),
      timers: new Map(),
      requests: new Map(),
      follower: new Follower(),
      writtenMs: 0,
      toldMs: 0,
    };
    this.#input({
      kind: "recovered",
      registry: copyRegistry(this.registry),
    });
    this.#input({ kind: "operatorSubscribe", streamId: brand<StreamId>("operator") });
  }

  crash(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#world.log("master dies");
    this.#process = undefined;
    for (const cancel of process.timers.values()) cancel();
    for (const link of process.links.values()) link.dropMaster();
    for (const { end } of process.streams.values()) {
      this.#world.time.after(this.#world.dice.delayMs(), () => end.closed());
    }
    this.#world.time.after(this.#world.dice.below(30_000), () => this.start());
  }

  openLink({ name, ip }: Caller, agent: LinkEnd<MasterToAgent>): SimLink | undefined {
    const process = this.#process;
    if (process === undefined || this.#world.isFault(0.05)) return undefined;
    const linkId = linkIdOf(this.#nextLink++);
    const link = new SimLink(this.#world, process.epoch, {
      agent: { ...agent, host: name },
      master: {
        host: HOST,
        receive: (message: AgentToMaster) => {
          if (this.#process === process) this.#input({ kind: "agentMessage", linkId, message });
        },
        closed: () => {
          process.links.delete(linkId);
          if (this.#process === process) this.#input({ kind: "linkClosed", linkId });
        },
      },
    });
    process.links.set(linkId, link);
    this.#input({ kind: "linkOpened", linkId, remoteIp: ip });
    return link;
  }

  subscribe(_: string, subscribe: SchedulerCallSubscribe, end: StreamEnd): StreamId | undefined {
    const process = this.#process;
    if (process === undefined) return undefined;
    const streamId = brand<StreamId>(this.#world.dice.uuid());
    process.streams.set(streamId, { end, lastMs: 0 });
    const principal = undefined;
    this.#input({ kind: "subscribe", streamId, subscribe: copyOf(subscribe), principal });
    return streamId;
  }

  streamClosed(streamId: StreamId): void {
    if (this.#process?.streams.delete(streamId)) this.#input({ kind: "streamClosed", streamId });
  }

  call(
    call: SchedulerCall,
    streamId: StreamId,
    done: (outcome: Result<void>, before: ReadonlySet<string>) => void,
  ): void {
    if (this.#process === undefined) return;
    const requestId = this.#nextRequest++;
    const before = new Set<string>(this.#process.core.state.offers.keys());
    this.#process.requests.set(requestId, (outcome) => done(outcome, before));
    const principal = undefined;
    this.#input({ kind: "schedulerCall", requestId, call: copyOf(call), streamId, principal });
  }

  rolesOf(frameworkId: string): readonly string[] {
    return this.#process?.core.state.frameworks.get(brand(frameworkId))?.roles ?? [];
  }

  operatorCall(call: MasterCall): void {
    const requestId = this.#nextRequest++;
    this.#input({ kind: "operatorCall", requestId, call: copyOf(call), principal: undefined });
  }

  #input(input: MasterInput): void {
    const process = this.#process;
    if (process === undefined) return;
    const effects = process.core.step(input, this.#world.time.nowMs);
    // A full scan, and most of a run's time: what is broken stays broken for a few steps.
    this.#steps += 1;
    if (this.#steps % STEPS_PER_SCAN === 0) {
      process.core.assertInvariants();
      checkCharges(this.#world, process.core.state, process.allocator);
    }
    this.#judge.masterStepped(process.core.state, input);
    for (const effect of effects) {
      if (this.#process !== process) return;
      this.#carryOut(process, effect);
      if (this.#world.isFault(0.0002)) {
        this.crash();
        return;
      }
    }
    this.#checkFollower(process);
  }

  /** Whoever knows the cluster by events alone knows what the master knows. */
  #checkFollower({ core, follower }: Process): void {
    if (this.#steps % STEPS_PER_SCAN !== 0 || !core.state.isRecovered) return;
    const [difference] = follower.differences(core.state);
    if (difference !== undefined) this.#world.fail(`an operator's stream strays: ${difference}`);
  }

  #carryOut(process: Process, effect: MasterEffect): void {
    switch (effect.kind) {
      case "sendEvent":
        this.#sendEvent(process, effect.streamId, effect.event);
        break;
      case "closeStream": {
        const stream = process.streams.get(effect.streamId);
        process.streams.delete(effect.streamId);
        if (stream === undefined) break;
        const atMs = Math.max(stream.lastMs, this.#world.time.nowMs + this.#world.dice.delayMs());
        this.#world.time.after(atMs - this.#world.time.nowMs, () => stream.end.closed());
        break;
      }
      case "operatorEvent":
        process.follower.apply(copyOf(effect.event));
        break;
      case "operatorSnapshot":
        process.follower.apply(copyOf(snapshotOf(process.core.state)));
        break;
      case "closeOperatorStream":
        break;
      case "send": {
        const message = messageOf(effect.message);
        this.#judge.toAgent(process.core.state, message);
        process.links.get(effect.linkId)?.toAgent(message);
        break;
      }
      case "closeLink":
        process.links.get(effect.linkId)?.break();
        break;
      case "commit":
        this.#commit(process, effect);
        break;
      case "setTimer":
        this.#setTimer(process, effect.timer, effect.atMs);
        break;
      case "cancelTimer":
        process.timers.get(JSON.stringify(effect.timer))?.();
        break;
      case "respond":
        process.requests.get(effect.requestId)?.(effect.outcome);
        process.requests.delete(effect.requestId);
        break;
      case "log":
        break;
    }
  }

  #sendEvent(process: Process, streamId: StreamId, event: SchedulerEvent): void {
    const stream = process.streams.get(streamId);
    if (stream === undefined) return;
    this.#judge.eventSent(process.core.state, streamId, event);
    const { time, dice } = this.#world;
    stream.lastMs = Math.max(stream.lastMs, time.nowMs + dice.delayMs());
    const copy = copyOf(event);
    time.after(stream.lastMs - time.nowMs, () => stream.end.event(copy));
  }

  /**
   * A crash before the sync loses the write; one after it loses only the news of it. Commits are
   * written, and told, in the order in which they were asked for.
   */
  #commit(process: Process, effect: Extract<MasterEffect, { kind: "commit" }>): void {
    const { time, dice } = this.#world;
    process.writtenMs = Math.max(process.writtenMs, time.nowMs + dice.below(10));
    time.after(process.writtenMs - time.nowMs, () => {
      if (this.#process !== process) return;
      const results = effect.operations.map((operation) =>
        applyOperation(this.registry, operation),
      );
      process.toldMs = Math.max(process.toldMs, time.nowMs + dice.below(10));
      time.after(process.toldMs - time.nowMs, () => {
        if (this.#process !== process) return;
        this.#input({ kind: "registryCommitted", token: effect.token, results });
      });
    });
  }

  #setTimer(process: Process, timer: MasterTimer, atMs: number): void {
    const key = JSON.stringify(timer);
    process.timers.get(key)?.();
    const cancel = this.#world.time.after(atMs - this.#world.time.nowMs, () => {
      process.timers.delete(key);
      if (this.#process === process) this.#input({ kind: "timer", timer });
    });
    process.timers.set(key, cancel);
  }
}

/** The planted fault: declined resources come back without their filter now and then. */
function forgetFilters(allocator: Allocator): void {
  const recover = allocator.recover.bind(allocator);
  let count = 0;
  allocator.recover = (frameworkId, agentId, resources, refuseMs, nowMs): void => {
    count += 1;
    recover(frameworkId, agentId, resources, count % 3 === 0 ? 0 : refuseMs, nowMs);
  };
}

/** The planted fault: everybody is taken for one who can bear to lose what it has. */
function offerRevocable(allocator: Allocator): void {
  const update = allocator.updateFramework.bind(allocator);
  allocator.updateFramework = (id, framework): void => {
    const capabilities = new Set([...framework.capabilities, "REVOCABLE_RESOURCES"] as const);
    update(id, { ...framework, capabilities });
  };
}

/** The planted fault: what an earlier master was told of quota is not kept. */
function forgetQuotas(allocator: Allocator): void {
  allocator.updateQuota = (): void => undefined;
}
