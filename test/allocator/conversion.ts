/** The model's amounts as the allocator's bundles, and back. */
import type { AllocatorFramework } from "../../src/allocator/allocator.ts";
import type {
  AgentInfo,
  Resource,
  ResourceDiskInfo,
  SchedulerAttributeConstraint,
  SchedulerOfferConstraints,
} from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import type { ResourceKinds } from "../../src/resources/kinds.ts";
import { toMilli } from "../../src/resources/milli.ts";
import type { Subscription } from "./events.ts";
import { type Amounts, partOf } from "./model/amounts.ts";
import type { ModelAgentFacts, ModelConstraint } from "./model/cluster.ts";

export function toBundle(kinds: ResourceKinds, from: Amounts): Bundle {
  return Bundle.from(
    kinds,
    [...from].flatMap(([key, milli]) => resourcesOf(key, milli)),
  );
}

/** One message; as many as there are copies where whole copies are counted. */
function resourcesOf(key: string, milli: number): Resource[] {
  const { name, stack, isRevocable, isShared, unitMilli, port } = partOf(key);
  const reservations = stack.map((role, index) => ({
    type: index === 0 ? ("STATIC" as const) : ("DYNAMIC" as const),
    role,
  }));
  const disk = diskOf(key);
  const value = unitMilli ?? milli;
  const resource: Resource = {
    name,
    ...(port === undefined
      ? { type: "SCALAR", scalar: { value: value / 1000 } }
      : { type: "RANGES", ranges: { range: [{ begin: port, end: port }] } }),
    ...(reservations.length > 0 && { reservations }),
    ...(isRevocable && { revocable: {} }),
    ...(isShared && { shared: {} }),
    ...(disk !== undefined && { disk }),
  };
  return Array.from({ length: unitMilli === undefined ? 1 : milli / unitMilli }, () => resource);
}

function diskOf(key: string): ResourceDiskInfo | undefined {
  const { volume, mount } = partOf(key);
  if (volume !== undefined) {
    return { persistence: { id: volume }, volume: { mode: "RW", container_path: volume } };
  }
  return mount === undefined ? undefined : { source: { type: "MOUNT", mount: { root: mount } } };
}

export function toAmounts(bundle: Bundle): Map<string, number> {
  const found = new Map<string, number>();
  for (const resource of bundle.toResources()) {
    for (const [key, milli] of keysOf(resource)) found.set(key, (found.get(key) ?? 0) + milli);
  }
  return found;
}

function keysOf(resource: Resource): [string, number][] {
  const { name, reservations, revocable, shared, disk, ranges, scalar } = resource;
  const stack = (reservations ?? []).map(({ role }) => role).join(",");
  const milli = toMilli(scalar?.value ?? 0);
  const flags: string[] = [];
  if (revocable !== undefined) flags.push("r");
  if (shared !== undefined) flags.push("s");
  if (disk?.persistence !== undefined) flags.push(`v=${disk.persistence.id}:${milli}`);
  if (disk?.source?.mount !== undefined) flags.push(`m=${disk.source.mount.root}:${milli}`);
  if (ranges === undefined) return [[`${name};${stack};${flags.join(",")}`, milli]];
  return (ranges.range ?? []).flatMap(({ begin, end }) =>
    Array.from({ length: end - begin + 1 }, (_, index): [string, number] => [
      `${name}#${begin + index};${stack};${flags.join(",")}`,
      1,
    ]),
  );
}

export function toAllocatorFramework(wanted: Subscription): AllocatorFramework {
  const offerFilters = Object.fromEntries(
    Object.entries(wanted.minimums).map(([role, vectors]) => [
      role,
      {
        min_allocatable_resources: {
          quantities: vectors.map((vector) => ({
            quantities: Object.fromEntries(
              Object.entries(vector).map(([name, milli]) => [name, { value: milli / 1000 }]),
            ),
          })),
        },
      },
    ]),
  );
  return {
    roles: wanted.roles,
    suppressedRoles: wanted.suppressed,
    capabilities: new Set(wanted.capabilities),
    offerFilters,
    offerConstraints: toOfferConstraints(wanted),
  };
}

export function toAgentInfo({ hostname, attributes, region, zone }: ModelAgentFacts): AgentInfo {
  return {
    hostname,
    attributes: attributes.map(({ name, text }) =>
      text === undefined
        ? { name, type: "SCALAR", scalar: { value: 1 } }
        : { name, type: "TEXT", text: { value: text } },
    ),
    ...(region !== undefined && {
      domain: { fault_domain: { region: { name: region }, zone: { name: zone } } },
    }),
  };
}

function toOfferConstraints({ constraints }: Subscription): SchedulerOfferConstraints | undefined {
  const roles = Object.entries(constraints);
  if (roles.length === 0) return undefined;
  return {
    role_constraints: Object.fromEntries(
      roles.map(([role, groups]) => [
        role,
        {
          groups: groups.map((group) => ({
            attribute_constraints: group.map((one) => ({
              selector: selectorOf(one),
              predicate: predicateOf(one),
            })),
          })),
        },
      ]),
    ),
  };
}

function selectorOf({ on }: ModelConstraint): SchedulerAttributeConstraint["selector"] {
  const isPlace = on === "HOSTNAME" || on === "REGION" || on === "ZONE";
  return isPlace ? { pseudoattribute_type: on } : { attribute_name: on };
}

function predicateOf({
  test,
  text,
  isNegated,
}: ModelConstraint): SchedulerAttributeConstraint["predicate"] {
  if (test === "exists") return isNegated ? { not_exists: {} } : { exists: {} };
  if (test === "equals") {
    return isNegated ? { text_not_equals: { value: text } } : { text_equals: { value: text } };
  }
  return isNegated ? { text_not_matches: { regex: text } } : { text_matches: { regex: text } };
}
