/**
 * The tree of roles with the frameworks in each, kept in serving order: at each level siblings by
 * share, allocation count and path. A role that also has children competes with them through a
 * leaf of its own, called `.`. Source: semantics 4.2 (`sorter/drf/sorter.cpp`).
 */
import { assert, must } from "../base/assert.ts";
import type { AgentId, FrameworkId } from "../base/ids.ts";
import { Account, dominantShare, type Quantities, type ScalarNames } from "./quantities.ts";
import { Contender, Ranking } from "./ranking.ts";

/** Smallest amounts worth offering, any one of them enough; thousandths by name. */
export type Minimum = readonly Readonly<Record<string, number>>[];

/** A framework in one of its roles. Exists while it is subscribed or holds something. */
export class Client extends Contender {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
  /** Agents on which it holds something. */
  readonly holdings: Set<AgentId> = new Set();
  isSubscribed: boolean = false;
  isSuppressed: boolean = false;
  /** May be offered something now: active, subscribed, not suppressed. */
  isHungry: boolean = false;
  /** Became able to get something since the last cycle, whatever the agent. */
  isDirty: boolean = false;
  /** Bits of candidates.ts. */
  capabilities: number = 0;
  /** Undefined when the general minimum applies. */
  minimum: Minimum | undefined = undefined;

  constructor(frameworkId: FrameworkId, role: Role) {
    super(frameworkId);
    this.frameworkId = frameworkId;
    this.role = role;
  }
}

/** The part of a role that is not its children: frameworks subscribed to exactly this role. */
export class Role extends Contender {
  readonly name: string;
  readonly branch: Branch;
  readonly clients: Map<FrameworkId, Client> = new Map();
  readonly ranking: Ranking<Client> = new Ranking();

  constructor(branch: Branch) {
    super(`${branch.path}/.`);
    this.name = branch.path;
    this.branch = branch;
  }
}

/** A role and all below it. */
export class Branch extends Contender {
  readonly parent: Branch | undefined;
  readonly children: Map<string, Branch> = new Map();
  role: Role | undefined = undefined;
  readonly ranking: Ranking<Branch | Role> = new Ranking();

  constructor(path: string, parent: Branch | undefined) {
    super(path);
    this.parent = parent;
  }
}

export class RoleTree {
  readonly #names: ScalarNames;
  readonly #weights = new Map<string, number>();
  readonly #root = new Branch("", undefined);
  /** What the whole cluster has. */
  readonly #totals = new Account();
  /** Contenders whose account changed since the last settling. */
  readonly #changed = new Set<Contender>();
  readonly #unsettled = new Set<Ranking<Client> | Ranking<Branch | Role>>();
  #areTotalsNew = false;
  #hungryCount = 0;

  constructor(names: ScalarNames) {
    this.#names = names;
  }

  get hungryCount(): number {
    return this.#hungryCount;
  }

  find(frameworkId: FrameworkId, role: string): Client | undefined {
    return this.#branchOf(role)?.role?.clients.get(frameworkId);
  }

  /** Finds or makes the client; whoever makes it gives it a reason to stay. */
  client(frameworkId: FrameworkId, roleName: string): Client {
    const role = this.#ensureRole(roleName);
    let client = role.clients.get(frameworkId);
    if (client === undefined) {
      client = new Client(frameworkId, role);
      role.clients.set(frameworkId, client);
    }
    return client;
  }

  /** Forgets a client that is neither subscribed nor holds anything; true when it did. */
  release(client: Client): boolean {
    if (client.isSubscribed || client.holdings.size > 0) return false;
    assert(!client.isHungry, () => `client ${client.path} is not hungry when it goes`);
    const { role } = client;
    role.clients.delete(client.frameworkId);
    this.#changed.delete(client);
    if (role.clients.size === 0) {
      role.branch.role = undefined;
      this.#changed.delete(role);
      this.#prune(role.branch);
    }
    return true;
  }

  /** Lets a client compete, or takes it out of the competition. */
  setHungry(client: Client, isHungry: boolean): void {
    if (client.isHungry === isHungry) return;
    client.isHungry = isHungry;
    this.#hungryCount += isHungry ? 1 : -1;
    const { role } = client;
    this.#rank(role.ranking, client, isHungry);
    let child: Branch | Role = role;
    let branch: Branch | undefined = role.branch;
    let isFull = role.ranking.size > 0;
    while (branch !== undefined) {
      this.#rank(branch.ranking, child, isFull);
      isFull = branch.ranking.size > 0;
      child = branch;
      branch = branch.parent;
    }
  }

  /** Counts an allocation for the client and every level above it. */
  allocated(client: Client, quantities: Quantities): void {
    for (const contender of lineOf(client)) {
      contender.account.add(quantities);
      contender.count += 1;
      this.#changed.add(contender);
    }
  }

  /** Takes back what was counted; the number of allocations stays. */
  unallocated(client: Client, quantities: Quantities): void {
    for (const contender of lineOf(client)) {
      contender.account.subtract(quantities);
      this.#changed.add(contender);
    }
  }

  /** `weight` is above 0. */
  setWeight(path: string, weight: number): void {
    this.#weights.set(path, weight);
    this.#areTotalsNew = true;
  }

  addTotal(quantities: Quantities): void {
    this.#totals.add(quantities);
    this.#areTotalsNew = true;
  }

  subtractTotal(quantities: Quantities): void {
    this.#totals.subtract(quantities);
    this.#areTotalsNew = true;
  }

