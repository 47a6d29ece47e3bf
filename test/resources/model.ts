/**
 * The slow, obvious model of a bundle: plain maps of bigints, sets of every single integer and item.
 * Written apart from src/resources; it knows kinds only by a text the test gives it.
 */
import * as fc from "fast-check";
import type { Resource } from "../../src/protocol/v1/types.ts";

export interface Model {
  readonly scalars: Map<string, bigint>;
  readonly members: Map<string, Set<string>>;
}

export function modelOf(resources: readonly Resource[]): Model {
  const model: Model = { scalars: new Map(), members: new Map() };
  for (const resource of resources) {
    const key = JSON.stringify([resource.name, resource.role ?? "*", resource.revocable ?? null]);
    if (resource.scalar !== undefined) {
      addScalar(model, key, BigInt(resource.scalar.value.toFixed(3).replace(".", "")));
    }
    const members = new Set(resource.set?.item ?? []);
    for (const { begin, end } of resource.ranges?.range ?? []) {
      for (let member = begin; member <= end; member++) members.add(String(member));
    }
    addMembers(model, key, members);
  }
  return model;
}

export function plus(a: Model, b: Model): Model {
  const sum: Model = { scalars: new Map(a.scalars), members: new Map(a.members) };
  for (const [key, value] of b.scalars) addScalar(sum, key, value);
  for (const [key, members] of b.members) addMembers(sum, key, members);
  return sum;
}

export function minus(a: Model, b: Model): Model {
  const rest: Model = { scalars: new Map(a.scalars), members: new Map(a.members) };
  for (const [key, value] of b.scalars) {
    const left = (rest.scalars.get(key) ?? 0n) - value;
    if (left === 0n) rest.scalars.delete(key);
    else rest.scalars.set(key, left);
  }
  for (const [key, members] of b.members) {
    const left = [...(rest.members.get(key) ?? [])].filter((member) => !members.has(member));
    if (left.length === 0) rest.members.delete(key);
    else rest.members.set(key, new Set(left));
  }
  return rest;
}

export function holds(a: Model, b: Model): boolean {
  const scalars = [...b.scalars].every(([key, value]) => (a.scalars.get(key) ?? 0n) >= value);
  const members = [...b.members].every(([key, wanted]) =>
    [...wanted].every((member) => a.members.get(key)?.has(member) ?? false),
  );
  return scalars && members;
}

/** For comparing: the same text for the same content. */
export function textOf(model: Model): string {
  const scalars = [...model.scalars].map(([key, value]) => `${key}=${value}`).sort();
  const members = [...model.members].map(([key, set]) => `${key}=${[...set].sort().join(",")}`);
  return [...scalars, ...members.sort()].join("\n");
}

function addScalar(model: Model, key: string, value: bigint): void {
  const sum = (model.scalars.get(key) ?? 0n) + value;
  if (sum > 0n) model.scalars.set(key, sum);
}

function addMembers(model: Model, key: string, members: ReadonlySet<string>): void {
  if (members.size === 0) return;
  model.members.set(key, new Set([...(model.members.get(key) ?? []), ...members]));
}

const ROLE = fc.constantFrom("*", "web", "eng/ci");
const MILLI = fc.oneof(fc.constantFrom(0, 1, 100, 999), fc.integer({ min: 0, max: 5_000_000 }));

const SCALAR = fc
  .record({ name: fc.constantFrom("cpus", "mem", "disk"), role: ROLE, milli: MILLI })
  .map(({ name, role, milli }): Resource => {
    return { name, role, type: "SCALAR", scalar: { value: milli / 1000 } };
  });

const REVOCABLE = SCALAR.map((resource): Resource => ({ ...resource, revocable: {} }));

const RANGES = fc
  .record({ role: ROLE, starts: fc.array(fc.tuple(fc.nat(60), fc.nat(8)), { maxLength: 6 }) })
  .map(({ role, starts }): Resource => {
    const range = starts.map(([begin, length]) => ({ begin, end: begin + length }));
    return { name: "ports", role, type: "RANGES", ranges: { range } };
  });

const SETS = fc
  .record({
    role: ROLE,
    item: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 4 }),
  })
  .map(({ role, item }): Resource => ({ name: "zones", role, type: "SET", set: { item } }));

/** Resources in pre-refinement form, scalars with up to three decimals, ranges in any order. */
export const RESOURCES: fc.Arbitrary<Resource[]> = fc.array(
  fc.oneof(SCALAR, REVOCABLE, RANGES, SETS),
  { maxLength: 8 },
);

/** The same without revocable ones: what the text form of the flag can say. */
export const FLAG_RESOURCES: fc.Arbitrary<Resource[]> = fc.array(fc.oneof(SCALAR, RANGES, SETS), {
  maxLength: 8,
});
