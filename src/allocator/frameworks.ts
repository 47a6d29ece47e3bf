/** Frameworks as the allocator sees them: one client per role, and what decides its appetite. */
import { assert, must } from "../base/assert.ts";
import type { FrameworkId } from "../base/ids.ts";
import type { OfferFilters } from "../protocol/v1/types.ts";
import type { ResourceKinds } from "../resources/kinds.ts";
import { toMilli } from "../resources/milli.ts";
import type { AllocatorFramework } from "./allocator.ts";
import { areSameMinimums, type Minimum, minimumOf } from "./minimum.ts";
import { compileConstraints } from "./offer-constraints.ts";
import { clientBits } from "./offerable.ts";
import type { Client, RoleTree } from "./role-tree.ts";

/** A framework that was added. Those only named by agents have clients and no record. */
export interface FrameworkRecord {
  readonly id: FrameworkId;
  isActive: boolean;
  /** By role, in the order of subscription. */
  clients: Map<string, Client>;
}

/** The clients named by `roles`, all when there are none; asserts that they are subscribed. */
export function clientsOf(framework: FrameworkRecord, roles: readonly string[]): Client[] {
  if (roles.length === 0) return [...framework.clients.values()];
  return roles.map((role) =>
    must(framework.clients.get(role), `role ${role} of framework ${framework.id}`),
  );
}

/**
 * Brings the clients in line with what the framework says of itself. Returns the clients of roles
 * it left and those whose appetite may have grown without a change of suppression.
 */
export function subscribe(
  tree: RoleTree,
  kinds: ResourceKinds,
  framework: FrameworkRecord,
  wanted: AllocatorFramework,
): { readonly left: readonly Client[]; readonly changed: readonly Client[] } {
  const changed: Client[] = [];
  const before = framework.clients;
  const constraints = compileConstraints(wanted.offerConstraints);
  const suppressed = new Set(wanted.suppressedRoles);
  framework.clients = new Map();
  for (const role of wanted.roles) {
    assert(!framework.clients.has(role), () => `framework ${framework.id} has ${role} once`);
    const client = tree.client(framework.id, role);
    framework.clients.set(role, client);
    const bits = clientBits(wanted.capabilities, role);
    const minimum = ownMinimumOf(kinds, wanted.offerFilters[role]);
    const constraint = constraints.get(role);
    const isConstrained = constraint !== undefined || client.constraint !== undefined;
    const isSame = client.bits === bits && areSameMinimums(client.minimum, minimum);
    if (!isSame || isConstrained) changed.push(client);
    client.isSubscribed = true;
    client.isSuppressed = suppressed.has(role);
    client.bits = bits;
    client.minimum = minimum;
    client.constraint = constraint;
  }
  const left = [...before.values()].filter((client) => !framework.clients.has(client.role));
  for (const client of left) client.isSubscribed = false;
  return { left, changed };
}

/** Undefined when the role has no minimum of its own; an empty one asks for nothing. */
function ownMinimumOf(
  kinds: ResourceKinds,
  filters: OfferFilters | undefined,
): Minimum | undefined {
  const own = filters?.min_allocatable_resources;
  if (own === undefined) return undefined;
  const list = (own.quantities ?? []).map((entry) => {
    const milli: Record<string, number> = {};
    for (const [name, scalar] of Object.entries(entry.quantities ?? {})) {
      milli[name] = toMilli(scalar.value);
    }
    return milli;
  });
  return minimumOf(kinds, list);
}
