/**
 * An agent's connection to the master: ordered, delayed, and gone at any moment. Both ends learn of
 * the end each in their own time; what was under way then is lost.
 */
import type { AgentToMaster, MasterToAgent } from "../../src/protocol/link-frames.ts";
import { copyOf } from "./copy.ts";
import { Pipe } from "./pipe.ts";
import type { World } from "./world.ts";

export interface LinkEnd<In> {
  receive(message: In): void;
  closed(): void;
}

/** Until an end that hears nothing takes the connection for broken: up to five heartbeats. */
const SILENCE_MS = 75_000;

export class SimLink {
  /** Of the master's reign. */
  readonly epoch: string;
  readonly #world: World;
  readonly #agent: LinkEnd<MasterToAgent>;
  readonly #master: LinkEnd<AgentToMaster>;
  readonly #toMaster: Pipe;
  readonly #toAgent: Pipe;
  isBroken = false;
  #isAgentDone = false;
  #isMasterDone = false;

  constructor(
    world: World,
    epoch: string,
    ends: {
      readonly agent: LinkEnd<MasterToAgent> & { readonly host: string };
      readonly master: LinkEnd<AgentToMaster> & { readonly host: string };
    },
  ) {
    this.#world = world;
    this.epoch = epoch;
    this.#agent = ends.agent;
    this.#master = ends.master;
    this.#toMaster = new Pipe(world, ends.agent.host, ends.master.host);
    this.#toAgent = new Pipe(world, ends.master.host, ends.agent.host);
    for (const pipe of [this.#toMaster, this.#toAgent]) {
      pipe.onStuck = () =>
        world.time.after(SILENCE_MS / 5 + world.dice.below((SILENCE_MS * 4) / 5), () => {
          if (pipe.isStuck) this.break();
        });
    }
  }

  toMaster(message: AgentToMaster): void {
    if (this.#isFaulty()) return;
    const copy = copyOf(message);
    this.#toMaster.send(() => {
      if (!this.isBroken && !this.#isMasterDone) this.#master.receive(copy);
    });
  }

  toAgent(message: MasterToAgent): void {
    if (this.#isFaulty()) return;
    const copy = copyOf(message);
    // The planted fault: what an earlier master said arrives on.
    const isEternal = this.#world.plant === "hearDeposed";
    this.#toAgent.send(() => {
      const isOver = this.isBroken || this.#isAgentDone;
      if (!isOver || isEternal) this.#agent.receive(copy);
    });
  }

  /** The connection is gone; each end that still lives learns of it later. */
  break(): void {
    if (this.isBroken) return;
    this.isBroken = true;
    const { time, dice } = this.#world;
    time.after(dice.delayMs(), () => this.#tellAgent());
    // A peer that vanished without a word is only missed after a while.
    time.after(dice.chance(0.2) ? dice.below(120_000) : dice.delayMs(), () => this.#tellMaster());
  }

  /** The agent's process is gone: it is not told any more. */
  dropAgent(): void {
    this.#isAgentDone = true;
    this.break();
  }

  /** The master's process is gone: it is not told any more. */
  dropMaster(): void {
    this.#isMasterDone = true;
    this.break();
  }

  #isFaulty(): boolean {
    if (!this.isBroken && this.#world.isFault(0.002)) this.break();
    return this.isBroken;
  }

  #tellAgent(): void {
    if (this.#isAgentDone) return;
    this.#isAgentDone = true;
    this.#agent.closed();
  }

  #tellMaster(): void {
    if (this.#isMasterDone) return;
    this.#isMasterDone = true;
    this.#master.closed();
  }
}
