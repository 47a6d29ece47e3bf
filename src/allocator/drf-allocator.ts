/**
 * Dominant resource fairness over roles and the frameworks in them, kept up to date by events.
 * After a cycle no offer is possible any more; so the next one only looks at what changed since:
 * agents that got something, clients (a framework in a role) that became able to take it, and pairs
 * of both whose filter ended. The rules are those of allocator.ts.
 */
import { assert, must } from "../base/assert.ts";
import type { AgentId, FrameworkId } from "../base/ids.ts";
import type { AgentInfo, AgentInfoCapabilityType } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKinds } from "../resources/kinds.ts";
import { AgentSet } from "./agent-set.ts";
import type { AgentRecord, AgentSelection } from "./agents.ts";
import type {
  Allocation,
  Allocator,
  AllocatorFramework,
  AllocatorOptions,
  CycleBudget,
  RoleQuota,
} from "./allocator.ts";
import { Cycle } from "./cycle.ts";
import { reasonsAgainst } from "./explain.ts";
import type { Explanation } from "./explanation.ts";
import { Filters } from "./filters.ts";
import { clientsOf, type FrameworkRecord, subscribe } from "./frameworks.ts";
import { assertLedger } from "./invariants.ts";
import { Ledger } from "./ledger.ts";
import { type Minimum, minimumOf, renumbered } from "./minimum.ts";
import { setAgentBits } from "./offerable.ts";
import type { Branch, Client } from "./role-tree.ts";

export class DrfAllocator implements Allocator {
  readonly #options: AllocatorOptions;
  readonly #ledger: Ledger;
  readonly #filters = new Filters();
  readonly #cycle: Cycle;
  /** Applies to frameworks that bring none of their own. */
  readonly #minimum: Minimum;
  readonly #frameworks = new Map<FrameworkId, FrameworkRecord>();
  /** Agents with something to offer that the last cycle did not see. */
  readonly #dirtyAgents: AgentSet;
  /** Hungry clients. */
  readonly #dirtyClients = new Set<Client>();
  /** Hungry clients with a minimum of their own. */
  readonly #choosyClients = new Set<Client>();
  /** Clients with offer constraints. */
  readonly #constrainedClients = new Set<Client>();
  #whitelist: ReadonlySet<string> | undefined = undefined;
  #pause: { readonly agentCount: number; readonly untilMs: number } | undefined = undefined;
  /** Scalar names that minimums of frameworks have been numbered with. */
  #nameCount = 0;
  /** Something was taken, returned or allowed since the last cycle. */
  #areAmountsNew = false;

