/**
 * Dominant resource fairness over roles and the frameworks in them, kept up to date by events.
 * After a cycle no offer is possible any more; so the next one only looks at what changed since:
 * agents that got something, and clients (a framework in a role) that became able to take it.
 * Source: semantics 4.1–4.6 (`hierarchical.cpp`).
 */
import { assert, must } from "../base/assert.ts";
import type { AgentId, FrameworkId } from "../base/ids.ts";
import type { AgentInfo } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKinds } from "../resources/kinds.ts";
import { AgentPool, AgentRecord } from "./agents.ts";
import type {
  Allocation,
  Allocator,
  AllocatorFramework,
  AllocatorOptions,
  RoleQuota,
} from "./allocator.ts";
import { type Candidate, Candidates, isGpuCapable } from "./candidates.ts";
import { Filters } from "./filters.ts";
import { clientsOf, type FrameworkRecord, subscribe } from "./frameworks.ts";
import { Account, type Quantities, ScalarNames } from "./quantities.ts";
import { type Client, RoleTree } from "./role-tree.ts";

export class DrfAllocator implements Allocator {
  readonly #kinds: ResourceKinds;
  readonly #options: AllocatorOptions;
  readonly #names: ScalarNames;
  readonly #tree: RoleTree;
  readonly #candidates: Candidates;
  readonly #agents = new AgentPool();
  readonly #frameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly #filters = new Filters<Client, AgentRecord>();
  /** Active agents with something to offer. */
  readonly #dirtyAgents = new Set<AgentRecord>();
  /** Hungry clients. */
  readonly #dirtyClients = new Set<Client>();
  readonly #quotas = new Map<string, RoleQuota>();
  #whitelist: ReadonlySet<string> | undefined = undefined;
  #pause: { readonly agentCount: number; readonly untilMs: number } | undefined = undefined;
  /** Hungry clients with a minimum of their own. */
  readonly #choosyClients = new Set<Client>();

  /** `kinds` is the table of all bundles that come in. */
  constructor(kinds: ResourceKinds, options: AllocatorOptions) {
    this.#kinds = kinds;
    this.#options = options;
    this.#names = new ScalarNames(options.fairSharingExcluded);
    this.#tree = new RoleTree(this.#names);
    this.#candidates = new Candidates(options.minAllocatable);
  }

