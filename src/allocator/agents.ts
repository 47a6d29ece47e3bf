/**
 * Agents as the allocator sees them: what is free on each, who holds the rest, and whose turn it is
 * to be looked at first.
 */
import { assert, must } from "../base/assert.ts";
import type { AgentId } from "../base/ids.ts";
import { SplitMap } from "../base/split-map.ts";
import type { AgentInfo, AgentInfoCapabilityType, Attribute } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import { Holdings } from "./holdings.ts";
import type { Client } from "./role-tree.ts";

const NO_ATTRIBUTES: readonly Attribute[] = [];
const NOBODY: readonly Client[] = [];

/** One agent. Shared volumes stay available while they are used, so they are not part of `free`. */
export class AgentRecord {
  /** Reused when the agent has gone. */
  readonly number: number;
  readonly id: AgentId;
  hostname: string = "";
  attributes: readonly Attribute[] = NO_ATTRIBUTES;
  region: string | undefined = undefined;
  zone: string | undefined = undefined;
  /** Undefined: all of them. */
  capabilities: ReadonlySet<AgentInfoCapabilityType> | undefined = undefined;
  /** Bits of offerable.ts that a client must have, and must not have. */
  neededBits: number = 0;
  refusedBits: number = 0;
  /** Unallocated form, as everything below but `held`. */
  total: Bundle;
  /** Neither offered nor used; without shared resources. */
  free: Bundle;
  /** Shared volumes; undefined where there are none. */
  shared: Bundle | undefined = undefined;
  isActive: boolean = true;
  /** On the whitelist, where there is one. */
  isListed: boolean = true;
  /** May have something for somebody that the last cycle did not see. */
  isDirty: boolean = false;
  /** Place in the pool. */
  position: number = 0;
  #woken: Client[] | undefined = undefined;
  /** Offered to or used by each client, allocated form; never empty. */
  readonly held: Holdings = new Holdings();

  constructor(number: number, id: AgentId, info: AgentInfo, total: Bundle) {
    this.number = number;
    this.id = id;
    this.total = total;
    this.free = total;
    this.setInfo(info);
    this.setTotal(total);
  }

  /** Clients of which a filter on this agent has ended since the last cycle; some perhaps twice. */
  get woken(): readonly Client[] {
    return this.#woken ?? NOBODY;
  }

  wake(client: Client): void {
    if (this.#woken === undefined) this.#woken = [client];
    else this.#woken.push(client);
  }

  forgetWoken(): void {
    this.#woken = undefined;
  }

  /** Its free resources may be offered. */
  get isEligible(): boolean {
    return this.isActive && this.isListed;
  }

  /** It has something to offer. */
  get isOfferable(): boolean {
    return this.isActive && this.isListed && !this.free.isEmpty();
  }

  /** Replaces what it says of itself; true when the attributes are others than before. */
  setInfo(info: AgentInfo): boolean {
    this.hostname = info.hostname;
    this.region = info.domain?.fault_domain?.region.name;
    this.zone = info.domain?.fault_domain?.zone.name;
    const before = this.attributes;
    this.attributes = info.attributes ?? NO_ATTRIBUTES;
    if (before === this.attributes) return false;
    if (before.length === 0 && this.attributes.length === 0) return false;
    return JSON.stringify(before) !== JSON.stringify(this.attributes);
  }

  /** Replaces the total, which must cover what is held. */
  setTotal(total: Bundle): void {
    const isPlain = !total.summary().hasShared;
    const free = isPlain ? total.clone() : total.filter((kind) => !kind.isShared);
    for (const [, held] of this.held.entries()) free.subtract(withoutShared(held));
    this.total = total;
    this.free = free;
    this.shared = isPlain ? undefined : total.filter((kind) => kind.isShared);
    for (const [, held] of this.held.entries()) this.#assertSharedPresent(held);
  }

  /**
   * Moves resources from free to a client; asserts that they are free. `plain` is the same in
   * unallocated form.
   */
  hold(client: Client, resources: Bundle, plain: Bundle): void {
    this.free.subtract(this.#withoutShared(plain));
    const held = this.held.get(client);
    if (held === undefined) this.held.set(client, resources.clone());
    else held.add(resources);
    if (resources.summary().hasShared) this.#assertSharedPresent(resources);
  }

  /** Moves resources of a client back; asserts that the client holds them. */
  release(client: Client, resources: Bundle, plain: Bundle): void {
    const held = this.held.get(client);
    assert(held !== undefined, () => `${client.frameworkId} holds something on agent ${this.id}`);
    held.subtract(resources);
    if (held.isEmpty()) this.held.delete(client);
    this.free.add(this.#withoutShared(plain));
  }

  /** Asserts promise 2 of the design: what is free and what is held are the total. */
  assertInvariants(): void {
    const left = this.total.filter((kind) => !kind.isShared);
    for (const [, held] of this.held.entries()) left.subtract(withoutShared(held));
    assert(left.equals(this.free), () => `agent ${this.id} is free of what nobody holds`);
    for (const [, held] of this.held.entries()) this.#assertSharedPresent(held);
  }

  #withoutShared(plain: Bundle): Bundle {
    return this.shared === undefined ? plain : plain.filter((kind) => !kind.isShared);
  }

  #assertSharedPresent(resources: Bundle): void {
    if (!resources.summary().hasShared) return;
    for (const kind of resources.withoutAllocation().presentKinds()) {
      const isPresent = !kind.isShared || (this.shared?.amountOf(kind) ?? 0) > 0;
      assert(isPresent, () => `agent ${this.id} has the shared ${kind.name} that is held`);
    }
  }
}

/** What both a `Set` of agents and an `AgentSet` can tell. */
export interface AgentSelection extends Iterable<AgentRecord> {
  readonly size: number;
  has(agent: AgentRecord): boolean;
}

/** All agents, with the rotation that stands in for Mesos' shuffling. */
export class AgentPool {
  readonly #byId = new SplitMap<AgentId, AgentRecord>();
  readonly #byNumber: (AgentRecord | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  /** As added; may hold agents that have gone until somebody asks for the order. */
  #inOrder: AgentRecord[] = [];
  #isStale = false;
  #cycleCount = 0;
  /** Position at which this cycle starts. */
  #start = 0;

