/** Random clusters and what may happen to them, as data that fast-check can shrink and print. */
import fc from "fast-check";
import type { FrameworkInfoCapabilityType } from "../../src/protocol/v1/types.ts";
import type { Amounts } from "./model/amounts.ts";
import { partOf } from "./model/amounts.ts";
import type { Vector } from "./model/cluster.ts";

/** What a framework says of itself. */
export interface Subscription {
  readonly roles: readonly string[];
  readonly suppressed: readonly string[];
  readonly capabilities: readonly FrameworkInfoCapabilityType[];
  readonly minimums: Readonly<Record<string, readonly Vector[]>>;
}

/** What an agent says of itself. */
export interface Facts {
  /** Value of its only attribute; empty when it has none. */
  readonly attributes: string;
}

export type Event =
  | {
      readonly kind: "addAgent";
      readonly slot: number;
      readonly amounts: Amounts;
      readonly facts: Facts;
      readonly used: { readonly id: string; readonly role: string } | null;
    }
  | { readonly kind: "removeAgent"; readonly slot: number }
  | {
      readonly kind: "updateAgent";
      readonly slot: number;
      readonly amounts: Amounts;
      readonly facts: Facts | null;
      readonly keepsTotal: boolean;
    }
  | { readonly kind: "switchAgent"; readonly slot: number; readonly isOn: boolean }
  | {
      readonly kind: "addFramework";
      readonly id: string;
      readonly subscription: Subscription;
      readonly isActive: boolean;
    }
  | { readonly kind: "removeFramework"; readonly id: string }
  | { readonly kind: "updateFramework"; readonly id: string; readonly subscription: Subscription }
  | { readonly kind: "switchFramework"; readonly id: string; readonly isOn: boolean }
  | {
      readonly kind: "suppress" | "revive";
      readonly id: string;
      readonly roleIndex: number | null;
    }
  | {
      readonly kind: "recover";
      readonly pick: number;
      readonly isPart: boolean;
      readonly refuseMs: number;
    }
  | { readonly kind: "addUsed"; readonly slot: number; readonly id: string; readonly role: string }
  | { readonly kind: "allocate"; readonly afterMs: number };

export const ROLES: readonly string[] = ["*", "a", "a/b", "a/b/c", "ab"];
export const FRAMEWORKS: readonly string[] = ["F0", "F1", "F2", "F3"];
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
  "disk;;m=/x:2000",
];
const CAPABILITIES: FrameworkInfoCapabilityType[] = [
  "REVOCABLE_RESOURCES",
  "RESERVATION_REFINEMENT",
  "GPU_RESOURCES",
  "SHARED_RESOURCES",
  "MULTI_ROLE",
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

const subscription: fc.Arbitrary<Subscription> = fc.record({
  roles: fc.uniqueArray(fc.constantFrom(...ROLES), { maxLength: 3 }),
  suppressed: fc.subarray([...ROLES], { maxLength: 1 }),
  capabilities: fc.subarray(CAPABILITIES),
  minimums: fc.dictionary(
    fc.constantFrom(...ROLES),
    // None at all ([]) is left out: shared volumes alone would be offered anew in each run.
    fc.constantFrom([{ cpus: 500 }], [{ cpus: 4000 }, { mem: 500 }]),
    { maxKeys: 1 },
  ),
});

const slot = fc.nat(4);
const id = fc.constantFrom(...FRAMEWORKS);
const role = fc.constantFrom(...ROLES);
const facts: fc.Arbitrary<Facts> = fc.record({
  attributes: fc.constantFrom("", "x", "y"),
});

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
    weight: 8,
    arbitrary: fc.record({
      kind: kind("allocate"),
      afterMs: fc.constantFrom<number>(0, 1, 999, 1000, 3000, 10_000),
    }),
  },
);
export const history: fc.Arbitrary<Event[]> = fc.array(event, {
  minLength: 5,
  maxLength: 80,
  size: "max",
});

/** The amount of a kind that cannot be divided, thousandths. */
export function wholeOf(key: string): number {
  const { unitMilli, port } = partOf(key);
  return port === undefined ? (unitMilli ?? 1000) : 1;
}

/** Half of each amount, in whole steps of 500; what cannot be halved stays out. */
export function halfOf(from: Amounts): Map<string, number> {
  const half = new Map<string, number>();
  for (const [key, milli] of from) {
    const part = Math.floor(milli / 1000) * 500;
    const { name, unitMilli } = partOf(key);
    if (part > 0 && name !== "gpus" && unitMilli === undefined) half.set(key, part);
  }
  return half;
}