  /** What an agent told of already is not counted twice; it must be the same in `used`. */
  addFramework(
    id: FrameworkId,
    framework: AllocatorFramework,
    used: ReadonlyMap<AgentId, Bundle>,
    isActive: boolean,
  ): void {
    assert(!this.#frameworks.has(id), () => `framework ${id} is new to the allocator`);
    const record: FrameworkRecord = { id, isActive, clients: new Map() };
    this.#frameworks.set(id, record);
    subscribe(this.#tree, record, framework);
    for (const [agentId, resources] of used)
      this.#adoptUsed(id, this.#agents.get(agentId), resources);
    this.#refresh(record);
  }

  updateFramework(id: FrameworkId, framework: AllocatorFramework): void {
    const record = this.#framework(id);
    const { left, changed } = subscribe(this.#tree, record, framework);
    for (const client of left) this.#leave(client);
    this.#refresh(record);
    for (const client of changed) this.#markClient(client);
  }

  removeFramework(id: FrameworkId): void {
    const record = this.#framework(id);
    this.#frameworks.delete(id);
    for (const client of record.clients.values()) {
      client.isSubscribed = false;
      this.#leave(client);
    }
    // Roles it left earlier may still hold something.
    for (const agent of this.#agents.all()) {
      for (const [client, held] of [...agent.held]) {
        if (client.frameworkId === id) this.#release(agent, client, held.clone());
      }
    }
  }

  activateFramework(id: FrameworkId): void {
    const record = this.#framework(id);
    record.isActive = true;
    this.#refresh(record);
  }

  deactivateFramework(id: FrameworkId): void {
    const record = this.#framework(id);
    record.isActive = false;
    this.#refresh(record);
    for (const client of record.clients.values()) this.#filters.clearClient(client);
  }

  addAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    used: ReadonlyMap<FrameworkId, Bundle>,
  ): void {
    assert(total.kinds === this.#kinds, () => `agent ${id} is described by the allocator's kinds`);
    const agent = new AgentRecord(id, info, total);
    this.#agents.add(agent);
    this.#tree.addTotal(this.#names.quantitiesOn(id, total));
    for (const [frameworkId, resources] of used) this.#hold(agent, frameworkId, resources);
    this.#markAgent(agent);
  }

  updateAgent(id: AgentId, info: AgentInfo, total: Bundle): void {
    const agent = this.#agents.get(id);
    agent.hostname = info.hostname;
    const attributes = JSON.stringify(info.attributes ?? []);
    if (attributes !== agent.attributes) {
      agent.attributes = attributes;
      this.#filters.clearAgent(agent);
      this.#markAgent(agent);
    }
    if (agent.total.equals(total)) return;
    const before = this.#names.quantitiesOn(id, agent.total);
    agent.setTotal(total);
    this.#tree.subtractTotal(before);
    this.#tree.addTotal(this.#names.quantitiesOn(id, total));
    this.#markAgent(agent);
  }

  removeAgent(id: AgentId): void {
    const agent = this.#agents.get(id);
    agent.isActive = false;
    this.#markAgent(agent);
    this.#filters.clearAgent(agent);
    for (const [client, held] of [...agent.held]) this.#release(agent, client, held.clone());
    this.#tree.subtractTotal(this.#names.quantitiesOn(id, agent.total));
    this.#agents.remove(agent);
  }

  activateAgent(id: AgentId): void {
    const agent = this.#agents.get(id);
    if (agent.isActive) return;
    agent.isActive = true;
    this.#markAgent(agent);
  }

  deactivateAgent(id: AgentId): void {
    const agent = this.#agents.get(id);
    agent.isActive = false;
    this.#markAgent(agent);
  }

  updateWhitelist(hostnames: ReadonlySet<string> | undefined): void {
    this.#whitelist = hostnames;
    for (const agent of this.#agents.all()) this.#markAgent(agent);
  }

  updateWeights(weights: readonly { readonly role: string; readonly weight: number }[]): void {
    for (const { role, weight } of weights) this.#tree.setWeight(role, weight);
  }

  updateQuota(role: string, quota: RoleQuota | undefined): void {
    if (quota === undefined) this.#quotas.delete(role);
    else this.#quotas.set(role, quota);
  }

  quotaConsumed(role: string): Readonly<Record<string, number>> {
    const isWithin = (other: string | undefined): boolean =>
      other === role || other?.startsWith(`${role}/`) === true;
    const sums = new Map<string, number>();
    const count = (bundle: Bundle): void => {
      for (const [name, milli] of bundle.scalarTotals())
        sums.set(name, (sums.get(name) ?? 0) + milli);
    };
    for (const agent of this.#agents.all()) {
      count(agent.total.filter((kind) => isWithin(kind.reservationRole) && !kind.isRevocable));
      for (const [client, held] of agent.held) {
        if (!isWithin(client.role.name)) continue;
        count(held.filter((kind) => kind.reservationRole === "*" && !kind.isRevocable));
      }
    }
    return Object.fromEntries([...sums].filter(([, milli]) => milli > 0));
  }

  pauseForRecovery(agentCount: number, untilMs: number): void {
    if (this.#quotas.size > 0) this.#pause = { agentCount, untilMs };
  }

  suppress(id: FrameworkId, roles: readonly string[]): void {
    const record = this.#framework(id);
    for (const client of clientsOf(record, roles)) client.isSuppressed = true;
    this.#refresh(record);
  }

  revive(id: FrameworkId, roles: readonly string[]): void {
    const record = this.#framework(id);
    const clients = clientsOf(record, roles);
    for (const client of clients) {
      client.isSuppressed = false;
      this.#filters.clearClient(client);
    }
    this.#refresh(record);
    for (const client of clients) this.#markClient(client);
  }

  recover(
    frameworkId: FrameworkId,
    agentId: AgentId,
    resources: Bundle,
    refuseMs: number,
    nowMs: number,
  ): void {
    const agent = this.#agents.get(agentId);
    const isRefused = refuseMs > 0 && this.#frameworks.get(frameworkId)?.isActive === true;
    const expiresMs = nowMs + Math.max(this.#options.allocationIntervalMs, refuseMs);
    for (const [role, part] of partsOf(resources)) {
      const client = this.#tree.find(frameworkId, role);
      assert(client !== undefined, () => `framework ${frameworkId} holds something for ${role}`);
      this.#release(agent, client, part);
      if (!isRefused || !client.isSubscribed) continue;
      this.#filters.add({ client, agent }, part.withoutAllocation(), expiresMs, nowMs);
    }
  }

  addUsed(frameworkId: FrameworkId, agentId: AgentId, resources: Bundle): void {
    this.#hold(this.#agents.get(agentId), frameworkId, resources);
  }

  isDirty(): boolean {
    if (this.#tree.hungryCount === 0 || this.#isWaitingForAgents()) return false;
    if (this.#dirtyAgents.size > 0) return true;
    if (this.#dirtyClients.size === 0) return false;
    return this.#agents.all().some((agent) => !agent.hasNothingToOffer());
  }

  nextWakeMs(): number {
    if (this.#pause !== undefined && this.#isWaitingForAgents()) return this.#pause.untilMs;
    return this.#filters.nextEndMs(
      (agent, client) => client.isHungry && !agent.hasNothingToOffer(),
    );
  }

  allocate(nowMs: number): Allocation[] {
    if (this.#pause !== undefined) {
      if (this.#isWaitingForAgents() && nowMs < this.#pause.untilMs) return [];
      this.#pause = undefined;
    }
    this.#filters.expire(nowMs, (agent) => this.#markAgent(agent));
    const isForAll = this.#dirtyClients.size > 0;
    const agents = this.#agents.rotate(isForAll ? this.#agents.all() : this.#dirtyAgents);
    const allocations: Allocation[] = [];
    if (this.#tree.hungryCount > 0) {
      for (const agent of agents) this.#visit(agent, nowMs, allocations);
    }
    for (const agent of this.#dirtyAgents) agent.isDirty = false;
    this.#dirtyAgents.clear();
    for (const client of this.#dirtyClients) client.isDirty = false;
    this.#dirtyClients.clear();
    return allocations;
  }

  /** Dominant share of a role with all below it, weights left out. */
  roleShare(role: string): number {
    return this.#tree.shareOfRole(role);
  }

  /** Dominant share of a framework in one role. */
  frameworkShare(id: FrameworkId, role: string): number {
    this.#tree.settle();
    return this.#tree.find(id, role)?.share ?? 0;
  }

  assertInvariants(): void {
    const totals = new Account();
    const accounts = new Map<Client, Account>();
    for (const agent of this.#agents.all()) {
      this.#assertAgent(agent);
      totals.add(this.#names.quantitiesOn(agent.id, agent.total));
      for (const [client, held] of agent.held) {
        const account = accounts.get(client) ?? new Account();
        account.add(this.#names.quantitiesOn(agent.id, held));
        accounts.set(client, account);
      }
    }
    for (const client of this.#tree.clients()) this.#assertClient(client);
    for (const client of this.#dirtyClients) {
      assert(client.isDirty && client.isHungry, () => `dirty client ${client.path} is hungry`);
    }
    this.#tree.assertInvariants(totals, accounts);
    this.#filters.assertInvariants();
  }

  // ---- a cycle --------------------------------------------------------------------------------

  /** Offers what an agent has to the clients in serving order, until nothing is left. */
  #visit(agent: AgentRecord, nowMs: number, allocations: Allocation[]): void {
    if (agent.hasNothingToOffer() || !this.#isListed(agent)) return;
    this.#candidates.clear();
    if (this.#choosyClients.size === 0 && !this.#candidates.isWorthwhile(agent)) return;
    this.#tree.settle();
    // Each shared volume goes into one offer per agent and cycle.
    const shared = agent.shared.isEmpty() ? agent.shared : agent.shared.clone();
    const isOpenToAll = agent.isDirty;
    const tryClient = (client: Client): boolean => {
      if (!isOpenToAll && !client.isDirty) return false;
      const candidate = this.#candidateFor(agent, shared, client, nowMs);
      if (candidate === undefined) return false;
      allocations.push(this.#offer(agent, client, candidate));
      if (!shared.isEmpty()) shared.subtract(candidate.resources.filter((kind) => kind.isShared));
      this.#candidates.clear();
      return agent.free.isEmpty() && shared.isEmpty();
    };
    const [first] = this.#dirtyClients;
    if (!isOpenToAll && first !== undefined && this.#dirtyClients.size === 1) tryClient(first);
    else this.#tree.walk(tryClient);
  }

  #candidateFor(
    agent: AgentRecord,
    shared: Bundle,
    client: Client,
    nowMs: number,
  ): Candidate | undefined {
    const isGpuHidden = this.#options.isGpuFiltered && agent.hasGpus;
    if (isGpuHidden && !isGpuCapable(client.capabilities)) return undefined;
    const candidate = this.#candidates.find(agent, shared, client);
    if (candidate === undefined) return undefined;
    const isRefused = this.#filters.isRefused(client, agent, candidate.resources, nowMs);
    return isRefused ? undefined : candidate;
  }

  #offer(agent: AgentRecord, client: Client, candidate: Candidate): Allocation {
    const { frameworkId } = client;
    const role = client.role.name;
    const resources = candidate.resources.withAllocation(role);
    this.#take(agent, client, resources);
    return { frameworkId, role, agentId: agent.id, resources };
  }

  #isListed(agent: AgentRecord): boolean {
    return this.#whitelist?.has(agent.hostname) ?? true;
  }

  #isWaitingForAgents(): boolean {
    return this.#pause !== undefined && this.#agents.all().length < this.#pause.agentCount;
  }

  // ---- who holds what -------------------------------------------------------------------------

  #hold(agent: AgentRecord, frameworkId: FrameworkId, resources: Bundle): void {
    for (const [role, part] of partsOf(resources)) {
      this.#take(agent, this.#tree.client(frameworkId, role), part);
    }
  }

  #adoptUsed(frameworkId: FrameworkId, agent: AgentRecord, resources: Bundle): void {
    for (const [role, part] of partsOf(resources)) {
      const client = this.#tree.client(frameworkId, role);
      const held = agent.held.get(client);
      if (held === undefined) this.#take(agent, client, part);
      else
        assert(held.equals(part), () => `agent ${agent.id} knows what ${frameworkId} uses on it`);
    }
  }

  #take(agent: AgentRecord, client: Client, resources: Bundle): void {
    agent.hold(client, resources);
    client.holdings.add(agent.id);
    this.#tree.allocated(client, this.#quantitiesOn(agent, resources));
  }

  #release(agent: AgentRecord, client: Client, resources: Bundle): void {
    agent.release(client, resources);
    this.#tree.unallocated(client, this.#quantitiesOn(agent, resources));
    if (!agent.held.has(client)) {
      client.holdings.delete(agent.id);
      this.#tree.release(client);
    }
    this.#markAgent(agent);
  }

  #quantitiesOn(agent: AgentRecord, resources: Bundle): Quantities {
    return agent.shared.isEmpty()
      ? this.#names.quantitiesOf(resources)
      : this.#names.quantitiesOn(agent.id, resources);
  }

  // ---- who wants what -------------------------------------------------------------------------

  #framework(id: FrameworkId): FrameworkRecord {
    return must(this.#frameworks.get(id), `framework ${id} in the allocator`);
  }

  /** Brings the appetite of all clients of a framework in line with its flags. */
  #refresh(framework: FrameworkRecord): void {
    for (const client of framework.clients.values()) {
      const wasHungry = client.isHungry;
      this.#setHungry(client, framework.isActive && client.isSubscribed && !client.isSuppressed);
      if (!wasHungry) this.#markClient(client);
    }
  }

  #setHungry(client: Client, isHungry: boolean): void {
    this.#tree.setHungry(client, isHungry);
    if (isHungry && client.minimum !== undefined) this.#choosyClients.add(client);
    else this.#choosyClients.delete(client);
    if (!isHungry && client.isDirty) {
      client.isDirty = false;
      this.#dirtyClients.delete(client);
    }
  }

  #leave(client: Client): void {
    this.#setHungry(client, false);
    this.#filters.clearClient(client);
    this.#tree.release(client);
  }

  #markClient(client: Client): void {
    if (!client.isHungry) return;
    client.isDirty = true;
    this.#dirtyClients.add(client);
  }

  /** Marks an agent for the next cycle, or takes the mark away when it has nothing to offer. */
  #markAgent(agent: AgentRecord): void {
    agent.isDirty = !agent.hasNothingToOffer() && this.#isListed(agent);
    if (agent.isDirty) this.#dirtyAgents.add(agent);
    else this.#dirtyAgents.delete(agent);
  }

  // ---- checks ---------------------------------------------------------------------------------

  #assertAgent(agent: AgentRecord): void {
    agent.assertInvariants();
    for (const [client, held] of agent.held) {
      assert(!held.isEmpty(), () => `${client.path} holds something on agent ${agent.id}`);
      const isNoted = client.holdings.has(agent.id);
      assert(isNoted, () => `${client.path} knows what it holds on agent ${agent.id}`);
      const isLive = this.#tree.find(client.frameworkId, client.role.name) === client;
      assert(isLive, () => `${client.path} on agent ${agent.id} is in the tree`);
    }
    const isMarked = this.#dirtyAgents.has(agent);
    assert(isMarked === agent.isDirty, () => `agent ${agent.id} is in the list when marked`);
  }

  #assertClient(client: Client): void {
    for (const agentId of client.holdings) {
      const isKnown = this.#agents.has(agentId) && this.#agents.get(agentId).held.has(client);
      assert(isKnown, () => `${client.path} holds something on agent ${agentId}`);
    }
    const framework = this.#frameworks.get(client.frameworkId);
    const isListed = framework?.clients.get(client.role.name) === client;
    assert(isListed === client.isSubscribed, () => `${client.path} is listed when subscribed`);
    const isHungry = framework?.isActive === true && client.isSubscribed && !client.isSuppressed;
    assert(isHungry === client.isHungry, () => `${client.path} is hungry when nothing is against`);
  }
}

/** Bundles of one allocation role each; the bundle itself when there is only one. */
function partsOf(resources: Bundle): [role: string, part: Bundle][] {
  const roles = resources.allocationRoles();
  const parts = roles.map((role): [string, Bundle] => [
    role,
    roles.length === 1 ? resources : resources.filter((kind) => kind.allocationRole === role),
  ]);
  for (const kind of resources.presentKinds()) {
    assert(kind.allocationRole !== undefined, () => `${kind.name} is allocated to a role`);
  }
  return parts;
}
