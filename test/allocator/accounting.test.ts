/**
 * What the allocator counts and when it asks for a cycle: shared and indivisible resources, shares
 * across agents, dirtiness, rotation, and the assertions at its boundary.
 */
import { expect, test } from "bun:test";
import { AssertionError } from "../../src/base/assert.ts";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { Bench, framework, resources } from "./allocator-fixtures.ts";

const ANYTHING = {
  "*": { min_allocatable_resources: { quantities: [] } },
  web: { min_allocatable_resources: { quantities: [] } },
};

const SHARED_VOLUME: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 100 },
  reservations: [{ type: "DYNAMIC", role: "web" }],
  disk: {
    persistence: { id: "volume" },
    volume: { container_path: "data", mode: "RW" },
  },
  shared: {},
};

const MOUNT_DISK: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 500 },
  disk: { source: { type: "MOUNT", mount: { root: "/mnt/data" } } },
};

function addAgentWith(bench: Bench, id: string, text: string, extra: readonly Resource[]): AgentId {
  const total = Bundle.from(bench.kinds, [...resources(text), ...extra]);
  bench.allocator.addAgent(brand(id), { hostname: id }, total, new Map());
  return brand(id);
}

test("a shared volume is offered with the rest, stays available and counts once [semantics 4.4]", () => {
  const bench = new Bench();
  const capabilities = new Set(["SHARED_RESOURCES"] as const);
  const id = bench.addFramework("F", framework(["web"], { capabilities }));
  const agent = addAgentWith(bench, "A", "cpus:4;disk:300", [SHARED_VOLUME]);
  expect(bench.offers(0)).toEqual(["F/web@A cpus:4;disk:400"]);
  expect(bench.allocator.frameworkShare(id, "web")).toBe(1);
  const cpus = bench.bundle("cpus:1").withAllocation("web");
  bench.allocator.recover(id, agent, cpus, 0, 1);
  expect(bench.offers(1)).toEqual(["F/web@A cpus:1;disk:100"]);
  expect(bench.allocator.roleShare("web")).toBe(1);
  expect(bench.allocator.isDirty()).toBe(false);
  const volume = Bundle.from(bench.kinds, [SHARED_VOLUME]).withAllocation("web");
  bench.allocator.recover(id, agent, volume.clone(), 5000, 2);
  bench.allocator.recover(id, agent, volume, 5000, 2);
  bench.allocator.assertInvariants();
  expect(() => bench.allocator.recover(id, agent, volume, 0, 3)).toThrow(AssertionError);
});

test("a shared volume goes to one framework per agent and cycle [semantics 4.4]", () => {
  const bench = new Bench();
  const capabilities = new Set(["SHARED_RESOURCES"] as const);
  const web = framework(["web"], { capabilities, offerFilters: ANYTHING });
  bench.addFramework("F1", web);
  bench.addFramework("F2", web);
  addAgentWith(bench, "A", "cpus:4", [SHARED_VOLUME]);
  expect(bench.offers(0)).toEqual(["F1/web@A cpus:4;disk:100"]);
  expect(bench.offers(1)).toEqual([]);
});

test("shared volumes are hidden from frameworks without the capability [semantics 3.5]", () => {
  const bench = new Bench();
  bench.addFramework("F", framework(["web"]));
  addAgentWith(bench, "A", "cpus:4", [SHARED_VOLUME]);
  expect(bench.offers(0)).toEqual(["F/web@A cpus:4"]);
});

test("MOUNT disks of one kind on many agents add up [semantics 4.2]", () => {
  const bench = new Bench();
  const id = bench.addFramework("F");
  for (const name of ["A", "B", "C", "D"]) addAgentWith(bench, name, "cpus:1", [MOUNT_DISK]);
  expect(bench.offers(0)).toHaveLength(4);
  expect(bench.allocator.frameworkShare(id, "*")).toBe(1);
  const disk = Bundle.from(bench.kinds, [MOUNT_DISK]).withAllocation("*");
  const rest = bench.bundle("cpus:1").withAllocation("*");
  bench.allocator.recover(id, brand("B"), disk, 0, 1);
  bench.allocator.recover(id, brand("B"), rest, 0, 1);
  bench.allocator.assertInvariants();
  expect(bench.allocator.frameworkShare(id, "*")).toBe(0.75);
});

