/**
 * Tells the master what commands are carried out: along with what it is told anyway, or else a little
 * later, for all that have come by then. Who confirms a command confirms all before it; what was not
 * told when a link breaks the next registration tells, and no other link may hear of it.
 */
import type { Clock } from "../../base/ports.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import { CONFIRMATION_MS } from "./limits.ts";

export type Confirmation = Extract<AgentToMaster, { readonly kind: "commandDone" }>;

export class Confirmations {
  readonly #clock: Clock;
  readonly #send: (message: Confirmation) => void;
  #last: Confirmation | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, send: (message: Confirmation) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(confirmation: Confirmation): void {
    this.#last = confirmation;
    this.#cancel ??= this.#clock.schedule(CONFIRMATION_MS, () => this.flush());
  }

  /** To be called before anything else is sent. */
  flush(): void {
    const last = this.#last;
    this.drop();
    if (last !== undefined) this.#send(last);
  }

  /** To be called when the link is gone. */
  drop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#last = undefined;
  }
}
