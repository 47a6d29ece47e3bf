/**
 * Sums that several views need: who uses and is offered what. What takes a look at every agent is
 * fed one agent at a time, so that a view can spread it over many turns of the event loop.
 */
import type { FrameworkId } from "../../../base/ids.ts";
import { type Bundle, toMilli } from "../../../resources/bundle.ts";
import type {
  AgentEntry,
  ExecutorEntry,
  FrameworkEntry,
  MasterState,
  OfferEntry,
} from "../state.ts";

/** What tasks and executors on the agent hold, in allocated form. */
export function usedOn(agent: AgentEntry): Bundle[] {
  return sum([...agent.used.values()]);
}

/** What is on offer from the agent. */
export function offeredOn(state: MasterState, agent: AgentEntry): Bundle[] {
  return sum([...agent.offers].flatMap((id) => state.offers.get(id)?.resources ?? []));
}

/** What each framework holds on all agents together, and its executors; fed agent by agent. */
export class Holdings {
  readonly #used = new Map<FrameworkId, Bundle>();
  readonly #executors = new Map<FrameworkId, ExecutorEntry[]>();

  add(agent: AgentEntry): void {
    agent.used.forEach((used, frameworkId) => {
      const sum = this.#used.get(frameworkId);
      if (sum === undefined) this.#used.set(frameworkId, used.clone());
      else sum.add(used);
    });
    for (const executor of agent.executors.values()) {
      const executors = this.#executors.get(executor.frameworkId);
      if (executors === undefined) this.#executors.set(executor.frameworkId, [executor]);
      else executors.push(executor);
    }
  }

  /** One bundle, or none when the framework holds nothing. */
  usedBy({ id }: FrameworkEntry): readonly Bundle[] {
    const used = this.#used.get(id);
    return used === undefined ? [] : [used];
  }

  executorsOf({ id }: FrameworkEntry): readonly ExecutorEntry[] {
    return this.#executors.get(id) ?? [];
  }
}

/** What the framework has been offered and not answered. */
export function offeredTo(state: MasterState, framework: FrameworkEntry): Bundle[] {
  return sum([...framework.offers].flatMap((id) => state.offers.get(id)?.resources ?? []));
}

/** Who is subscribed to a role and what the role has. Amounts are scalars by resource name. */
export interface RoleUse {
  readonly frameworks: string[];
  /** Offered and allocated to the role itself. */
  readonly held: Map<string, number>;
  /** The others count the role with all roles below it. */
  readonly allocated: Map<string, number>;
  readonly offered: Map<string, number>;
  readonly reserved: Map<string, number>;
  /** What counts against the quota: reservations, and what is allocated without one. */
  readonly consumed: Map<string, number>;
}

/** What every role has; fed agent by agent and offer by offer. */
export class RoleUses {
  readonly #uses = new Map<string, RoleUse>();
  readonly #allowed: ReadonlySet<string> | undefined;

  constructor({ policy, allowedRoles, frameworks }: MasterState) {
    const uses = this.#uses;
    this.#allowed = allowedRoles;
    for (const role of [...policy.weights.keys(), ...policy.quotas.keys()]) useOf(uses, role);
    for (const role of allowedRoles ?? []) useOf(uses, role);
    for (const framework of frameworks.values()) {
      for (const role of framework.roles) useOf(uses, role).frameworks.push(framework.id);
    }
  }

  addAgent(agent: AgentEntry): void {
    for (const used of agent.used.values()) count(this.#uses, "allocated", used);
    countReserved(this.#uses, agent.total);
  }

  addOffer(offer: OfferEntry): void {
    count(this.#uses, "offered", offer.resources);
  }

  /**
   * Every known role by name (semantics 3.6), sorted: the allowed ones where operators named them,
   * else each with a framework, resources, reservations, a weight or a quota, and their ancestors.
   * Of these the ones that are seen.
   */
  sorted(sees: (role: string) => boolean): [string, RoleUse][] {
    const known = [...this.#uses].filter(
      ([role]) => (this.#allowed?.has(role) ?? true) && sees(role),
    );
    return known.sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function useOf(uses: Map<string, RoleUse>, role: string): RoleUse {
  const known = uses.get(role);
  if (known !== undefined) return known;
  const use: RoleUse = {
    frameworks: [],
    held: new Map(),
    allocated: new Map(),
    offered: new Map(),
    reserved: new Map(),
    consumed: new Map(),
  };
  uses.set(role, use);
  const parent = parentOf(role);
  if (parent !== undefined) useOf(uses, parent);
  return use;
}

/** The role and all roles above it. */
function* lineOf(uses: Map<string, RoleUse>, role: string): Generator<RoleUse> {
  for (let name: string | undefined = role; name !== undefined; name = parentOf(name)) {
    yield useOf(uses, name);
  }
}

function parentOf(role: string): string | undefined {
  const end = role.lastIndexOf("/");
  return end > 0 ? role.slice(0, end) : undefined;
}

/** Resources count for the role they are allocated to, a shared volume once for each holder. */
function count(uses: Map<string, RoleUse>, what: "allocated" | "offered", bundle: Bundle): void {
  bundle.forEach(({ name, type, allocationRole: role = "*", reservations, isRevocable }, milli) => {
    if (type !== "SCALAR") return;
    const isReserved = reservations.length > 0;
    add(useOf(uses, role).held, name, milli);
    for (const use of lineOf(uses, role)) {
      add(use[what], name, milli);
      if (what === "offered" || isReserved || isRevocable) continue;
      add(use.consumed, name, milli);
    }
  });
}

function countReserved(uses: Map<string, RoleUse>, total: Bundle): void {
  total.forEach(({ name, type, reservations, reservationRole: role }, milli) => {
    if (type !== "SCALAR" || reservations.length === 0) return;
    for (const use of lineOf(uses, role)) {
      add(use.reserved, name, milli);
      add(use.consumed, name, milli);
    }
  });
}

/** Adds thousandths, so that sums print as people expect. */
function add(sums: Map<string, number>, name: string, milli: number): void {
  sums.set(name, (toMilli(sums.get(name) ?? 0) + milli) / 1000);
}

/** One bundle, or none when there is nothing to add: a bundle needs a first one to start from. */
function sum(bundles: readonly Bundle[]): Bundle[] {
  const [first, ...rest] = bundles;
  if (first === undefined) return [];
  const total = first.clone();
  for (const bundle of rest) total.add(bundle);
  return [total];
}
