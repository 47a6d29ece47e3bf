/** A master that leads: the real core in the real runtime, with the links and streams it is given. */

import { DrfAllocator } from "../../../src/allocator/drf-allocator.ts";
import type { StreamId } from "../../../src/base/ids.ts";
import type { MasterInput } from "../../../src/master/core/inputs.ts";
import { MasterCore } from "../../../src/master/core/master-core.ts";
import {
  MasterRuntime,
  type MasterRuntimeOptions,
} from "../../../src/master/runtime/master-runtime.ts";
import type { AgentLink, RegistryStore } from "../../../src/master/runtime/ports.ts";
import type { MasterToAgent } from "../../../src/protocol/link-frames.ts";
import type { SchedulerCallSubscribe } from "../../../src/protocol/v1/types.ts";
import { ResourceKinds } from "../../../src/resources/kinds.ts";
import type { ReignOptions } from "../../../src/roles/reign.ts";
import { encodeMessage, messageOf } from "../../harness/link-messages.ts";
import { masterOptions } from "../../master/core/harness.ts";
import { copyOf } from "../copy.ts";
import type { Judge } from "../judge.ts";
import type { Caller, StreamEnd } from "../masters.ts";
import { Pipe } from "../pipe.ts";
import { type LinkEnd, SimLink } from "../sim-link.ts";
import type { World } from "../world.ts";
import type { Program } from "./program.ts";

/** Until a scheduler that hears no heartbeats gives its stream up. */
const SILENCE_MS = 75_000;

/** Of the process that leads. */
export interface Seat {
  readonly world: World;
  readonly judge: Judge;
  readonly program: Program;
  readonly registry: RegistryStore;
  readonly log: MasterRuntimeOptions["log"];
  /** After each step, before its effects. */
  onStep(core: MasterCore, input: MasterInput): void;
  /** Now and then after an effect. */
  crash(): void;
}

class WatchedCore extends MasterCore {
  onStep: (input: MasterInput) => void = () => undefined;

  override step(...parameters: Parameters<MasterCore["step"]>): ReturnType<MasterCore["step"]> {
    const effects = super.step(...parameters);
    this.onStep(parameters[0]);
    return effects;
  }
}

export class SimReign {
  readonly epoch: string;
  readonly core: MasterCore;
  readonly runtime: MasterRuntime;
  readonly #seat: Seat;
  readonly #links = new Set<SimLink>();
  readonly #streams = new Map<StreamId, () => void>();

  constructor(seat: Seat, { info, mayAct, onFatal }: ReignOptions) {
    const { program, registry, log } = seat;
    this.#seat = seat;
    this.epoch = info.id;
    const options = masterOptions({ info });
    const kinds = new ResourceKinds();
    const allocator = new DrfAllocator(kinds, { ...options, masterRegion: undefined });
    const core = new WatchedCore({ options, allocator, kinds, encode: encodeMessage });
    core.onStep = (input) => seat.onStep(core, input);
    this.core = core;
    const { clock, rng } = program;
    this.runtime = new MasterRuntime({
      core,
      info,
      version: "0",
      heartbeatMs: options.agentPingTimeoutMs,
      registry,
      clock,
      rng,
      log,
      mayAct,
      onFatal,
    });
    this.runtime.start();
  }

  end(): void {
    this.runtime.stop();
  }

  openLink(caller: Caller, agent: LinkEnd<MasterToAgent>): SimLink {
    const { world, program, judge } = this.#seat;
    let closed = (): void => undefined;
    const link: SimLink = new SimLink(world, this.epoch, {
      agent: { ...agentEnd(agent), host: caller.name },
      master: {
        host: program.host,
        receive: (message) => program.enter(() => this.runtime.linkMessage(linkId, message)),
        closed: () => {
          this.#links.delete(link);
          program.enter(closed);
        },
      },
    });
    const own: AgentLink = {
      send: (sent) => {
        if (!program.isAlive) return;
        const message = messageOf(sent);
        judge.toAgent(this.core.state, message);
        link.toAgent(message);
        this.#mayCrash();
      },
      close: () => link.break(),
      openStream: () => new ReadableStream(),
    };
    const linkId = this.runtime.linkOpened(own, caller.ip);
    closed = () => this.runtime.linkClosed(linkId);
    this.#links.add(link);
    return link;
  }

  subscribe(host: string, subscribe: SchedulerCallSubscribe, end: StreamEnd): StreamId {
    const { world, program, judge } = this.#seat;
    const pipe = new Pipe(world, program.host, host);
    let isOver = false;
    const close = (): void => {
      if (isOver) return;
      isOver = true;
      pipe.send(() => end.closed());
    };
    pipe.onStuck = () =>
      world.time.after(SILENCE_MS / 5 + world.dice.below((SILENCE_MS * 4) / 5), () => {
        if (pipe.isStuck) end.closed();
      });
    return this.runtime.subscribe(
      (streamId) => {
        this.#streams.set(streamId, close);
        return {
          send: (event) => {
            if (!program.isAlive || isOver) return true;
            judge.eventSent(this.core.state, streamId, event);
            const copy = copyOf(event);
            pipe.send(() => end.event(copy));
            this.#mayCrash();
            return true;
          },
          close: () => {
            if (program.isAlive) close();
          },
        };
      },
      copyOf(subscribe),
      undefined,
    );
  }

  /** The process is gone, and its connections with it. */
  drop(): void {
    for (const link of this.#links) link.dropMaster();
    for (const close of this.#streams.values()) close();
  }

  #mayCrash(): void {
    if (this.#seat.world.isFault(0.0002)) this.#seat.crash();
  }
}

function agentEnd(agent: LinkEnd<MasterToAgent>): LinkEnd<MasterToAgent> {
  return { receive: (message) => agent.receive(message), closed: () => agent.closed() };
}
