/**
 * Agents as the allocator sees them: what is free on each, who holds the rest, and whose turn it is
 * to be looked at first.
 */
import { assert, must } from "../base/assert.ts";
import type { AgentId } from "../base/ids.ts";
import type { AgentInfo } from "../protocol/v1/types.ts";
import { Bundle } from "../resources/bundle.ts";
import type { Client } from "./role-tree.ts";

/** One agent. Shared volumes stay available while they are used, so they are not part of `free`. */
export class AgentRecord {
  readonly id: AgentId;
  hostname: string;
  /** Attributes in comparable form. */
  attributes: string;
  /** Unallocated form, as everything below but `held`. */
  total: Bundle;
  /** Neither offered nor used; without shared resources. */
  free: Bundle;
  shared: Bundle;
  hasGpus: boolean = false;
  hasReservations: boolean = false;
  isActive: boolean = true;
  /** May have something for somebody that the last cycle did not see. */
  isDirty: boolean = false;
  /** Place in the pool. */
  position: number = 0;
  /** Offered to or used by each client, allocated form; never empty. */
  readonly held: Map<Client, Bundle> = new Map();

  constructor(id: AgentId, info: AgentInfo, total: Bundle) {
    this.id = id;
    this.hostname = info.hostname;
    this.attributes = JSON.stringify(info.attributes ?? []);
    this.total = total;
    this.free = total;
    this.shared = total;
    this.setTotal(total);
  }

  /** Replaces the total, which must cover what is held. */
  setTotal(total: Bundle): void {
    const free = total.filter((kind) => !kind.isShared);
    free.subtract(this.#heldWithoutShared());
    this.total = total;
    this.free = free;
    this.shared = total.filter((kind) => kind.isShared);
    this.hasGpus = total.scalarMilli("gpus") > 0;
    for (const held of this.held.values()) this.#assertSharedPresent(held);
    this.hasReservations = false;
    for (const kind of total.presentKinds()) {
      if (kind.reservationRole !== "*") this.hasReservations = true;
    }
  }

  /** Moves resources (allocated form) from free to a client; asserts that they are free. */
  hold(client: Client, resources: Bundle): void {
    this.free.subtract(this.#withoutShared(resources));
    const held = this.held.get(client);
    if (held === undefined) this.held.set(client, resources.clone());
    else held.add(resources);
    if (!this.shared.isEmpty()) this.#assertSharedPresent(resources);
  }

  /** Moves resources (allocated form) of a client back; asserts that the client holds them. */
  release(client: Client, resources: Bundle): void {
    const held = this.held.get(client);
    assert(held !== undefined, () => `${client.path} holds something on agent ${this.id}`);
    held.subtract(resources);
    if (held.isEmpty()) this.held.delete(client);
    this.free.add(this.#withoutShared(resources));
  }

  /** Asserts promise 2 of the design: what is free and what is held are the total. */
  assertInvariants(): void {
    const left = this.total.filter((kind) => !kind.isShared);
    left.subtract(this.#heldWithoutShared());
    assert(left.equals(this.free), () => `agent ${this.id} is free of what nobody holds`);
    for (const held of this.held.values()) this.#assertSharedPresent(held);
  }

  hasNothingToOffer(): boolean {
    return !this.isActive || (this.free.isEmpty() && this.shared.isEmpty());
  }

  #heldWithoutShared(): Bundle {
    const sum = Bundle.empty(this.total.kinds);
    for (const held of this.held.values()) {
      sum.add(held.withoutAllocation().filter((kind) => !kind.isShared));
    }
    return sum;
  }

  /** Unallocated form. */
  #withoutShared(resources: Bundle): Bundle {
    const plain = resources.withoutAllocation();
    return this.shared.isEmpty() ? plain : plain.filter((kind) => !kind.isShared);
  }

  #assertSharedPresent(resources: Bundle): void {
    const taken = resources.withoutAllocation().filter((kind) => kind.isShared);
    for (const { kind, name } of taken.presentKinds()) {
      const own = this.shared.filter((shared) => shared.kind === kind);
      assert(!own.isEmpty(), () => `agent ${this.id} has the shared ${name} that is held`);
    }
  }
}

/** All agents, with the rotation that stands in for Mesos' shuffling. */
export class AgentPool {
  readonly #byId = new Map<AgentId, AgentRecord>();
  readonly #inOrder: AgentRecord[] = [];
  #cycleCount = 0;

  has(id: AgentId): boolean {
    return this.#byId.has(id);
  }

  get(id: AgentId): AgentRecord {
    return must(this.#byId.get(id), `agent ${id} in the allocator`);
  }

  all(): readonly AgentRecord[] {
    return this.#inOrder;
  }

  add(agent: AgentRecord): void {
    assert(!this.#byId.has(agent.id), () => `agent ${agent.id} is new to the allocator`);
    agent.position = this.#inOrder.length;
    this.#byId.set(agent.id, agent);
    this.#inOrder.push(agent);
  }

  /** O(agents). */
  remove(agent: AgentRecord): void {
    this.#byId.delete(agent.id);
    this.#inOrder.splice(agent.position, 1);
    for (let index = agent.position; index < this.#inOrder.length; index++) {
      must(this.#inOrder[index], "agent of the pool").position = index;
    }
  }

  /**
   * Begins a cycle: each starts one agent later than the one before, so that over time nobody is
   * always first. Returns the given agents in this cycle's order.
   *
   * Differs from Mesos: no shuffling, since the allocator is without chance.
   */
  rotate(agents: Iterable<AgentRecord>): AgentRecord[] {
    const count = Math.max(1, this.#inOrder.length);
    const start = this.#cycleCount % count;
    this.#cycleCount += 1;
    const turnOf = (agent: AgentRecord): number => (agent.position - start + count) % count;
    return [...agents].sort((a, b) => turnOf(a) - turnOf(b));
  }
}
