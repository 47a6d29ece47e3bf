/** Quota, headroom and weights, one rule at a time, on clusters of a few agents. */
import { expect, describe as group, test } from "bun:test";
import { brand } from "../../src/base/ids.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { Bench, framework, resources } from "./allocator-fixtures.ts";

const MOUNT_DISK: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 500 },
  disk: { source: { type: "MOUNT", mount: { root: "/mnt/data" } } },
};

function benchWith(roles: Readonly<Record<string, string>>): Bench {
  const bench = new Bench();
  for (const [id, role] of Object.entries(roles)) bench.addFramework(id, framework([role]));
  return bench;
}

group("limits", () => {
  test("an agent is offered in the chunk that the limit allows [semantics 10.31]", () => {
    const bench = benchWith({ F: "web" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 1000 } });
    bench.addAgent("A", "cpus:4;mem:1024");
    expect(bench.offers(0)).toEqual(["F/web@A cpus:1;mem:1024"]);
    expect(bench.offers(1)).toEqual([]);
  });

  test("all roles below share the limit of the top-level role [semantics 4.3]", () => {
    const bench = benchWith({ F: "web/a", G: "web/b" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 3000 } });
    bench.addAgent("A", "cpus:2");
    bench.addAgent("B", "cpus:2");
    expect(bench.offers(0)).toEqual(["F/web/a@A cpus:2", "G/web/b@B cpus:1"]);
    expect(bench.allocator.quotaConsumed("web")).toEqual(new Map([["cpus", 3000]]));
    expect(bench.allocator.quotaConsumed("web/a")).toEqual(new Map([["cpus", 2000]]));
  });

  test("what comes back may be offered on another agent [semantics 4.4]", () => {
    const bench = benchWith({ F: "web" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 1000 } });
    bench.addAgent("A", "cpus:1");
    bench.addAgent("B", "cpus:1");
    expect(bench.offers(0)).toEqual(["F/web@A cpus:1"]);
    const cpus = bench.bundle("cpus:1").withAllocation("web");
    bench.allocator.recover(brand("F"), brand("A"), cpus, 60_000, 1);
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(1)).toEqual(["F/web@B cpus:1"]);
  });

  test("a raised limit is an event of its own", () => {
    const bench = benchWith({ F: "web" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 0, mem: 0 } });
    bench.addAgent("A", "cpus:4;mem:100");
    expect(bench.offers(0)).toEqual([]);
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 2000, mem: 0 } });
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(1)).toEqual(["F/web@A cpus:2"]);
    bench.allocator.updateQuota("web", undefined);
    expect(bench.offers(2)).toEqual(["F/web@A cpus:2;mem:100"]);
  });

  test("reservations count whether they are used or not, and are offered beyond the limit [semantics 4.3]", () => {
    const bench = benchWith({ F: "web" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 3000 } });
    bench.addAgent("A", "cpus(web):2;cpus:4");
    expect(bench.allocator.quotaConsumed("web")).toEqual(new Map([["cpus", 2000]]));
    expect(bench.offers(0)).toEqual(["F/web@A cpus:3"]);
    expect(bench.allocator.quotaConsumed("web")).toEqual(new Map([["cpus", 3000]]));
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 0 } });
    bench.addAgent("B", "cpus(web):1;cpus:1");
    expect(bench.offers(1)).toEqual(["F/web@B cpus:1"]);
  });

  test("revocable resources are outside of quota [semantics 8.3]", () => {
    const bench = new Bench();
    const capabilities = new Set(["REVOCABLE_RESOURCES"] as const);
    bench.addFramework("F", framework(["web"], { capabilities }));
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 1000 } });
    bench.addAgent("A", "cpus:4;cpus{REV}:2");
    expect(bench.offers(0)).toEqual(["F/web@A cpus:3"]);
    expect(bench.allocator.quotaConsumed("web")).toEqual(new Map([["cpus", 1000]]));
  });

  test("a MOUNT disk is never split [semantics 4.4]", () => {
    const bench = benchWith({ F: "web" });
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { disk: 400_000 } });
    const total = Bundle.from(bench.kinds, [...resources("cpus:1;disk:100"), MOUNT_DISK]);
    bench.allocator.addAgent(brand("A"), { hostname: "A" }, total, new Map());
    expect(bench.offers(0)).toEqual(["F/web@A cpus:1;disk:100"]);
  });
});

