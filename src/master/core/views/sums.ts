/** Sums that several views need: who uses and is offered what. Each costs a scan of its subject. */
import type { Bundle } from "../../../resources/bundle.ts";
import type { AgentEntry, FrameworkEntry, MasterState } from "../state.ts";

/** What tasks and executors on the agent hold, in allocated form. */
export function usedOn(agent: AgentEntry): Bundle[] {
  return sum([...agent.used.values()]);
}

/** What is on offer from the agent. */
export function offeredOn(state: MasterState, agent: AgentEntry): Bundle[] {
  return sum([...agent.offers].flatMap((id) => state.offers.get(id)?.resources ?? []));
}

/** What the framework holds on all agents. */
export function usedBy(state: MasterState, framework: FrameworkEntry): Bundle[] {
  const bundles: Bundle[] = [];
  for (const agent of state.agents.values()) {
    const used = agent.used.get(framework.id);
    if (used !== undefined) bundles.push(used);
  }
  return sum(bundles);
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

/**
 * Every known role by name (semantics 3.6), sorted: the allowed ones where operators named them,
 * else each with a framework, resources, reservations, a weight or a quota, and their ancestors.
 */
export function roleUses(state: MasterState): Map<string, RoleUse> {
  const uses = new Map<string, RoleUse>();
  const { policy, allowedRoles } = state;
  for (const role of [...policy.weights.keys(), ...policy.quotas.keys()]) useOf(uses, role);
  for (const role of allowedRoles ?? []) useOf(uses, role);
  for (const framework of state.frameworks.values()) {
    for (const role of framework.roles) useOf(uses, role).frameworks.push(framework.id);
  }
  for (const agent of state.agents.values()) {
    for (const used of agent.used.values()) count(uses, "allocated", used);
    countReserved(uses, agent.total);
  }
  for (const offer of state.offers.values()) count(uses, "offered", offer.resources);
  const known = [...uses].filter(([role]) => allowedRoles?.has(role) ?? true);
  return new Map(known.sort(([a], [b]) => (a < b ? -1 : 1)));
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

/** Resources count for the role they are allocated to. */
function count(uses: Map<string, RoleUse>, what: "allocated" | "offered", bundle: Bundle): void {
  for (const { name, scalar, allocation_info, reservations, revocable } of bundle.toResources()) {
    if (scalar === undefined) continue;
    const role = allocation_info?.role ?? "*";
    const isReserved = (reservations ?? []).length > 0;
    add(useOf(uses, role).held, name, scalar.value);
    for (const use of lineOf(uses, role)) {
      add(use[what], name, scalar.value);
      if (what === "offered" || isReserved || revocable !== undefined) continue;
      add(use.consumed, name, scalar.value);
    }
  }
}

function countReserved(uses: Map<string, RoleUse>, total: Bundle): void {
  for (const { name, scalar, reservations } of total.toResources()) {
    const role = reservations?.at(-1)?.role;
    if (scalar === undefined || role === undefined) continue;
    for (const use of lineOf(uses, role)) {
      add(use.reserved, name, scalar.value);
      add(use.consumed, name, scalar.value);
    }
  }
}

/** Adds in thousandths, so that sums print as people expect. */
function add(sums: Map<string, number>, name: string, value: number): void {
  sums.set(name, Math.round(((sums.get(name) ?? 0) + value) * 1000) / 1000);
}

/** One bundle, or none when there is nothing to add: a bundle needs a first one to start from. */
function sum(bundles: readonly Bundle[]): Bundle[] {
  const [first, ...rest] = bundles;
  if (first === undefined) return [];
  const total = first.clone();
  for (const bundle of rest) total.add(bundle);
  return [total];
}