  /** Brings shares and order up to date. Cheap when little changed, a full pass after new totals. */
  settle(): void {
    if (this.#areTotalsNew) {
      this.#areTotalsNew = false;
      for (const contender of this.#contenders()) this.#changed.add(contender);
    }
    for (const contender of this.#changed) {
      contender.share = this.#shareOf(contender, this.#totals);
      this.#touch(contender);
    }
    this.#changed.clear();
    for (const ranking of this.#unsettled) ranking.settle();
    this.#unsettled.clear();
  }

  /**
   * Shows the hungry clients in serving order until `visit` returns true. The order is that of the
   * last `settle`, whatever `visit` allocates; `visit` must not settle.
   */
  walk(visit: (client: Client) => boolean): void {
    walkBranch(this.#root, visit);
  }

  /** Every client, hungry or not, in no particular order. */
  *clients(): Generator<Client> {
    for (const contender of this.#contenders()) {
      if (contender instanceof Client) yield contender;
    }
  }

  /** Dominant share of a role with all below it; 0 when nothing is known of it. */
  shareOfRole(path: string): number {
    this.settle();
    return this.#branchOf(path)?.share ?? 0;
  }

  /** Asserts that accounts, shares and order equal a recount. */
  assertInvariants(totals: Account, accounts: ReadonlyMap<Client, Account>): void {
    this.settle();
    assert(this.#totals.equals(totals), "cluster totals equal a recount");
    let hungryCount = 0;
    for (const client of this.clients()) {
      const recount = accounts.get(client) ?? new Account();
      assert(client.account.equals(recount), () => `account of ${client.path} equals a recount`);
      const isNeeded = client.isSubscribed || client.holdings.size > 0;
      assert(isNeeded, () => `client ${client.path} has a reason to be kept`);
      const isRanked = client.role.ranking.has(client);
      assert(isRanked === client.isHungry, () => `client ${client.path} is ranked when hungry`);
      if (client.isHungry) hungryCount += 1;
    }
    assert(hungryCount === this.#hungryCount, "hungry clients by counter equal those by scan");
    for (const contender of this.#contenders()) {
      const share = this.#shareOf(contender, totals);
      assert(contender.share === share, () => `share of ${contender.path} equals a recount`);
    }
    this.#assertWalk(hungryCount);
  }

  #shareOf(contender: Contender, totals: Account): number {
    const share = dominantShare(contender.account, totals, this.#names);
    const isWeighted = contender instanceof Branch;
    return isWeighted ? share / (this.#weights.get(contender.path) ?? 1) : share;
  }

  #assertWalk(hungryCount: number): void {
    let seen = 0;
    this.walk((client) => {
      assert(client.isHungry, () => `client ${client.path} is served while hungry`);
      seen += 1;
      return false;
    });
    assert(seen === hungryCount, "every hungry client is served");
  }

  #rank<T extends Contender>(ranking: Ranking<T>, item: T, isWanted: boolean): void {
    if (ranking.has(item) === isWanted) return;
    if (!isWanted) {
      ranking.remove(item);
      return;
    }
    ranking.insert(item);
    this.#changed.add(item);
  }

  #touch(contender: Contender): void {
    if (contender instanceof Client) this.#touchIn(contender.role.ranking, contender);
    else if (contender instanceof Role) this.#touchIn(contender.branch.ranking, contender);
    else if (contender instanceof Branch && contender.parent !== undefined) {
      this.#touchIn(contender.parent.ranking, contender);
    }
  }

  #touchIn<T extends Client | Branch | Role>(ranking: Ranking<T>, item: T): void {
    ranking.touch(item);
    this.#unsettled.add(ranking as Ranking<Client> | Ranking<Branch | Role>);
  }

  *#contenders(): Generator<Contender> {
    const branches: Branch[] = [...this.#root.children.values()];
    for (let branch = branches.pop(); branch !== undefined; branch = branches.pop()) {
      yield branch;
      branches.push(...branch.children.values());
      if (branch.role === undefined) continue;
      yield branch.role;
      yield* branch.role.clients.values();
    }
  }

  #branchOf(path: string): Branch | undefined {
    let branch: Branch | undefined = this.#root;
    for (const component of path.split("/")) branch = branch?.children.get(component);
    return branch;
  }

  #ensureRole(path: string): Role {
    let branch = this.#root;
    for (const component of path.split("/")) {
      let child = branch.children.get(component);
      if (child === undefined) {
        const childPath = branch.parent === undefined ? component : `${branch.path}/${component}`;
        child = new Branch(childPath, branch);
        branch.children.set(component, child);
      }
      branch = child;
    }
    branch.role ??= new Role(branch);
    return branch.role;
  }

  #prune(from: Branch): void {
    let branch = from;
    while (branch.parent !== undefined && branch.role === undefined && branch.children.size === 0) {
      const parent: Branch = branch.parent;
      const component = must(branch.path.split("/").at(-1), "last component of a role");
      parent.children.delete(component);
      this.#changed.delete(branch);
      branch = parent;
    }
  }
}

/** The client, its role and every branch above, the root left out. */
function lineOf(client: Client): Contender[] {
  const line: Contender[] = [client, client.role];
  let branch: Branch | undefined = client.role.branch;
  while (branch?.parent !== undefined) {
    line.push(branch);
    branch = branch.parent;
  }
  return line;
}

function walkBranch(branch: Branch, visit: (client: Client) => boolean): boolean {
  for (const item of branch.ranking.items) {
    const isDone = item instanceof Role ? walkRole(item, visit) : walkBranch(item, visit);
    if (isDone) return true;
  }
  return false;
}

function walkRole(role: Role, visit: (client: Client) => boolean): boolean {
  for (const client of role.ranking.items) {
    if (visit(client)) return true;
  }
  return false;
}
