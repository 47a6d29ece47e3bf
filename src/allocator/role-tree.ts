/**
 * The tree of roles with the frameworks in each, and the order in which they are served: at each
 * level siblings by share, allocation count and path. A role's own frameworks compete with its
 * sub-roles through a leaf called `.`. Source: semantics 4.2 (`sorter/drf/sorter.cpp`).
 */
import { assert, must } from "../base/assert.ts";
import type { FrameworkId } from "../base/ids.ts";
import type { ScalarSummary } from "../resources/summary.ts";
import { Contenders, type SharedAmount } from "./contenders.ts";
import type { Minimum } from "./minimum.ts";
import type { AgentConstraint } from "./offer-constraints.ts";
import type { HeldBack, QuotaRole, Quotas } from "./quotas.ts";
import { Ranking } from "./ranking.ts";

/** A framework in one of its roles. Exists while it is subscribed or holds something. */
export class Client {
  readonly number: number;
  readonly frameworkId: FrameworkId;
  readonly parent: Role;
  /** Agents, by number, on which it holds something. */
  readonly agents: Set<number> = new Set();
  isSubscribed: boolean = false;
  isSuppressed: boolean = false;
  /** May be offered something now: active, subscribed, not suppressed. */
  isHungry: boolean = false;
  /** Became able to get something since the last cycle, whatever the agent. */
  isDirty: boolean = false;
  /** A filter of it has ended on the agent that is looked at. */
  isWoken: boolean = false;
  /** Bits of offerable.ts. */
  bits: number = 0;
  /** Undefined when the general minimum applies. */
  minimum: Minimum | undefined = undefined;
  constraint: AgentConstraint | undefined = undefined;
  /** Since when it has been hungry without an offer, milliseconds; undefined while it is not. */
  starvingSinceMs: number | undefined = undefined;

  constructor(number: number, frameworkId: FrameworkId, parent: Role) {
    this.number = number;
    this.frameworkId = frameworkId;
    this.parent = parent;
  }

  get role(): string {
    return this.parent.name;
  }

  /** The top-level role it belongs to. */
  get top(): Branch {
    return this.parent.parent.top;
  }
}

/** The part of a role that is not its children: frameworks in exactly this role. */
export class Role {
  readonly number: number;
  readonly name: string;
  readonly parent: Branch;
  readonly ranking: Ranking;
  clientCount: number = 0;
  /** Dirty or woken clients below. */
  dirtyCount: number = 0;

  constructor(number: number, parent: Branch, ranking: Ranking) {
    this.number = number;
    this.name = parent.path;
    this.parent = parent;
    this.ranking = ranking;
  }
}

/** A role and all below it. */
export class Branch implements HeldBack {
  readonly number: number;
  readonly path: string;
  readonly parent: Branch | undefined;
  readonly top: Branch;
  readonly children: Map<string, Branch> = new Map();
  readonly ranking: Ranking;
  role: Role | undefined = undefined;
  dirtyCount: number = 0;
  /** Of a top-level role, when one is set. */
  quota: QuotaRole<Branch> | undefined = undefined;
  /** Of a top-level role: names, as bits, of which something was held back for others' guarantees. */
  headroomMask: number = 0;
  /** Of a top-level role: names, as bits, of which something was held back by its limit. */
  limitMask: number = 0;

  constructor(number: number, path: string, parent: Branch | undefined, ranking: Ranking) {
    this.number = number;
    this.path = path;
    this.parent = parent;
    this.top = parent?.parent === undefined ? this : parent.top;
    this.ranking = ranking;
  }
}

type Contender = Client | Role | Branch;

/** Who is shown the clients in order. */
export interface Visitor {
  /** Whether anything below the branch or role is of interest. */
  enters(contender: Branch | Role): boolean;
  /** True ends the walk. */
  visit(client: Client): boolean;
}

export class RoleTree {
  readonly table: Contenders;
  readonly #quotas: Quotas<Branch>;
  readonly #root: Branch;
  readonly #byNumber: (Contender | undefined)[] = [];
  readonly #byFramework = new Map<FrameworkId, Map<string, Client>>();
  readonly #weights = new Map<string, number>();
  #hungryCount = 0;

