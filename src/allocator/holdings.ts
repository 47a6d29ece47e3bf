/**
 * Who holds what on one agent. Mostly that is a single framework, or nobody; a table is only made
 * for more, since there are as many of these as agents.
 */
import type { Bundle } from "../resources/bundle.ts";
import type { Client } from "./role-tree.ts";

const NONE: readonly (readonly [Client, Bundle])[] = [];

/** Bundles by client, each entry once. */
export class Holdings {
  #first: Client | undefined = undefined;
  #ofFirst: Bundle | undefined = undefined;
  #others: Map<Client, Bundle> | undefined = undefined;

  get(client: Client): Bundle | undefined {
    return client === this.#first ? this.#ofFirst : this.#others?.get(client);
  }

  set(client: Client, bundle: Bundle): void {
    const isFirst = this.#first === client || (this.#first === undefined && !this.#has(client));
    if (isFirst) {
      this.#first = client;
      this.#ofFirst = bundle;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(client, bundle);
  }

  delete(client: Client): void {
    if (client === this.#first) {
      this.#first = undefined;
      this.#ofFirst = undefined;
    } else this.#others?.delete(client);
  }

  /** A list as of now, which later changes leave as it is. */
  entries(): readonly (readonly [client: Client, bundle: Bundle])[] {
    const others = this.#others === undefined ? NONE : [...this.#others];
    if (this.#first === undefined || this.#ofFirst === undefined) return others;
    return [[this.#first, this.#ofFirst], ...others];
  }

  #has(client: Client): boolean {
    return this.#others?.has(client) === true;
  }
}
