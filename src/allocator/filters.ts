/**
 * Refusals: what a framework declined on an agent for a role, and until when. An offer is held back
 * while one refusal contains all of it, so more or other resources get through.
 * Source: semantics 4.5.
 */
import { assert } from "../base/assert.ts";
import type { Bundle } from "../resources/bundle.ts";
import { DEAD_FILTERS_MIN, FILTERS_PER_KEY } from "./limits.ts";

/** One refusal. `Client` and `Agent` are compared by identity. */
export interface Filter<Client, Agent> {
  readonly client: Client;
  readonly agent: Agent;
  /** What was refused, unallocated form. */
  readonly resources: Bundle;
  readonly expiresMs: number;
  isLive: boolean;
  /** In the wake queue: it held back an offer that was possible otherwise. */
  isQueued: boolean;
}

export class Filters<Client, Agent> {
  readonly #byAgent = new Map<Agent, Map<Client, Filter<Client, Agent>[]>>();
  readonly #agentsOf = new Map<Client, Set<Agent>>();
  /** Binary heap, earliest end first; may hold dead ones. */
  #wakes: Filter<Client, Agent>[] = [];
  #deadWakes = 0;

  /**
   * `resources` in unallocated form, kept. Those of the pair that have ended go, and shorter ones
   * of the same or less, so the caller has to look at the pair again.
   */
  add(
    { client, agent }: { readonly client: Client; readonly agent: Agent },
    resources: Bundle,
    expiresMs: number,
    nowMs: number,
  ): void {
    const before = this.#byAgent.get(agent)?.get(client) ?? [];
    const filter = { client, agent, resources, expiresMs, isLive: true, isQueued: false };
    const kept: Filter<Client, Agent>[] = [];
    for (const other of before) {
      const isCovered = other.expiresMs <= expiresMs && resources.contains(other.resources);
      if (isCovered || other.expiresMs <= nowMs) this.#kill(other);
      else kept.push(other);
    }
    kept.push(filter);
    if (kept.length > FILTERS_PER_KEY) this.#dropShortest(kept);
    this.#keep(client, agent, kept);
  }

  /** True when a refusal that is live at `nowMs` contains all of `resources` (unallocated form). */
  isRefused(client: Client, agent: Agent, resources: Bundle, nowMs: number): boolean {
    const filters = this.#byAgent.get(agent)?.get(client);
    if (filters === undefined) return false;
    for (const filter of filters) {
      if (filter.expiresMs <= nowMs || !filter.resources.contains(resources)) continue;
      this.#queue(filter);
      return true;
    }
    return false;
  }

  /** Forgets refusals that have ended and held something back; shows each. */
  expire(nowMs: number, show: (agent: Agent, client: Client) => void): void {
    for (let head = this.#wakes[0]; head !== undefined; head = this.#wakes[0]) {
      if (head.isLive && head.expiresMs > nowMs) return;
      this.#popWake();
      if (!head.isLive) continue;
      this.#forget(head);
      show(head.agent, head.client);
    }
  }

  /**
   * When the first refusal ends that holds back something `isWanted` still; Infinity when none.
   * Those not wanted now are queued again by the next offer they hold back.
   */
  nextEndMs(isWanted: (agent: Agent, client: Client) => boolean): number {
    for (let head = this.#wakes[0]; head !== undefined; head = this.#wakes[0]) {
      if (head.isLive && isWanted(head.agent, head.client)) return head.expiresMs;
      this.#popWake();
      head.isQueued = false;
    }
    return Number.POSITIVE_INFINITY;
  }

