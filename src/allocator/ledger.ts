/**
 * Who holds what, counted everywhere it counts: on the agent, for the client and every role above
 * it, for the cluster's totals, for quota and for headroom. Source: semantics 4.2, 4.3.
 */
import type { AgentId } from "../base/ids.ts";
import type { AgentInfo } from "../protocol/v1/types.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKinds } from "../resources/kinds.ts";
import { AgentSet } from "./agent-set.ts";
import { AgentPool, type AgentRecord } from "./agents.ts";
import type { SharedAmount } from "./contenders.ts";
import { Quotas } from "./quotas.ts";
import { type Branch, type Client, RoleTree } from "./role-tree.ts";

const NOTHING_SHARED: readonly SharedAmount[] = [];

export class Ledger {
  readonly kinds: ResourceKinds;
  readonly pool: AgentPool = new AgentPool();
  readonly quotas: Quotas<Branch> = new Quotas();
  readonly tree: RoleTree;
  /** Agents that have something to offer. */
  readonly offerable: AgentSet = new AgentSet(this.pool);
  /** Agents that have something which counts for quota and is taken whole or not at all. */
  readonly indivisible: Set<AgentRecord> = new Set();

  /** `excluded` scalar names do not count for shares. */
  constructor(kinds: ResourceKinds, excluded: ReadonlySet<string>) {
    this.kinds = kinds;
    const isExcluded = (index: number): boolean => excluded.has(kinds.scalarNames[index] ?? "");
    this.tree = new RoleTree(this.quotas, isExcluded);
  }

  /** `plain` is `resources` (allocated form) in unallocated form; asserts that they are free. */
  take(agent: AgentRecord, client: Client, resources: Bundle, plain: Bundle): void {
    agent.hold(client, resources, plain);
    client.agents.add(agent.number);
    const summary = plain.summary();
    const shared = summary.hasShared ? sharedAmountsOf(agent.id, plain) : NOTHING_SHARED;
    this.tree.taken(client, summary, shared);
    this.quotas.moved(client.top.quota, summary, 1, agent.isEligible);
    if (!agent.isOfferable) this.offerable.delete(agent);
  }

  /** Asserts that the client holds them. */
  release(agent: AgentRecord, client: Client, resources: Bundle, plain: Bundle): void {
    const summary = plain.summary();
    agent.release(client, resources, plain);
    const shared = summary.hasShared ? sharedAmountsOf(agent.id, plain) : NOTHING_SHARED;
    this.tree.released(client, summary, shared);
    this.quotas.moved(client.top.quota, summary, -1, agent.isEligible);
    if (agent.isOfferable) this.offerable.add(agent);
    if (agent.held.get(client) !== undefined) return;
    client.agents.delete(agent.number);
    this.tree.release(client);
  }

  addAgent(id: AgentId, info: AgentInfo, total: Bundle): AgentRecord {
    const agent = this.pool.add(id, info, total);
    this.#countTotal(agent, 1);
    this.quotas.availableChanged(agent.free.summary(), 1);
    this.#note(agent);
    return agent;
  }

  /** Nobody may hold anything on it. */
  removeAgent(agent: AgentRecord): void {
    this.#countTotal(agent, -1);
    if (agent.isEligible) this.quotas.availableChanged(agent.free.summary(), -1);
    this.offerable.delete(agent);
    this.indivisible.delete(agent);
    this.pool.remove(agent);
  }

  /** The total must cover what is held. */
  setTotal(agent: AgentRecord, total: Bundle): void {
    this.#countTotal(agent, -1);
    if (agent.isEligible) this.quotas.availableChanged(agent.free.summary(), -1);
    agent.setTotal(total);
    this.#countTotal(agent, 1);
    if (agent.isEligible) this.quotas.availableChanged(agent.free.summary(), 1);
    this.#note(agent);
  }

  /** Lets an agent be offered, or not; each of the two undefined when it stays as it is. */
  setEligible(
    agent: AgentRecord,
    { isActive, isListed }: { readonly isActive?: boolean; readonly isListed?: boolean },
  ): void {
    const wasEligible = agent.isEligible;
    agent.isActive = isActive ?? agent.isActive;
    agent.isListed = isListed ?? agent.isListed;
    if (agent.isEligible === wasEligible) return;
    this.quotas.availableChanged(agent.free.summary(), wasEligible ? -1 : 1);
    this.#note(agent);
  }

  /** What counts for the quota of a role, thousandths by scalar index; holes are 0. */
  consumedOf(role: string): number[] {
    const sums = this.quotas.reservedWithin(role);
    const branch = this.tree.branch(role);
    if (branch === undefined) return sums;
    const { table } = this.tree;
    for (let index = 0; index < table.width; index++) {
      const milli = table.quotaHeldOf(branch.number, index);
      if (milli > 0) sums[index] = (sums[index] ?? 0) + milli;
    }
    return sums;
  }

  #countTotal(agent: AgentRecord, sign: 1 | -1): void {
    const { total } = agent;
    const summary = total.summary();
    const shared = summary.hasShared ? sharedAmountsOf(agent.id, total) : NOTHING_SHARED;
    this.tree.table.changeTotals(summary, shared, sign);
    if (!summary.hasReservations) return;
    for (const { role, index, milli } of reservedAmountsOf(total)) {
      this.quotas.reservedChanged(role, index, sign * milli);
    }
  }

  #note(agent: AgentRecord): void {
    if (agent.isOfferable) this.offerable.add(agent);
    else this.offerable.delete(agent);
    if (agent.total.summary().hasIndivisibleQuota) this.indivisible.add(agent);
    else this.indivisible.delete(agent);
  }
}

/** The shared volumes in a bundle on an agent. */
export function sharedAmountsOf(agentId: AgentId, bundle: Bundle): SharedAmount[] {
  const amounts: SharedAmount[] = [];
  const plain = bundle.withoutAllocation();
  for (const kind of plain.presentKinds()) {
    if (!kind.isShared || kind.scalarIndex < 0) continue;
    const key = `${kind.kind} ${agentId}`;
    const milli = kind.unitMilli ?? 0;
    amounts.push({
      key,
      index: kind.scalarIndex,
      milli,
      users: plain.amountOf(kind),
    });
  }
  return amounts;
}

/** Scalars that count as reserved, by role of the topmost reservation; a shared volume once. */
export function reservedAmountsOf(
  total: Bundle,
): { readonly role: string; readonly index: number; readonly milli: number }[] {
  const amounts: { role: string; index: number; milli: number }[] = [];
  for (const kind of total.presentKinds()) {
    const { reservationRole: role, scalarIndex: index, unitMilli } = kind;
    if (role === "*" || index < 0 || kind.isRevocable) continue;
    const copies = kind.isShared ? 1 : total.amountOf(kind);
    amounts.push({
      role,
      index,
      milli: unitMilli === undefined ? copies : copies * unitMilli,
    });
  }
  return amounts;
}
