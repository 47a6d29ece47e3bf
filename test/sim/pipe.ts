/**
 * One direction of a connection: what is sent arrives in order and late; where the network is cut
 * it waits, as the system sends it again and again.
 */
import type { World } from "./world.ts";

export class Pipe {
  readonly #world: World;
  readonly #delayMs: () => number;
  readonly #from: string;
  readonly #to: string;
  readonly #held: (() => void)[] = [];
  #lastMs = 0;
  /** Called each time something begins to wait. */
  onStuck: () => void = () => undefined;

  constructor(
    world: World,
    from: string,
    to: string,
    delayMs: () => number = () => world.dice.delayMs(),
  ) {
    this.#world = world;
    this.#delayMs = delayMs;
    this.#from = from;
    this.#to = to;
  }

  get isStuck(): boolean {
    return this.#held.length > 0;
  }

  send(arrive: () => void): void {
    const { time } = this.#world;
    this.#lastMs = Math.max(this.#lastMs, time.nowMs + this.#delayMs());
    time.after(this.#lastMs - time.nowMs, () => this.#arrive(arrive));
  }

  #arrive(arrive: () => void): void {
    const { network } = this.#world;
    if (this.#held.length > 0) this.#held.push(arrive);
    else if (network.isCut(this.#from, this.#to)) {
      this.#held.push(arrive);
      network.whenMended(this.#from, this.#to, () => this.#flush());
      this.onStuck();
    } else arrive();
  }

  #flush(): void {
    const { network, time } = this.#world;
    if (network.isCut(this.#from, this.#to)) {
      network.whenMended(this.#from, this.#to, () => this.#flush());
      return;
    }
    for (const arrive of this.#held.splice(0)) time.after(0, arrive);
  }
}