group("guarantees", () => {
  test("are served before anybody else, however large the shares [semantics 4.4 stage 1]", () => {
    const bench = benchWith({ F: "a", G: "b" });
    bench.allocator.updateQuota("b", { guarantees: { cpus: 2000 }, limits: {} });
    bench.addAgent("A", "cpus:1");
    bench.addAgent("B", "cpus:1");
    expect(bench.offers(0)).toEqual(["G/b@A cpus:1", "G/b@B cpus:1"]);
  });

  test("of an idle role are held back from the others [semantics 10.33]", () => {
    const bench = benchWith({ F: "a" });
    bench.allocator.updateQuota("idle", { guarantees: { cpus: 3000 }, limits: {} });
    bench.addAgent("A", "cpus:4;mem:100");
    expect(bench.offers(0)).toEqual(["F/a@A cpus:1;mem:100"]);
    bench.addFramework("G", framework(["idle"]));
    expect(bench.offers(1)).toEqual(["G/idle@A cpus:3"]);
  });

  test("that are given up free what was held back [semantics 4.4]", () => {
    const bench = benchWith({ F: "a" });
    bench.allocator.updateQuota("idle", { guarantees: { cpus: 4000 }, limits: {} });
    bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual([]);
    expect(bench.allocator.isDirty()).toBe(false);
    bench.allocator.updateQuota("idle", undefined);
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(1)).toEqual(["F/a@A cpus:4"]);
  });

  test("are served by new agents, which frees the old ones [semantics 4.4]", () => {
    const bench = benchWith({ F: "a" });
    bench.allocator.updateQuota("idle", { guarantees: { cpus: 4000 }, limits: {} });
    bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual([]);
    bench.addAgent("B", "cpus:3");
    // Slack is 3 of 7: the rotation begins with B.
    expect(bench.offers(1)).toEqual(["F/a@B cpus:3"]);
  });

  test("serve the whole subtree of the role [allocator.ts, differs from Mesos]", () => {
    const bench = benchWith({ F: "a", G: "b/c" });
    bench.allocator.updateQuota("b", { guarantees: { cpus: 1000 }, limits: { cpus: 1000 } });
    bench.addAgent("A", "cpus:2");
    expect(bench.offers(0)).toEqual(["G/b/c@A cpus:1", "F/a@A cpus:1"]);
  });

  test("are not kept on agents that are not active [allocator.ts, differs from Mesos]", () => {
    const bench = benchWith({ F: "a" });
    bench.allocator.updateQuota("idle", { guarantees: { cpus: 4000 }, limits: {} });
    bench.addAgent("A", "cpus:4");
    const other = bench.addAgent("B", "cpus:4");
    bench.allocator.deactivateAgent(other);
    expect(bench.offers(0)).toEqual([]);
    bench.allocator.activateAgent(other);
    expect(bench.offers(1)).toEqual(["F/a@B cpus:4"]);
  });
});

group("weights", () => {
  test("a role of weight 2 gets twice the share [semantics 10.29]", () => {
    const bench = benchWith({ F: "a", G: "b" });
    bench.allocator.updateWeights([{ role: "b", weight: 2 }]);
    for (let index = 0; index < 9; index++) bench.addAgent(`A${index}`, "cpus:1;mem:100");
    const owners = bench.allocate(0).map(({ role }) => role);
    expect(owners.filter((role) => role === "a")).toHaveLength(3);
    expect(owners.filter((role) => role === "b")).toHaveLength(6);
  });

  test("a new weight takes effect in the next cycle [semantics 4.10]", () => {
    const bench = benchWith({ F: "a", G: "b" });
    bench.addAgent("A", "cpus:1");
    bench.addAgent("B", "cpus:1");
    bench.addAgent("C", "cpus:1");
    const owners = (nowMs: number): string[] => {
      const allocations = bench.allocate(nowMs);
      for (const { frameworkId, agentId, resources: bundle } of allocations) {
        bench.allocator.recover(frameworkId, agentId, bundle, 0, nowMs);
      }
      return allocations.map(({ role }) => role);
    };
    expect(owners(0)).toEqual(["a", "b", "a"]);
    bench.allocator.updateWeights([{ role: "b", weight: 10 }]);
    expect(owners(1)).toEqual(["b", "a", "b"]);
  });
});