test("ranges go whole, and what comes back of them is offered again [semantics 4.4]", () => {
  const bench = new Bench();
  const id = bench.addFramework("F");
  const ports = (begin: number, end: number): Resource => ({
    name: "ports",
    type: "RANGES",
    ranges: { range: [{ begin, end }] },
  });
  const agent = addAgentWith(bench, "A", "cpus:1", [ports(10, 20)]);
  bench.allocate(0);
  const part = Bundle.from(bench.kinds, [...resources("cpus:1"), ports(12, 13)]);
  bench.allocator.recover(id, agent, part.withAllocation("*"), 0, 1);
  const [again] = bench.allocate(1);
  expect(again?.resources.equals(part.withAllocation("*"))).toBe(true);
});

test("nothing is asked for while nobody wants anything [semantics 4.6]", () => {
  const bench = new Bench();
  bench.addAgent("A", "cpus:4");
  expect(bench.allocator.isDirty()).toBe(false);
  const id = bench.addFramework("F");
  expect(bench.allocator.isDirty()).toBe(true);
  bench.allocate(0);
  expect(bench.allocator.isDirty()).toBe(false);
  bench.allocator.revive(id, []);
  expect(bench.allocator.isDirty()).toBe(false);
});

test("a filter of a suppressed role wakes nobody, and does once the role is back [semantics 4.5]", () => {
  const bench = new Bench();
  const id = bench.addFramework("F");
  const agent = bench.addAgent("A", "cpus:4");
  bench.allocate(0);
  bench.allocator.suppress(id, []);
  bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("*"), 5000, 0);
  expect(bench.allocate(1)).toEqual([]);
  expect(bench.allocator.nextWakeMs()).toBe(Number.POSITIVE_INFINITY);
  // An update lifts the suppression and leaves the filter where it is.
  bench.allocator.updateFramework(id, framework());
  expect(bench.allocate(2)).toEqual([]);
  expect(bench.allocator.nextWakeMs()).toBe(5000);
  bench.allocator.deactivateAgent(agent);
  expect(bench.allocator.nextWakeMs()).toBe(Number.POSITIVE_INFINITY);
  bench.allocator.activateAgent(agent);
  expect(bench.allocate(3)).toEqual([]);
  expect(bench.allocator.nextWakeMs()).toBe(5000);
  expect(bench.offers(5000)).toEqual(["F/*@A cpus:4"]);
});

test("each cycle starts with another agent, so that none is always first", () => {
  const bench = new Bench();
  const id = bench.addFramework("F");
  const total = "cpus:1";
  for (const name of ["A", "B", "C"]) bench.addAgent(name, total);
  const starts: string[] = [];
  for (let cycle = 0; cycle < 4; cycle++) {
    const allocations = bench.allocate(cycle);
    starts.push(allocations.map(({ agentId }) => agentId).join(""));
    for (const { agentId, resources: bundle } of allocations) {
      bench.allocator.recover(id, agentId, bundle, 0, cycle);
    }
  }
  expect(starts).toEqual(["ABC", "BCA", "CAB", "ABC"]);
});

test("promising something twice is an assertion, not a wrong offer [DESIGN promise 2]", () => {
  const bench = new Bench();
  const id = bench.addFramework("F");
  const agent = bench.addAgent("A", "cpus:4");
  bench.allocate(0);
  const all = bench.bundle("cpus:4").withAllocation("*");
  expect(() => bench.allocator.addUsed(id, agent, all)).toThrow(AssertionError);
  const less = bench.bundle("cpus:3");
  expect(() => bench.allocator.updateAgent(agent, { hostname: "A" }, less)).toThrow(AssertionError);
  bench.allocator.recover(id, agent, all, 0, 0);
  expect(() => bench.allocator.recover(id, agent, all, 0, 0)).toThrow(AssertionError);
  const stranger = brand<FrameworkId>("stranger");
  expect(() => bench.allocator.removeFramework(stranger)).toThrow(AssertionError);
  expect(() => bench.allocator.suppress(id, ["web"])).toThrow(AssertionError);
});

test("what a removed framework held returns, for roles it had left too", () => {
  const bench = new Bench();
  const id = bench.addFramework("F", framework(["a"]));
  bench.addAgent("A", "cpus:4");
  bench.allocate(0);
  bench.allocator.updateFramework(id, framework(["b"]));
  bench.allocator.removeFramework(id);
  bench.allocator.assertInvariants();
  expect(bench.allocator.roleShare("a")).toBe(0);
  bench.addFramework("G");
  expect(bench.offers(1)).toEqual(["G/*@A cpus:4"]);
});

test("the receiver of an allocation may change it [contract of Allocation]", () => {
  const bench = new Bench();
  bench.addFramework("F");
  bench.addAgent("A", "cpus:4");
  const [allocation] = bench.allocate(0);
  allocation?.resources.subtract(bench.bundle("cpus:4").withAllocation("*"));
  bench.allocator.assertInvariants();
  expect(bench.allocator.roleShare("*")).toBe(1);
});
