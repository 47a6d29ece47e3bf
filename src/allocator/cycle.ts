/**
 * One cycle: agent by agent, first for guarantees, then for everybody, until a pass makes no offer
 * any more. The rules are those of allocator.ts. What makes it cheap is that only agents are looked
 * at of which something is new, and on them only clients for which something is; after a cycle
 * nothing else can be offered. That holds because within a cycle what a client could get of an agent
 * only becomes less, with two exceptions that another pass takes care of: shared volumes, which are
 * offered once per pass, and what is taken whole, which may fit once something else is gone.
 */
import type { Bundle } from "../resources/bundle.ts";
import type { AgentRecord, AgentSelection } from "./agents.ts";
import type { Allocation, CycleBudget } from "./allocator.ts";
import type { Filters } from "./filters.ts";
import type { Ledger } from "./ledger.ts";
import { type Minimum, meets } from "./minimum.ts";
import { mayUse, Offerable } from "./offerable.ts";
import { Branch, type Client, type Role, type Visitor } from "./role-tree.ts";
import { Shrinker } from "./shrink.ts";

/** What a cycle is to look at. */
export interface CycleInput {
  /** In any order; each dirty, with woken clients, or for the sake of the dirty clients. */
  readonly agents: AgentSelection;
  readonly dirtyClients: ReadonlySet<Client>;
  /** Hungry clients with a minimum of their own. */
  readonly choosyClients: ReadonlySet<Client>;
  readonly nowMs: number;
  /** Undefined: as much as there is to do. */
  readonly budget: CycleBudget | undefined;
}

export class Cycle implements Visitor {
  readonly #ledger: Ledger;
  readonly #filters: Filters;
  readonly #minimum: Minimum;
  readonly #offerable: Offerable;
  readonly #shrinker: Shrinker;
  /** Agents that had too little for anybody only because of headroom. */
  readonly heldBack: Set<AgentRecord> = new Set();
  /** Turns of agents and clients they were shown to; whoever begins a cycle sets it to 0. */
  looks: number = 0;
  #looksOfFirstStage = 0;
  #input: CycleInput | undefined = undefined;
  #allocations: Allocation[] = [];
  /** Agents with shared volumes, and those that were in no offer of this pass. */
  readonly #sharedLeft = new Map<AgentRecord, Bundle>();
  /** Agents whose turn did not come because the budget was spent. */
  readonly unfinished: AgentRecord[] = [];
  /** Agents to be looked at again in the next pass. */
  readonly #again = new Set<AgentRecord>();
  /** Agents that a later pass of this cycle made dirty. */
  readonly #reopened = new Set<AgentRecord>();
  // Of the turn.
  #agent: AgentRecord | undefined = undefined;
  #nowMs = 0;
  #isFirstStage = false;
  #isOpenToAll = false;
  #isWorthwhile = false;

  /** `minimum` applies to frameworks that bring none of their own. */
  constructor(ledger: Ledger, filters: Filters, minimum: Minimum) {
    this.#ledger = ledger;
    this.#filters = filters;
    this.#minimum = minimum;
    this.#offerable = new Offerable(minimum);
    this.#shrinker = new Shrinker(ledger.quotas);
  }

