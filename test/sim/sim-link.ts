/**
 * An agent's connection to the master: ordered, delayed, and gone at any moment. Both ends learn of
 * the end each in their own time; what was under way then is lost.
 */
import type { LinkId } from "../../src/base/ids.ts";
import type { AgentToMaster, MasterToAgent } from "../../src/protocol/link-frames.ts";
import { copyOf } from "./copy.ts";
import type { World } from "./world.ts";

export interface LinkEnd<In> {
  receive(message: In): void;
  closed(): void;
}

export class SimLink {
  readonly linkId: LinkId;
  readonly #world: World;
  readonly #agent: LinkEnd<MasterToAgent>;
  readonly #master: LinkEnd<AgentToMaster>;
  #lastToMasterMs = 0;
  #lastToAgentMs = 0;
  isBroken = false;
  #isAgentDone = false;
  #isMasterDone = false;

  constructor(
    world: World,
    linkId: LinkId,
    ends: { readonly agent: LinkEnd<MasterToAgent>; readonly master: LinkEnd<AgentToMaster> },
  ) {
    this.#world = world;
    this.linkId = linkId;
    this.#agent = ends.agent;
    this.#master = ends.master;
  }

  toMaster(message: AgentToMaster): void {
    if (this.#isFaulty()) return;
    const { time, dice } = this.#world;
    this.#lastToMasterMs = Math.max(this.#lastToMasterMs, time.nowMs + dice.delayMs());
    const copy = copyOf(message);
    time.after(this.#lastToMasterMs - time.nowMs, () => {
      if (!this.isBroken && !this.#isMasterDone) this.#master.receive(copy);
    });
  }

  toAgent(message: MasterToAgent): void {
    if (this.#isFaulty()) return;
    const { time, dice } = this.#world;
    this.#lastToAgentMs = Math.max(this.#lastToAgentMs, time.nowMs + dice.delayMs());
    const copy = copyOf(message);
    time.after(this.#lastToAgentMs - time.nowMs, () => {
      if (!this.isBroken && !this.#isAgentDone) this.#agent.receive(copy);
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