  clearClient(client: Client): void {
    for (const agent of [...(this.#agentsOf.get(client) ?? [])]) this.#clearPair(client, agent);
  }

  clearAgent(agent: Agent): void {
    const byClient = this.#byAgent.get(agent);
    if (byClient === undefined) return;
    for (const client of [...byClient.keys()]) this.#clearPair(client, agent);
  }

  /** Asserts that both indexes say the same. */
  assertInvariants(): void {
    let pairs = 0;
    for (const [agent, byClient] of this.#byAgent) {
      assert(byClient.size > 0, "an agent without refusals is not indexed");
      for (const [client, filters] of byClient) {
        pairs += 1;
        assert(filters.length > 0, "a pair without refusals is not indexed");
        assert(filters.length <= FILTERS_PER_KEY, "refusals of a pair are bounded");
        assert(
          filters.every((filter) => filter.isLive),
          "indexed refusals are live",
        );
        assert(this.#agentsOf.get(client)?.has(agent) === true, "refusals are found by client");
      }
    }
    let indexed = 0;
    for (const agents of this.#agentsOf.values()) indexed += agents.size;
    assert(indexed === pairs, "refusals by client equal those by agent");
    const dead = this.#wakes.filter((filter) => !filter.isLive).length;
    assert(dead === this.#deadWakes, "dead refusals in the queue are counted");
  }

  #clearPair(client: Client, agent: Agent): void {
    for (const filter of this.#byAgent.get(agent)?.get(client) ?? []) this.#kill(filter);
    this.#keep(client, agent, []);
  }

  #forget(filter: Filter<Client, Agent>): void {
    filter.isLive = false;
    const filters = this.#byAgent.get(filter.agent)?.get(filter.client) ?? [];
    this.#keep(
      filter.client,
      filter.agent,
      filters.filter((other) => other !== filter),
    );
  }

  #keep(client: Client, agent: Agent, filters: Filter<Client, Agent>[]): void {
    const byClient = this.#byAgent.get(agent);
    const agents = this.#agentsOf.get(client);
    if (filters.length > 0) {
      if (byClient === undefined) this.#byAgent.set(agent, new Map([[client, filters]]));
      else byClient.set(client, filters);
      if (agents === undefined) this.#agentsOf.set(client, new Set([agent]));
      else agents.add(agent);
      return;
    }
    byClient?.delete(client);
    if (byClient?.size === 0) this.#byAgent.delete(agent);
    agents?.delete(agent);
    if (agents?.size === 0) this.#agentsOf.delete(client);
  }

  #dropShortest(filters: Filter<Client, Agent>[]): void {
    let shortest = 0;
    for (const [index, filter] of filters.entries()) {
      if (filter.expiresMs < (filters[shortest]?.expiresMs ?? 0)) shortest = index;
    }
    for (const filter of filters.splice(shortest, 1)) this.#kill(filter);
  }

  #kill(filter: Filter<Client, Agent>): void {
    filter.isLive = false;
    if (!filter.isQueued) return;
    this.#deadWakes += 1;
    if (this.#deadWakes > DEAD_FILTERS_MIN && this.#deadWakes * 2 > this.#wakes.length) {
      this.#rebuildWakes();
    }
  }

  #rebuildWakes(): void {
    // A sorted array is a heap.
    this.#wakes = this.#wakes
      .filter((filter) => filter.isLive)
      .sort((a, b) => a.expiresMs - b.expiresMs);
    this.#deadWakes = 0;
  }

  #queue(filter: Filter<Client, Agent>): void {
    if (filter.isQueued) return;
    filter.isQueued = true;
    const heap = this.#wakes;
    let index = heap.length;
    heap.push(filter);
    while (index > 0) {
      const parentIndex = (index - 1) >>> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.expiresMs <= filter.expiresMs) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = filter;
  }

  #popWake(): void {
    const heap = this.#wakes;
    const head = heap[0];
    const last = heap.pop();
    if (head !== undefined && !head.isLive) this.#deadWakes -= 1;
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const isRightEarlier =
        left !== undefined && right !== undefined && right.expiresMs < left.expiresMs;
      const child = isRightEarlier ? right : left;
      if (child === undefined || child.expiresMs >= last.expiresMs) break;
      heap[index] = child;
      index = 2 * index + (isRightEarlier ? 2 : 1);
    }
    heap[index] = last;
  }
}
