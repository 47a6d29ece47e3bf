/** Random clusters and what happens to them. */
import fc from "fast-check";
import type {
  AgentInfoCapabilityType,
  FrameworkInfoCapabilityType,
} from "../../src/protocol/v1/types.ts";
import type { Event, Subscription } from "./events.ts";
import { type Amounts, INDIVISIBLE_ORDER, wholeOf } from "./model/amounts.ts";
import type { ModelAgentFacts, ModelAttribute, ModelConstraint, Vector } from "./model/cluster.ts";

const ROLES = ["*", "a", "a/b", "a/b/c", "ab"];
const FRAMEWORKS = ["F0", "F1", "F2", "F3"];
const HOSTNAMES = ["h0", "h1", "h2"];
/** Kinds of resources with any amount. */
const DIVISIBLE = ["cpus;;", "mem;;", "disk;;", "cpus;a;", "mem;a/b;", "cpus;a,a/b;", "cpus;;r"];
/** Kinds that are there or not: whole gpus, ports, volumes, shared volumes, MOUNT disks. */
const WHOLE = [
  "gpus;;",
  "ports#1;;",
  "ports#2;;",
  "ports#2;a;",
  "disk;a;v=v1:2000",
  "disk;a,a/b;v=v2:1000",
  "disk;a;s,v=s1:1000",
  "disk;ab;s,v=s2:2000",
  ...INDIVISIBLE_ORDER,
];
const CAPABILITIES: FrameworkInfoCapabilityType[] = [
  "REVOCABLE_RESOURCES",
  "RESERVATION_REFINEMENT",
  "GPU_RESOURCES",
  "SHARED_RESOURCES",
  "MULTI_ROLE",
  "REGION_AWARE",
];
/** Of agents: mostly all that matter. */
const AGENTS_CAPABILITIES: AgentInfoCapabilityType[][] = [
  ["MULTI_ROLE", "HIERARCHICAL_ROLE"],
  ["MULTI_ROLE", "HIERARCHICAL_ROLE"],
  ["MULTI_ROLE", "HIERARCHICAL_ROLE"],
  ["HIERARCHICAL_ROLE"],
  ["MULTI_ROLE"],
];

const divisible = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...DIVISIBLE), fc.constantFrom(500, 1000, 2000, 4000)), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  })
  .map((pairs) => new Map(pairs));

const whole = fc
  .subarray(WHOLE, { maxLength: 3 })
  .map((keys) => new Map(keys.map((key) => [key, wholeOf(key)])));

const amounts: fc.Arbitrary<Amounts> = fc.oneof(
  { weight: 2, arbitrary: divisible },
  {
    weight: 1,
    arbitrary: fc.tuple(divisible, whole).map(([some, all]) => new Map([...some, ...all])),
  },
);

const constraint: fc.Arbitrary<ModelConstraint> = fc.record({
  on: fc.constantFrom("n", "o", "HOSTNAME", "REGION", "ZONE"),
  test: fc.constantFrom("exists", "equals", "matches"),
  text: fc.constantFrom("x", "x|yz", "h[01]", "here", "z.", ".*"),
  isNegated: fc.boolean(),
});

const subscription: fc.Arbitrary<Subscription> = fc.record({
  roles: fc.uniqueArray(fc.constantFrom(...ROLES), { maxLength: 3 }),
  suppressed: fc.subarray([...ROLES], { maxLength: 1 }),
  capabilities: fc.subarray(CAPABILITIES),
  minimums: fc.dictionary(
    fc.constantFrom(...ROLES),
    fc.constantFrom([], [{ cpus: 500 }], [{ cpus: 4000 }, { mem: 500 }]),
    { maxKeys: 1 },
  ),
  constraints: fc.dictionary(
    fc.constantFrom(...ROLES),
    fc.array(fc.array(constraint, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 }),
    { maxKeys: 1 },
  ),
});

const slot = fc.nat(4);
const id = fc.constantFrom(...FRAMEWORKS);
const role = fc.constantFrom(...ROLES);
const attribute: fc.Arbitrary<ModelAttribute> = fc.record({
  name: fc.constantFrom("n", "o"),
  text: fc.constantFrom("x", "yz", undefined),
});
const facts: fc.Arbitrary<ModelAgentFacts> = fc.record({
  hostname: fc.constantFrom(...HOSTNAMES),
  attributes: fc.array(attribute, { maxLength: 2 }),
  region: fc.constantFrom(undefined, "here", "here", "there"),
  zone: fc.constantFrom("z1", "z2"),
  capabilities: fc
    .constantFrom(...AGENTS_CAPABILITIES)
    .map((capabilities) => new Set(capabilities)),
});
const vector: fc.Arbitrary<Vector> = fc.dictionary(
  fc.constantFrom("cpus", "mem", "disk"),
  fc.constantFrom(1000, 2000, 5000, 10_000),
  { maxKeys: 2 },
);
/** Guarantees are at most the limits. */
const quota = fc.tuple(vector, vector).map(([guarantees, limits]) => ({
  guarantees,
  limits: Object.fromEntries(
    Object.entries(limits).map(([name, milli]) => [name, Math.max(milli, guarantees[name] ?? 0)]),
  ),
}));

const kind = <Kind extends string>(...names: Kind[]): fc.Arbitrary<Kind> =>
  fc.constantFrom(...names);

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("addAgent"),
      slot,
      amounts,
      facts,
      used: fc.option(fc.record({ id, role })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("removeAgent"), slot }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("updateAgent"),
      slot,
      amounts,
      facts: fc.option(facts),
      keepsTotal: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("switchAgent"), slot, isOn: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind("addFramework"),
      id,
      subscription,
      isActive: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("removeFramework"), id }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("updateFramework"), id, subscription }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("switchFramework"), id, isOn: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("suppress", "revive"),
      id,
      roleIndex: fc.option(fc.nat(2)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind("recover"),
      pick: fc.nat(50),
      isPart: fc.boolean(),
      refuseMs: fc.constantFrom(0, 500, 3000, 10_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("addUsed"), slot, id, role }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("updateWeights"),
      weights: fc.dictionary(role, fc.constantFrom(0.5, 1, 2, 3), { minKeys: 1, maxKeys: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("updateQuota"),
      role: fc.constantFrom("*", "a", "ab"),
      quota: fc.option(quota, { freq: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("updateWhitelist"),
      hostnames: fc.option(fc.subarray(HOSTNAMES), { freq: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("pause"),
      agentCount: fc.nat(4),
      forMs: fc.constantFrom(500, 5000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind("allocate"),
      afterMs: fc.constantFrom<number>(0, 1, 999, 1000, 3000, 10_000),
    }),
  },
);

/** One history of a cluster, from nothing on. */
export const history: fc.Arbitrary<Event[]> = fc.array(event, {
  minLength: 5,
  maxLength: 80,
  size: "max",
});