  get size(): number {
    return this.#byId.size;
  }

  has(id: AgentId): boolean {
    return this.#byId.has(id);
  }

  get(id: AgentId): AgentRecord {
    return must(this.#byId.get(id), `agent ${id} in the allocator`);
  }

  at(number: number): AgentRecord {
    return must(this.#byNumber[number], "agent of this number");
  }

  /** In order; O(agents) after a removal, else O(1). */
  all(): readonly AgentRecord[] {
    if (!this.#isStale) return this.#inOrder;
    this.#isStale = false;
    this.#inOrder = this.#inOrder.filter((agent) => this.#byNumber[agent.number] === agent);
    for (const [position, agent] of this.#inOrder.entries()) agent.position = position;
    return this.#inOrder;
  }

  add(id: AgentId, info: AgentInfo, total: Bundle): AgentRecord {
    assert(!this.#byId.has(id), () => `agent ${id} is new to the allocator`);
    const number = this.#freeNumbers.pop() ?? this.#byNumber.length;
    const agent = new AgentRecord(number, id, info, total);
    agent.position = this.#inOrder.length;
    this.#byNumber[number] = agent;
    this.#byId.set(id, agent);
    this.#inOrder.push(agent);
    return agent;
  }

  remove(agent: AgentRecord): void {
    this.#byId.delete(agent.id);
    this.#byNumber[agent.number] = undefined;
    this.#freeNumbers.push(agent.number);
    this.#isStale = true;
  }

  /**
   * Begins a cycle: each starts one agent later than the one before, so that over time nobody is
   * always first.
   *
   * Differs from Mesos: no shuffling, since the allocator is without chance.
   */
  beginCycle(): void {
    this.#start = this.#cycleCount % Math.max(1, this.all().length);
    this.#cycleCount += 1;
  }

  /** The given agents in this cycle's order. O(agents given, with a logarithm, or all agents). */
  inTurn(agents: AgentSelection): AgentRecord[] {
    const all = this.all();
    const start = this.#start;
    if (agents.size * SCAN_FACTOR > all.length) return scan(all, start, agents);
    const turnOf = ({ position }: AgentRecord): number =>
      position < start ? position + all.length - start : position - start;
    return [...agents].sort((a, b) => turnOf(a) - turnOf(b));
  }
}

/** With more than this part of the agents wanted, looking at all of them beats sorting. */
const SCAN_FACTOR = 8;

function scan(all: readonly AgentRecord[], start: number, wanted: AgentSelection): AgentRecord[] {
  const result: AgentRecord[] = [];
  for (let step = 0; step < all.length; step++) {
    const agent = all[(start + step) % all.length];
    if (agent !== undefined && wanted.has(agent)) result.push(agent);
  }
  return result;
}

/** The part, in unallocated form, that nobody else can hold too. */
function withoutShared(resources: Bundle): Bundle {
  const plain = resources.withoutAllocation();
  return plain.summary().hasShared ? plain.filter((kind) => !kind.isShared) : plain;
}
