/**
 * Random histories of a small, poor cluster: two kinds of memory, three roles, guarantees and limits
 * all the time. Nearly everything is held back from somebody here, which wide histories see rarely.
 */
import fc from "fast-check";
import type { Event, Subscription } from "./events.ts";
import type { ModelAgentFacts, Vector } from "./model/cluster.ts";

const ROLES = ["a", "a/b", "b"];
const FRAMEWORKS = ["F0", "F1", "F2"];

const slot = fc.nat(3);
const id = fc.constantFrom(...FRAMEWORKS);
const role = fc.constantFrom(...ROLES);
const milli = fc.constantFrom(1000, 2000, 3000, 4000);
const amounts = fc
  .dictionary(fc.constantFrom("mem;;", "mem;;", "mem;a/b;", "mem;b;", "disk;;m=/x:2000"), milli, {
    minKeys: 1,
    maxKeys: 2,
  })
  .map((entries) => {
    const pairs = Object.entries(entries);
    return new Map(pairs.map(([key, value]) => [key, key.startsWith("disk") ? 2000 : value]));
  });

const facts: fc.Arbitrary<ModelAgentFacts> = fc.constantFrom("h0", "h1").map((hostname) => ({
  hostname,
  attributes: [],
  region: undefined,
  zone: "",
  capabilities: new Set(["MULTI_ROLE", "HIERARCHICAL_ROLE"] as const),
}));

const subscription: fc.Arbitrary<Subscription> = fc
  .record({ roles: fc.subarray(ROLES, { minLength: 1 }), isModest: fc.boolean() })
  .map(({ roles, isModest }) => ({
    roles,
    suppressed: [],
    capabilities: ["RESERVATION_REFINEMENT"],
    minimums: isModest ? Object.fromEntries(roles.map((each) => [each, [{ mem: 1000 }]])) : {},
    constraints: {},
  }));

const vector: fc.Arbitrary<Vector> = fc.dictionary(
  fc.constantFrom("mem", "mem", "disk"),
  fc.constantFrom(0, 1000, 2000, 3000, 5000),
  { maxKeys: 2 },
);
const quota = fc.tuple(vector, fc.option(vector)).map(([guarantees, limits]) => ({
  guarantees,
  limits: Object.fromEntries(
    Object.entries(limits ?? {}).map(([name, most]) => [
      name,
      Math.max(most, guarantees[name] ?? 0),
    ]),
  ),
}));

const kind = <Kind extends string>(...names: Kind[]): fc.Arbitrary<Kind> =>
  fc.constantFrom(...names);

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind("addAgent"),
      slot,
      amounts,
      facts,
      used: fc.option(fc.record({ id, role })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("removeAgent"), slot }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("updateAgent"),
      slot,
      amounts,
      facts: fc.constant(null),
      keepsTotal: fc.constant(false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("switchAgent"), slot, isOn: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: kind("addFramework"), id, subscription, isActive: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("removeFramework"), id }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("updateFramework"), id, subscription }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("switchFramework"), id, isOn: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind("suppress", "revive"), id, roleIndex: fc.option(fc.nat(2)) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind("recover"),
      pick: fc.nat(20),
      isPart: fc.boolean(),
      refuseMs: fc.constantFrom(0, 3000, 60_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind("updateQuota"),
      role: fc.constantFrom("a", "b"),
      quota: fc.option(quota, { freq: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("updateWhitelist"),
      hostnames: fc.option(fc.subarray(["h0", "h1"]), { freq: 1 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: kind("allocate"),
      afterMs: fc.constantFrom<number>(0, 1000, 3000),
    }),
  },
);

/** One history of such a cluster, from nothing on. */
export const pressedHistory: fc.Arbitrary<Event[]> = fc.array(event, {
  minLength: 10,
  maxLength: 60,
  size: "max",
});