  /** `kinds` is the table of all bundles that come in. */
  constructor(kinds: ResourceKinds, options: AllocatorOptions) {
    this.#options = options;
    this.#ledger = new Ledger(kinds, options.fairSharingExcluded);
    this.#dirtyAgents = new AgentSet(this.#ledger.pool);
    for (const entry of options.minAllocatable) {
      for (const name of Object.keys(entry)) kinds.scalarIndexOf(name);
    }
    this.#minimum = minimumOf(kinds, options.minAllocatable);
    this.#cycle = new Cycle(this.#ledger, this.#filters, this.#minimum);
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
    subscribe(this.#ledger.tree, this.#ledger.kinds, record, framework);
    for (const [agentId, resources] of used) {
      this.#adoptUsed(id, this.#ledger.pool.get(agentId), resources);
    }
    this.#refresh(record);
  }

  updateFramework(id: FrameworkId, framework: AllocatorFramework): void {
    const record = this.#framework(id);
    const { tree, kinds } = this.#ledger;
    const { left, changed } = subscribe(tree, kinds, record, framework);
    for (const client of left) this.#leave(client);
    this.#refresh(record);
    for (const client of changed) this.#markClient(client);
  }

  removeFramework(id: FrameworkId): void {
    const { tree, pool } = this.#ledger;
    assert(this.#frameworks.delete(id), () => `framework ${id} is in the allocator`);
    // Those of roles it left earlier may still hold something.
    for (const client of tree.clientsOf(id)) {
      client.isSubscribed = false;
      this.#leave(client);
      for (const agentNumber of [...client.agents]) {
        const agent = pool.at(agentNumber);
        this.#release(agent, client, must(agent.held.get(client), "what is held").clone());
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
    for (const client of record.clients.values()) this.#filters.clearClient(client.number);
  }

  addAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    used: ReadonlyMap<FrameworkId, Bundle>,
    capabilities?: ReadonlySet<AgentInfoCapabilityType>,
  ): void {
    const { kinds } = this.#ledger;
    assert(total.kinds === kinds, () => `agent ${id} is described by the allocator's kinds`);
    this.#learnNames();
    const agent = this.#ledger.addAgent(id, info, total);
    agent.capabilities = capabilities;
    setAgentBits(agent, this.#options);
    for (const client of this.#constrainedClients) client.constraint?.forget(agent.number);
    if (this.#whitelist !== undefined) {
      this.#ledger.setEligible(agent, {
        isListed: this.#whitelist.has(agent.hostname),
      });
    }
    for (const [frameworkId, resources] of used) this.#hold(agent, frameworkId, resources);
    this.#markAgent(agent);
  }

  updateAgent(
    id: AgentId,
    info: AgentInfo,
    total: Bundle,
    capabilities?: ReadonlySet<AgentInfoCapabilityType>,
  ): void {
    const agent = this.#ledger.pool.get(id);
    this.#setInfo(agent, info);
    const isTotalNew = !agent.total.equals(total);
    this.#learnNames();
    if (isTotalNew) this.#ledger.setTotal(agent, total);
    agent.capabilities = capabilities ?? agent.capabilities;
    const areBitsNew = setAgentBits(agent, this.#options);
    if (isTotalNew || areBitsNew) this.#markAgent(agent);
  }

  removeAgent(id: AgentId): void {
    const agent = this.#ledger.pool.get(id);
    this.#ledger.setEligible(agent, { isActive: false });
    this.#filters.clearAgent(agent.number);
    for (const [client, held] of agent.held.entries()) {
      this.#release(agent, client, held.clone());
    }
    this.#ledger.removeAgent(agent);
    this.#markAgent(agent);
    this.#cycle.heldBack.delete(agent);
  }

  activateAgent(id: AgentId): void {
    const agent = this.#ledger.pool.get(id);
    if (agent.isActive) return;
    this.#ledger.setEligible(agent, { isActive: true });
    this.#markAgent(agent);
  }

  deactivateAgent(id: AgentId): void {
    const agent = this.#ledger.pool.get(id);
    this.#ledger.setEligible(agent, { isActive: false });
    this.#markAgent(agent);
  }

  updateWhitelist(hostnames: ReadonlySet<string> | undefined): void {
    this.#whitelist = hostnames;
    for (const agent of this.#ledger.pool.all()) this.#list(agent);
  }

  updateWeights(weights: readonly { readonly role: string; readonly weight: number }[]): void {
    for (const { role, weight } of weights) {
      assert(weight > 0, () => `weight ${weight} of role ${role} is above 0`);
      this.#ledger.tree.setWeight(role, weight);
    }
  }

  updateQuota(role: string, quota: RoleQuota | undefined): void {
    const { quotas, tree, kinds } = this.#ledger;
    assert(!role.includes("/"), () => `role ${role} with a quota is a top-level role`);
    if (quota === undefined) quotas.delete(role);
    else {
      const guarantees = byIndex(kinds, quota.guarantees);
      const limits = byIndex(kinds, quota.limits);
      quotas.set(role, { guarantees, limits }, this.#ledger.consumedOf(role));
    }
    tree.quotaChanged(role);
    this.#areAmountsNew = true;
    const branch = tree.branch(role);
    if (branch !== undefined) this.#markRole(branch);
  }

  quotaConsumed(role: string): ReadonlyMap<string, number> {
    const { kinds } = this.#ledger;
    const consumed = new Map<string, number>();
    for (const [index, milli] of this.#ledger.consumedOf(role).entries()) {
      if ((milli ?? 0) > 0) consumed.set(must(kinds.scalarNames[index], "scalar name"), milli);
    }
    return consumed;
  }

  pauseForRecovery(agentCount: number, untilMs: number): void {
    if (this.#ledger.quotas.size > 0) this.#pause = { agentCount, untilMs };
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
      this.#filters.clearClient(client.number);
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
    const { pool, tree } = this.#ledger;
    const agent = pool.get(agentId);
    const isRefused = refuseMs > 0 && this.#frameworks.get(frameworkId)?.isActive === true;
    const expiresMs = nowMs + Math.max(this.#options.allocationIntervalMs, refuseMs);
    for (const [role, part] of partsOf(resources)) {
      const client = tree.find(frameworkId, role);
      assert(client !== undefined, () => `framework ${frameworkId} holds something for ${role}`);
      const plain = part.withoutAllocation();
      this.#ledger.release(agent, client, part, plain);
      if (!isRefused || !client.isSubscribed) continue;
      this.#filters.add(client.number, agent.number, plain, expiresMs, nowMs);
    }
    this.#areAmountsNew = true;
    this.#markAgent(agent);
  }

  addUsed(frameworkId: FrameworkId, agentId: AgentId, resources: Bundle): void {
    const agent = this.#ledger.pool.get(agentId);
    this.#hold(agent, frameworkId, resources);
    if (!agent.isOfferable) this.#markAgent(agent);
  }

  isDirty(): boolean {
    const { tree, quotas, offerable, indivisible } = this.#ledger;
    if (tree.hungryCount === 0 || this.#isPaused()) return false;
    if (this.#dirtyAgents.size > 0) return true;
    if (offerable.size === 0) return false;
    if (this.#dirtyClients.size > 0 || quotas.isLoosened) return true;
    return this.#areAmountsNew && quotas.size > 0 && indivisible.size > 0;
  }

  nextWakeMs(): number {
    if (this.#pause !== undefined && this.#isPaused()) return this.#pause.untilMs;
    const { tree, pool } = this.#ledger;
    return this.#filters.nextEndMs(
      (agent, client) => tree.clientAt(client).isHungry && pool.at(agent).isOfferable,
    );
  }

  allocate(nowMs: number, budget?: CycleBudget): Allocation[] {
    if (this.#pause !== undefined) {
      if (this.#isPaused() && nowMs < this.#pause.untilMs) return [];
      this.#pause = undefined;
    }
    this.#ledger.pool.beginCycle();
    this.#cycle.looks = 0;
    const wokenAgents = this.#wake(nowMs, budget?.looks ?? Number.POSITIVE_INFINITY);
    this.#loosen();
    for (const client of this.#dirtyClients) client.starvingSinceMs ??= nowMs;
    const allocations =
      this.#ledger.tree.hungryCount === 0 ? [] : this.#run(wokenAgents, nowMs, budget);
    this.#settle(wokenAgents);
    return allocations;
  }

  lastCycleLooks(): number {
    return this.#cycle.looks;
  }

  explain(id: FrameworkId, role: string, nowMs: number): Explanation {
    const client = must(this.#framework(id).clients.get(role), `role ${role} of framework ${id}`);
    const reasons = reasonsAgainst({
      ledger: this.#ledger,
      filters: this.#filters,
      client,
      minimum: client.minimum ?? this.#minimum,
      nowMs,
    });
    return {
      isSuppressed: client.isSuppressed,
      starvingSinceMs: client.isHungry ? client.starvingSinceMs : undefined,
      agentCount: this.#ledger.pool.size,
      reasons,
    };
  }

  /** Share of a role with all below it, by its weight. */
  roleShare(role: string): number {
    return this.#ledger.tree.shareOfRole(role);
  }

  /** Share of a framework in one role. */
  frameworkShare(id: FrameworkId, role: string): number {
    const { tree } = this.#ledger;
    const client = tree.find(id, role);
    return client === undefined ? 0 : tree.table.shareOf(client.number);
  }

  assertInvariants(): void {
    assertLedger(this.#ledger);
    this.#filters.assertInvariants();
    for (const client of this.#ledger.tree.clients()) this.#assertClient(client);
    for (const client of this.#dirtyClients) {
      assert(client.isDirty && client.isHungry, () => `dirty ${client.frameworkId} is hungry`);
    }
    for (const agent of this.#ledger.pool.all()) {
      const isMarked = this.#dirtyAgents.has(agent);
      assert(isMarked === agent.isDirty, () => `agent ${agent.id} is in the list when marked`);
    }
  }

  #isPaused(): boolean {
    return this.#pause !== undefined && this.#ledger.pool.size < this.#pause.agentCount;
  }

  // ---- a cycle --------------------------------------------------------------------------------

  /** Agents of which filters have ended that held something back; at most so many filters. */
  #wake(nowMs: number, countMax: number): Set<AgentRecord> {
    const { tree, pool } = this.#ledger;
    const woken = new Set<AgentRecord>();
    this.#filters.expire(nowMs, countMax, (agentNumber, clientNumber) => {
      const agent = pool.at(agentNumber);
      const client = tree.clientAt(clientNumber);
      if (!agent.isOfferable || !client.isHungry) return;
      agent.wake(client);
      woken.add(agent);
    });
    return woken;
  }

  /** Marks whoever was held back by quota and may get more now. */
  #loosen(): void {
    const { quotas, indivisible } = this.#ledger;
    const { tops, areAgentsToo } = quotas.takeLoosened();
    for (const top of tops) this.#markRole(top);
    if (areAgentsToo) {
      for (const agent of this.#cycle.heldBack) this.#markAgent(agent);
      this.#cycle.heldBack.clear();
    }
    // What is taken whole may fit now that something else is gone.
    if (quotas.size === 0 || !this.#areAmountsNew) return;
    for (const agent of indivisible) this.#markAgent(agent);
  }

  #run(
    wokenAgents: ReadonlySet<AgentRecord>,
    nowMs: number,
    budget: CycleBudget | undefined,
  ): Allocation[] {
    const { offerable } = this.#ledger;
    let agents: AgentSelection = this.#dirtyAgents;
    if (this.#dirtyClients.size > 0) agents = offerable;
    else if (wokenAgents.size > 0) agents = wokenAgents.union(new Set(this.#dirtyAgents));
    return this.#cycle.run({
      agents,
      dirtyClients: this.#dirtyClients,
      choosyClients: this.#choosyClients,
      nowMs,
      budget,
    });
  }

  /** Takes all marks away, but for agents whose turn did not come. */
  #settle(wokenAgents: ReadonlySet<AgentRecord>): void {
    for (const agent of wokenAgents) agent.forgetWoken();
    for (const agent of this.#dirtyAgents) agent.isDirty = false;
    this.#dirtyAgents.clear();
    for (const client of this.#dirtyClients) this.#unmarkClient(client);
    this.#areAmountsNew = false;
    for (const agent of this.#cycle.unfinished) this.#markAgent(agent);
    this.#cycle.unfinished.length = 0;
  }

  // ---- who holds what -------------------------------------------------------------------------

  #hold(agent: AgentRecord, frameworkId: FrameworkId, resources: Bundle): void {
    for (const [role, part] of partsOf(resources)) {
      const client = this.#ledger.tree.client(frameworkId, role);
      this.#ledger.take(agent, client, part, part.withoutAllocation());
    }
    this.#areAmountsNew = true;
  }

  #adoptUsed(frameworkId: FrameworkId, agent: AgentRecord, resources: Bundle): void {
    for (const [role, part] of partsOf(resources)) {
      const client = this.#ledger.tree.client(frameworkId, role);
      const held = agent.held.get(client);
      if (held === undefined) this.#ledger.take(agent, client, part, part.withoutAllocation());
      else
        assert(held.equals(part), () => `agent ${agent.id} knows what ${frameworkId} uses on it`);
    }
    this.#areAmountsNew = true;
    if (!agent.isOfferable) this.#markAgent(agent);
  }

  #release(agent: AgentRecord, client: Client, resources: Bundle): void {
    this.#ledger.release(agent, client, resources, resources.withoutAllocation());
    this.#areAmountsNew = true;
    this.#markAgent(agent);
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
    this.#ledger.tree.setHungry(client, isHungry);
    if (isHungry && client.minimum !== undefined) this.#choosyClients.add(client);
    else this.#choosyClients.delete(client);
    if (client.constraint !== undefined) this.#constrainedClients.add(client);
    else this.#constrainedClients.delete(client);
    if (isHungry) return;
    client.starvingSinceMs = undefined;
    this.#unmarkClient(client);
  }

  #leave(client: Client): void {
    client.constraint = undefined;
    this.#setHungry(client, false);
    this.#filters.clearClient(client.number);
    this.#ledger.tree.release(client);
  }

  #markClient(client: Client): void {
    if (!client.isHungry || client.isDirty) return;
    client.isDirty = true;
    this.#ledger.tree.countDirty(client, 1);
    this.#dirtyClients.add(client);
  }

  #unmarkClient(client: Client): void {
    if (!client.isDirty) return;
    client.isDirty = false;
    this.#ledger.tree.countDirty(client, -1);
    this.#dirtyClients.delete(client);
  }

  #markRole(branch: Branch): void {
    for (const client of this.#ledger.tree.hungryWithin(branch)) this.#markClient(client);
  }

  /** Marks an agent for the next cycle, or takes the mark away when it has nothing to offer. */
  #markAgent(agent: AgentRecord): void {
    agent.isDirty = this.#ledger.offerable.has(agent);
    if (agent.isDirty) this.#dirtyAgents.add(agent);
    else this.#dirtyAgents.delete(agent);
  }

  /** What frameworks ask for by name is there only since some agent has it. */
  #learnNames(): void {
    const { kinds, tree } = this.#ledger;
    if (kinds.scalarNames.length === this.#nameCount) return;
    this.#nameCount = kinds.scalarNames.length;
    for (const client of tree.clients()) {
      if (client.minimum !== undefined) client.minimum = renumbered(kinds, client.minimum);
    }
  }

  /** Takes over what an agent says of itself, apart from resources and capabilities. */
  #setInfo(agent: AgentRecord, info: AgentInfo): void {
    const { hostname, region, zone } = agent;
    const areAttributesNew = agent.setInfo(info);
    const isHostNew = agent.hostname !== hostname;
    const isPlaceNew = agent.region !== region || agent.zone !== zone;
    if (!areAttributesNew && !isHostNew && !isPlaceNew) return;
    if (areAttributesNew) this.#filters.clearAgent(agent.number);
    for (const client of this.#constrainedClients) client.constraint?.forget(agent.number);
    if (isHostNew) this.#list(agent);
    if (areAttributesNew || this.#constrainedClients.size > 0) this.#markAgent(agent);
  }

  /** Brings an agent in line with the whitelist. */
  #list(agent: AgentRecord): void {
    const wasEligible = agent.isEligible;
    const isListed = this.#whitelist?.has(agent.hostname) ?? true;
    this.#ledger.setEligible(agent, { isListed });
    if (agent.isEligible !== wasEligible) this.#markAgent(agent);
  }

  // ---- checks ---------------------------------------------------------------------------------

  #assertClient(client: Client): void {
    const name = `${client.frameworkId} in ${client.role}`;
    const framework = this.#frameworks.get(client.frameworkId);
    const isListed = framework?.clients.get(client.role) === client;
    assert(isListed === client.isSubscribed, () => `${name} is listed when subscribed`);
    const isHungry = framework?.isActive === true && client.isSubscribed && !client.isSuppressed;
    assert(isHungry === client.isHungry, () => `${name} is hungry when nothing is against it`);
  }
}

/** Bundles of one allocation role each; the bundle itself when there is only one. */
function partsOf(resources: Bundle): readonly (readonly [role: string, part: Bundle])[] {
  const only = resources.allocationRole();
  if (only !== undefined) return [[only, resources]];
  for (const kind of resources.presentKinds()) {
    assert(kind.allocationRole !== undefined, () => `${kind.name} is allocated to a role`);
  }
  return resources
    .allocationRoles()
    .map((role) => [role, resources.filter((kind) => kind.allocationRole === role)] as const);
}

/** Thousandths by scalar index; names not mentioned are holes. */
function byIndex(kinds: ResourceKinds, amounts: Readonly<Record<string, number>>): number[] {
  const result: number[] = [];
  for (const [name, milli] of Object.entries(amounts)) result[kinds.scalarIndexOf(name)] = milli;
  return result;
}