  /**
   * Decides offers and counts them as held. The pool has begun its cycle. Whoever calls takes away
   * what is left in `unfinished`.
   */
  run(input: CycleInput): Allocation[] {
    this.#input = input;
    this.#nowMs = input.nowMs;
    this.#allocations = [];
    this.#looksOfFirstStage = 0;
    const { pool } = this.#ledger;
    let agents: AgentSelection = input.agents;
    while (agents.size > 0) {
      const countBefore = this.#allocations.length;
      this.#pass(pool.inTurn(agents));
      if (this.#allocations.length === countBefore) break;
      agents = this.#nextPass();
      if (this.#isSpent()) {
        for (const agent of agents) this.unfinished.push(agent);
        break;
      }
    }
    for (const agent of this.#reopened) agent.isDirty = false;
    this.#reopened.clear();
    this.#again.clear();
    this.#sharedLeft.clear();
    return this.#allocations;
  }

  enters(contender: Branch | Role): boolean {
    if (!this.#isOpenToAll && contender.dirtyCount === 0) return false;
    if (!this.#isFirstStage || !(contender instanceof Branch)) return true;
    return contender.top !== contender || (contender.quota?.unsatisfiedCount ?? 0) > 0;
  }

  /** Offers the agent of this turn to the client if it may; true when nothing is left for others. */
  visit(client: Client): boolean {
    this.looks += 1;
    if (!this.#isOpenToAll && !client.isDirty && !client.isWoken) return false;
    if (!this.#isWorthwhile && client.minimum === undefined) return false;
    const agent = this.#agent;
    if (agent === undefined || !mayUse(agent, client)) return false;
    const { resources, isEnough } = this.#offerable.candidateFor(client);
    const { minimum = this.#minimum } = client;
    const isWanted = client.minimum === undefined ? isEnough : meets(minimum, resources.summary());
    if (!isWanted || !resources.summary().hasUnshared) return false;
    const offer = this.#shrunk(client, resources, minimum);
    if (offer === undefined) return false;
    if (this.#filters.isRefused(client.number, agent.number, offer, this.#nowMs)) return false;
    this.#offer(agent, client, offer);
    return this.#isOver(agent);
  }

  #nextPass(): ReadonlySet<AgentRecord> {
    const { quotas, indivisible } = this.#ledger;
    const agents = new Set(this.#again);
    if (quotas.size > 0) for (const agent of indivisible) agents.add(agent);
    this.#again.clear();
    for (const agent of agents) {
      agent.isDirty = true;
      this.#reopened.add(agent);
    }
    return agents;
  }

  #pass(agents: readonly AgentRecord[]): void {
    const { quotas } = this.#ledger;
    this.#sharedLeft.clear();
    this.#isFirstStage = true;
    const looksBefore = this.looks;
    const isDone = quotas.unsatisfiedRoles === 0 || this.#stage(agents);
    this.#looksOfFirstStage += this.looks - looksBefore;
    this.#isFirstStage = false;
    // Whoever did not even have a first turn has its second one after it.
    if (isDone) this.#stage(agents);
    else for (const agent of agents) this.unfinished.push(agent);
  }

  /** At least one turn, so that each call comes further; false when others are left. */
  #stage(agents: readonly AgentRecord[]): boolean {
    let isDone = true;
    for (const [place, agent] of agents.entries()) {
      isDone &&= place === 0 || !this.#isSpent();
      if (isDone) this.#turn(agent);
      else if (this.#isFirstStage) return false;
      else this.unfinished.push(agent);
    }
    return isDone;
  }

  #isSpent(): boolean {
    const { budget } = this.#current;
    if (budget === undefined) return false;
    if (this.#allocations.length >= budget.offers) return true;
    // A first stage without offers has to be finished, or the second would never come; and it comes
    // again with every call, so what it looks at must not leave the second without a budget.
    return !this.#isFirstStage && this.looks - this.#looksOfFirstStage >= budget.looks;
  }

  #turn(agent: AgentRecord): void {
    if (!agent.isOfferable) return;
    this.looks += 1;
    const { tree } = this.#ledger;
    this.#agent = agent;
    this.#isOpenToAll = agent.isDirty;
    if (!this.#look(agent)) return;
    if (this.#isOpenToAll) {
      tree.walk(this);
      return;
    }
    const { dirtyClients } = this.#current;
    const count = dirtyClients.size + agent.woken.length;
    if (count === 1) {
      for (const client of [...dirtyClients, ...agent.woken]) this.#visitAlone(client);
      return;
    }
    for (const client of agent.woken) this.#setWoken(client, true);
    tree.walk(this);
    for (const client of agent.woken) this.#setWoken(client, false);
  }

  get #current(): CycleInput {
    if (this.#input === undefined) throw new Error("no cycle runs");
    return this.#input;
  }

  /** Spares the walk where only one client comes into question. */
  #visitAlone(client: Client): void {
    if (!client.isHungry) return;
    if (this.#isFirstStage && (client.top.quota?.unsatisfiedCount ?? 0) === 0) return;
    this.#isOpenToAll = true;
    this.visit(client);
  }

  #setWoken(client: Client, isWoken: boolean): void {
    if (client.isWoken === isWoken) return;
    client.isWoken = isWoken;
    this.#ledger.tree.countDirty(client, isWoken ? 1 : -1);
  }

  /** Works out what is there; false when it is not worth anybody's while. */
  #look(agent: AgentRecord): boolean {
    const shared = this.#sharedOf(agent);
    this.#offerable.look(agent, shared);
    this.#isWorthwhile = shared?.isEmpty() === false || this.#isEnoughForSomebody(agent);
    return this.#isWorthwhile || this.#current.choosyClients.size > 0;
  }

  #isEnoughForSomebody(agent: AgentRecord): boolean {
    const summary = agent.free.summary();
    if (!meets(this.#minimum, summary)) return false;
    if (this.#isFirstStage || this.#shrinker.isWorthwhile(summary, this.#minimum)) return true;
    this.heldBack.add(agent);
    return false;
  }

  /** Shared volumes of the agent that were in no offer of this pass. */
  #sharedOf(agent: AgentRecord): Bundle | undefined {
    if (agent.shared === undefined) return undefined;
    let left = this.#sharedLeft.get(agent);
    if (left === undefined) {
      left = agent.shared.clone();
      this.#sharedLeft.set(agent, left);
    }
    return left;
  }

  #shrunk(client: Client, candidate: Bundle, minimum: Minimum): Bundle | undefined {
    if (this.#ledger.quotas.size === 0) return candidate;
    const { top } = client;
    let offer: Bundle | undefined;
    if (!this.#isFirstStage) offer = this.#shrinker.extra(top, candidate, minimum);
    else if (top.quota !== undefined) {
      offer = this.#shrinker.guaranteed(top, top.quota, candidate);
    }
    if (offer === candidate || offer === undefined) return offer;
    const summary = offer.summary();
    return summary.hasUnshared && meets(minimum, summary) ? offer : undefined;
  }

  #offer(agent: AgentRecord, client: Client, plain: Bundle): void {
    const { frameworkId, role } = client;
    const resources = plain.withAllocation(role);
    this.#ledger.take(agent, client, resources, plain);
    client.starvingSinceMs = this.#nowMs;
    this.#allocations.push({ frameworkId, role, agentId: agent.id, resources });
    if (!plain.summary().hasShared) return;
    this.#sharedOf(agent)?.subtract(plain.filter((kind) => kind.isShared));
    this.#again.add(agent);
  }

  /** Whether nothing of the agent is left for anybody in this turn. */
  #isOver(agent: AgentRecord): boolean {
    return agent.free.isEmpty() || !this.#look(agent);
  }
}
