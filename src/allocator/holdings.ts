/**
 * Who holds what on one agent. Mostly that is a single framework, or nobody; a table is only made
 * for more, since there are as many of these as agents.
 */
import type { Bundle } from "../resources/bundle.ts";
import type { Client } from "./role-tree.ts";

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

  /** Shows each entry; those of which `show` takes entries away are shown or not. */
  forEach(show: (client: Client, bundle: Bundle) => void): void {
    const { clients } = this;
    for (const client of clients) {
      const bundle = this.get(client);
      if (bundle !== undefined) show(client, bundle);
    }
  }

  /** Those who hold something, as of now. */
  get clients(): readonly Client[] {
    const others = [...(this.#others?.keys() ?? [])];
    return this.#first === undefined ? others : [this.#first, ...others];
  }

  #has(client: Client): boolean {
    return this.#others?.has(client) === true;
  }
}