  /** `isExcluded` tells whether a scalar name (by number) does not count for shares. */
  constructor(quotas: Quotas<Branch>, isExcluded: (index: number) => boolean) {
    this.#quotas = quotas;
    this.table = new Contenders(isExcluded);
    this.#root = this.#makeBranch("", undefined);
  }

  get hungryCount(): number {
    return this.#hungryCount;
  }

  find(frameworkId: FrameworkId, role: string): Client | undefined {
    return this.#byFramework.get(frameworkId)?.get(role);
  }

  /** All clients of a framework, subscribed or only holding something. */
  clientsOf(frameworkId: FrameworkId): Client[] {
    return [...(this.#byFramework.get(frameworkId)?.values() ?? [])];
  }

  clientAt(number: number): Client {
    const client = this.#byNumber[number];
    assert(client instanceof Client, "a client has this number");
    return client;
  }

  /** Finds or makes the client; whoever makes it gives it a reason to stay. */
  client(frameworkId: FrameworkId, roleName: string): Client {
    let byRole = this.#byFramework.get(frameworkId);
    if (byRole === undefined) {
      byRole = new Map();
      this.#byFramework.set(frameworkId, byRole);
    }
    const known = byRole.get(roleName);
    if (known !== undefined) return known;
    const role = this.#ensureRole(roleName);
    const client = new Client(this.table.add(frameworkId, 1), frameworkId, role);
    this.#byNumber[client.number] = client;
    role.ranking.admit(client.number);
    role.clientCount += 1;
    byRole.set(roleName, client);
    return client;
  }

  /** Forgets a client that is neither subscribed nor holds anything; true when it did. */
  release(client: Client): boolean {
    if (client.isSubscribed || client.agents.size > 0) return false;
    assert(!client.isHungry, () => `client ${client.frameworkId} is not hungry when it goes`);
    const role = client.parent;
    const byRole = this.#byFramework.get(client.frameworkId);
    byRole?.delete(role.name);
    if (byRole?.size === 0) this.#byFramework.delete(client.frameworkId);
    this.#forget(client);
    role.clientCount -= 1;
    if (role.clientCount === 0) {
      role.parent.role = undefined;
      this.#forget(role);
      this.#prune(role.parent);
    }
    return true;
  }

  /** Lets a client compete, or takes it out of the competition. */
  setHungry(client: Client, isHungry: boolean): void {
    if (client.isHungry === isHungry) return;
    client.isHungry = isHungry;
    this.#hungryCount += isHungry ? 1 : -1;
    let contender: Contender = client;
    let isWanted = isHungry;
    for (let parent: Branch | Role | undefined = client.parent; parent !== undefined; ) {
      const isRanked = this.table.isRanked[contender.number] === 1;
      if (isRanked === isWanted) return;
      if (isWanted) parent.ranking.insert(contender.number);
      else parent.ranking.remove(contender.number);
      isWanted = parent.ranking.size > 0;
      contender = parent;
      parent = parent.parent;
    }
  }

  /** Counts an allocation for the client and every level above it. */
  taken(client: Client, summary: ScalarSummary, shared: readonly SharedAmount[]): void {
    const { table } = this;
    let contender: Contender = client;
    for (let parent: Branch | Role | undefined = client.parent; parent !== undefined; ) {
      const { number } = contender;
      table.take(number, summary);
      for (const amount of shared) table.takeShared(number, amount);
      if (table.isRanked[number] === 1) parent.ranking.touch(number);
      contender = parent;
      parent = parent.parent;
    }
  }

  /** Takes back what was counted; the number of allocations stays. */
  released(client: Client, summary: ScalarSummary, shared: readonly SharedAmount[]): void {
    const { table } = this;
    let contender: Contender = client;
    for (let parent: Branch | Role | undefined = client.parent; parent !== undefined; ) {
      const { number } = contender;
      table.release(number, summary);
      for (const amount of shared) table.releaseShared(number, amount);
      if (table.isRanked[number] === 1) parent.ranking.touch(number);
      contender = parent;
      parent = parent.parent;
    }
  }

  /** Adds `by` to the number of clients to look at in every level above the client. */
  countDirty(client: Client, by: 1 | -1): void {
    for (let parent: Branch | Role | undefined = client.parent; parent !== undefined; ) {
      parent.dirtyCount += by;
      parent = parent.parent;
    }
  }

  /** `weight` is above 0. O(1), and O(siblings) at the next walk. */
  setWeight(path: string, weight: number): void {
    this.#weights.set(path, weight);
    const branch = this.branch(path);
    if (branch === undefined) return;
    this.table.weight[branch.number] = weight;
    if (this.table.isRanked[branch.number] === 1) branch.parent?.ranking.touch(branch.number);
  }

  /** The role and all below it, while some client of it is known. */
  branch(path: string): Branch | undefined {
    let branch: Branch | undefined = this.#root;
    for (const component of path.split("/")) branch = branch?.children.get(component);
    return branch;
  }

  /** The quota of a top-level role was set or taken away. */
  quotaChanged(path: string): void {
    const top = this.#root.children.get(path);
    if (top !== undefined) this.#joinQuota(top);
  }

  /** Hungry clients of a role and those below it. */
  *hungryWithin(branch: Branch | Role): Generator<Client> {
    const { ranking } = branch;
    for (let place = 0; place < ranking.size; place++) {
      const child = this.#byNumber[ranking.at(place)];
      if (child instanceof Client) yield child;
      else if (child !== undefined) yield* this.hungryWithin(child);
    }
  }

  /**
   * Shows the hungry clients in serving order. The order is that of the moment the walk begins,
   * whatever the visitor allocates: a level is put in order when it is entered, once per walk, and
   * what was allocated elsewhere does not change it.
   */
  walk(visitor: Visitor): void {
    this.#walk(this.#root, visitor);
  }

  /** Every client, hungry or not, in no particular order. */
  *clients(): Generator<Client> {
    for (const byRole of this.#byFramework.values()) yield* byRole.values();
  }

  /** Every node of the tree but the root. */
  *contenders(): Generator<Contender> {
    for (const contender of this.#byNumber) {
      if (contender !== undefined && contender !== this.#root) yield contender;
    }
  }

  /** Share of a role with all below it, by weight; 0 when nothing is known of it. */
  shareOfRole(path: string): number {
    const branch = this.branch(path);
    return branch === undefined ? 0 : this.table.shareOf(branch.number);
  }

  #walk(parent: Branch | Role, visitor: Visitor): boolean {
    const { ranking } = parent;
    ranking.settle();
    for (let place = 0; place < ranking.size; place++) {
      const child = this.#byNumber[ranking.at(place)];
      if (child instanceof Client) {
        if (visitor.visit(child)) return true;
      } else if (child !== undefined && visitor.enters(child) && this.#walk(child, visitor)) {
        return true;
      }
    }
    return false;
  }

  #ensureRole(path: string): Role {
    let branch = this.#root;
    for (const component of path.split("/")) {
      let child = branch.children.get(component);
      if (child === undefined) {
        const isTop = branch === this.#root;
        child = this.#makeBranch(isTop ? component : `${branch.path}/${component}`, branch);
        branch.children.set(component, child);
      }
      branch = child;
    }
    if (branch.role === undefined) {
      const number = this.table.add(`${branch.path}/.`, 1);
      branch.role = new Role(number, branch, new Ranking(this.table));
      this.#byNumber[number] = branch.role;
      branch.ranking.admit(number);
    }
    return branch.role;
  }

  #makeBranch(path: string, parent: Branch | undefined): Branch {
    const number = this.table.add(path, this.#weights.get(path) ?? 1);
    const branch = new Branch(number, path, parent, new Ranking(this.table));
    this.#byNumber[number] = branch;
    parent?.ranking.admit(number);
    if (parent?.parent === undefined && parent !== undefined) this.#joinQuota(branch);
    return branch;
  }

  #joinQuota(top: Branch): void {
    top.quota = this.#quotas.role(top.path);
    if (top.quota !== undefined) top.quota.top = top;
  }

  #prune(from: Branch): void {
    let branch = from;
    while (branch.parent !== undefined && branch.role === undefined && branch.children.size === 0) {
      const parent: Branch = branch.parent;
      const component = must(branch.path.split("/").at(-1), "last component of a role");
      parent.children.delete(component);
      if (branch.quota !== undefined) branch.quota.top = undefined;
      this.#quotas.forget(branch);
      this.#forget(branch);
      branch = parent;
    }
  }

  #forget({ number, parent }: Contender): void {
    parent?.ranking.dismiss(number);
    this.table.remove(number);
    this.#byNumber[number] = undefined;
  }
}
