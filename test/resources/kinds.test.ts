/** What makes two resources one kind. */
import { expect, test } from "bun:test";
import type { Labels, Resource } from "../../src/protocol/v1/types.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";

const CPUS: Resource = { name: "cpus", type: "SCALAR", scalar: { value: 1 } };

function reserved(labels: Labels | undefined, principal?: string): Resource {
  return { ...CPUS, reservations: [{ type: "DYNAMIC", role: "a", principal, labels }] };
}

function areEqual(a: Resource, b: Resource): boolean {
  const kinds = new ResourceKinds();
  return kinds.intern(a) === kinds.intern(b);
}

test("the value and the order of properties do not make a kind", () => {
  expect(areEqual(CPUS, { type: "SCALAR", scalar: { value: 9 }, name: "cpus" })).toBe(true);
});

test("the three reservation formats are one kind [http-api 3.3]", () => {
  const post: Resource = { ...CPUS, reservations: [{ type: "STATIC", role: "a" }] };
  expect(areEqual(post, { ...CPUS, role: "a" })).toBe(true);
  expect(areEqual(post, { ...post, role: "a" })).toBe(true);
  expect(areEqual(CPUS, { ...CPUS, role: "*", reservations: [] })).toBe(true);
});

test("labels compare as a multiset, whatever their order", () => {
  const [a, b] = [
    { key: "k", value: "1" },
    { key: "k", value: "2" },
  ];
  expect(areEqual(reserved({ labels: [a, b] }), reserved({ labels: [b, a] }))).toBe(true);
  expect(areEqual(reserved({ labels: [a, a, b] }), reserved({ labels: [a, b, b] }))).toBe(false);
  expect(
    areEqual(reserved({ labels: [{ key: "k" }] }), reserved({ labels: [{ key: "k", value: "" }] })),
  ).toBe(true);
});

test("principal, allocation, provider, revocable and the order of reservations make a kind", () => {
  expect(areEqual(reserved(undefined), reserved(undefined, "p"))).toBe(false);
  expect(areEqual(reserved(undefined), reserved({}))).toBe(false);
  expect(areEqual(CPUS, { ...CPUS, allocation_info: { role: "a" } })).toBe(false);
  expect(areEqual(CPUS, { ...CPUS, provider_id: { value: "p" } })).toBe(false);
  expect(areEqual(CPUS, { ...CPUS, revocable: {} })).toBe(false);
  const [one, two] = [
    { type: "DYNAMIC", role: "a" },
    { type: "DYNAMIC", role: "b" },
  ] as const;
  expect(
    areEqual({ ...CPUS, reservations: [one, two] }, { ...CPUS, reservations: [two, one] }),
  ).toBe(false);
});

test("texts that hold separators are never taken for one another", () => {
  expect(areEqual({ ...CPUS, name: 'a","SCALAR' }, { ...CPUS, name: "a" })).toBe(false);
  expect(areEqual({ ...CPUS, name: "__proto__" }, CPUS)).toBe(false);
});

test("the facts of a kind follow the topmost reservation", () => {
  const kinds = new ResourceKinds();
  const stack = [
    { type: "STATIC", role: "a" },
    { type: "DYNAMIC", role: "a/b" },
  ] as const;
  const kind = kinds.get(kinds.intern({ ...CPUS, reservations: stack, revocable: {} }));
  expect(kind).toMatchObject({ reservationRole: "a/b", isRevocable: true, isIndivisible: false });
  expect(kind.template.scalar).toBeUndefined();
  expect(kinds.unallocate(kinds.allocate(kind.kind, "a/b/c"))).toBe(kind.kind);
});

test("asking for a kind does not make it one", () => {
  const kinds = new ResourceKinds();
  const cpus: Resource = { name: "cpus", type: "SCALAR", scalar: { value: 1 } };
  const reserved: Resource = { ...cpus, reservations: [{ type: "DYNAMIC", role: "web" }] };
  expect([cpus, reserved].map((resource) => kinds.isKnown(resource))).toEqual([false, false]);
  expect(kinds.size).toBe(0);
  kinds.intern(cpus);
  kinds.intern(reserved);
  expect(kinds.isKnown({ ...cpus, role: "web", reservation: {} })).toBe(true);
  expect(kinds.isKnown({ ...cpus, allocation_info: { role: "web" } })).toBe(false);
  expect(kinds.isKnown({ ...cpus, type: "SET" })).toBe(false);
});
