/** The rules of sorting, offers, filters and suppression, one by one, on small clusters. */
import { expect, describe as group, test } from "bun:test";
import { type AgentId, brand, type FrameworkId } from "../../src/base/ids.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

group("offers", () => {
  test("a framework is offered a whole agent, one offer per agent and role [semantics 10.27]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    bench.addAgent("A", "cpus:4;mem:1024;disk:10");
    expect(bench.offers(0)).toEqual(["F/*@A cpus:4;disk:10;mem:1024"]);
    expect(bench.offers(1)).toEqual([]);
  });

  test("every resource of an offer carries the role [semantics 4.4]", () => {
    const bench = new Bench();
    bench.addFramework("F", framework(["web"]));
    bench.addAgent("A", "cpus:4;mem(web):1024");
    const [allocation] = bench.allocate(0);
    expect(allocation?.resources.allocationRoles()).toEqual(["web"]);
  });

  test("resources below every minimum are not offered [semantics 10.28]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    bench.addAgent("A", "cpus:0.009;mem:31;disk:1000");
    bench.addAgent("B", "cpus:0.01;mem:31");
    bench.addAgent("C", "cpus:0.009;mem:32");
    expect(bench.offers(0)).toEqual(["F/*@B cpus:0.01;mem:31", "F/*@C cpus:0.009;mem:32"]);
  });

  test("a framework's own minimum replaces the global one, an empty one removes it [semantics 4.4]", () => {
    const bench = new Bench();
    const quantities = [{ quantities: { cpus: { value: 8 } } }];
    bench.addFramework(
      "demanding",
      framework(["*"], { offerFilters: { "*": { min_allocatable_resources: { quantities } } } }),
    );
    bench.addAgent("A", "cpus:4;mem:1024");
    expect(bench.offers(0)).toEqual([]);
    const modest = { "*": { min_allocatable_resources: { quantities: [] } } };
    bench.addFramework("modest", framework(["*"], { offerFilters: modest }));
    bench.addAgent("B", "disk:1");
    expect(bench.offers(0).sort()).toEqual(["modest/*@A cpus:4;mem:1024", "modest/*@B disk:1"]);
  });

  test("a minimum of a name that nothing has yet is met once an agent has it [semantics 4.4]", () => {
    const bench = new Bench();
    const quantities = [{ quantities: { tokens: { value: 2 } } }];
    const offerFilters = { "*": { min_allocatable_resources: { quantities } } };
    bench.addFramework("F", framework(["*"], { offerFilters }));
    bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual([]);
    expect(bench.kinds.scalarNames).not.toContain("tokens");
    bench.addAgent("B", "tokens:2");
    expect(bench.offers(1)).toEqual(["F/*@B tokens:2"]);
  });

  test("GPU agents are kept for frameworks that know of GPUs [semantics 10.34]", () => {
    const bench = new Bench();
    bench.addFramework("a-plain");
    bench.addAgent("A", "cpus:4;gpus:1");
    expect(bench.offers(0)).toEqual([]);
    bench.addFramework("b-gpu", framework(["*"], { capabilities: new Set(["GPU_RESOURCES"]) }));
    expect(bench.offers(0)).toEqual(["b-gpu/*@A cpus:4;gpus:1"]);
    const lax = new Bench({ isGpuFiltered: false });
    lax.addFramework("a-plain");
    lax.addAgent("A", "cpus:4;gpus:1");
    expect(lax.offers(0)).toEqual(["a-plain/*@A cpus:4;gpus:1"]);
  });

  test("revocable resources need the capability [semantics 3.5]", () => {
    const bench = new Bench();
    bench.addFramework("a-plain");
    const capabilities = new Set(["REVOCABLE_RESOURCES"] as const);
    bench.addFramework("b-revocable", framework(["*"], { capabilities }));
    bench.addAgent("A", "cpus:4;cpus{REV}:2");
    expect(bench.offers(0)).toEqual(["a-plain/*@A cpus:4", "b-revocable/*@A cpus:2"]);
  });

  test("refined reservations need the capability [semantics 3.5]", () => {
    const bench = new Bench();
    bench.addFramework("F", framework(["a/b"]));
    bench.addAgent("A", "cpus(a,a/b):4");
    expect(bench.offers(0)).toEqual([]);
    const capabilities = new Set(["RESERVATION_REFINEMENT"] as const);
    bench.allocator.updateFramework(brand("F"), framework(["a/b"], { capabilities }));
    expect(bench.offers(0)).toEqual(["F/a/b@A cpus:4"]);
  });

  test("reserved resources go to their role and the roles below it only [semantics 3.6]", () => {
    const bench = new Bench();
    bench.addFramework("1-sibling", framework(["ab"]));
    bench.addFramework("2-parent", framework(["a"]));
    bench.addFramework("3-child", framework(["a/b/c"]));
    bench.addAgent("A", "mem(a/b):64");
    expect(bench.offers(0)).toEqual(["3-child/a/b/c@A mem:64"]);
  });

  test("inactive agents are left out until they are active again [semantics 4.1]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4");
    bench.allocator.deactivateAgent(agent);
    expect(bench.allocator.isDirty()).toBe(false);
    expect(bench.offers(0)).toEqual([]);
    bench.allocator.activateAgent(agent);
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(0)).toEqual(["F/*@A cpus:4"]);
  });
});

group("fairness", () => {
  test("two equal frameworks alternate over equal agents [semantics 10.29]", () => {
    const bench = new Bench();
    bench.addFramework("F1");
    bench.addFramework("F2");
    for (const id of ["A", "B", "C", "D"]) bench.addAgent(id, "cpus:1;mem:100");
    const owners = bench.allocate(0).map(({ frameworkId }) => frameworkId as string);
    expect(owners).toEqual(["F1", "F2", "F1", "F2"]);
  });

  test("equal shares are ordered by allocation count, then by name [semantics 10.30]", () => {
    const bench = new Bench();
    const first = bench.addFramework("F1");
    bench.addFramework("F2");
    const agent = bench.addAgent("A", "cpus:1");
    for (const [run, owner] of ["F1", "F2", "F1"].entries()) {
      const [allocation] = bench.allocate(run);
      expect(allocation?.frameworkId).toBe(brand<FrameworkId>(owner));
      if (allocation === undefined) continue;
      bench.allocator.recover(allocation.frameworkId, agent, allocation.resources, 0, run);
    }
    expect(first).toBe(brand<FrameworkId>("F1"));
  });

  test("the dominant share decides, and excluded names do not count [semantics 4.2]", () => {
    const owners = (excluded: readonly string[]): string[] => {
      const bench = new Bench({ fairSharingExcluded: new Set(excluded) });
      bench.addFramework("F1", framework(["one"]));
      bench.addFramework("F2", framework(["two"]));
      bench.addAgent("A", "cpus:10;mem(one):900");
      bench.addAgent("B", "cpus:20;mem:100");
      bench.addAgent("C", "cpus:1");
      return bench.allocate(0).map(({ frameworkId, agentId }) => `${frameworkId}@${agentId}`);
    };
    // F1 holds 9/10 of the memory after A, F2 two thirds of the processors after B.
    expect(owners([])).toEqual(["F1@A", "F2@B", "F2@C"]);
    expect(owners(["mem"])).toEqual(["F1@A", "F2@B", "F1@C"]);
  });

  test("what sub-roles hold counts for the role above them [semantics 4.2]", () => {
    const bench = new Bench();
    bench.addFramework("F1", framework(["a/x"]));
    bench.addFramework("F2", framework(["a/y"]));
    bench.addFramework("F3", framework(["b"]));
    for (const id of ["A", "B", "C", "D"]) bench.addAgent(id, "cpus:1;mem:100");
    const owners = bench.allocate(0).map(({ frameworkId }) => frameworkId as string);
    expect(owners).toEqual(["F1", "F3", "F2", "F3"]);
  });

  test("a role that has sub-roles competes with them as one of them [semantics 4.2]", () => {
    const bench = new Bench();
    bench.addFramework("F1", framework(["a"]));
    bench.addFramework("F2", framework(["a/b"]));
    for (const id of ["A", "B", "C"]) bench.addAgent(id, "cpus:1;mem:100");
    const owners = bench.allocate(0).map(({ frameworkId }) => frameworkId as string);
    expect(owners).toEqual(["F1", "F2", "F1"]);
  });
});

group("filters", () => {
  test("declined resources are not re-offered before the filter ends [semantics 10.22]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4;mem:64");
    bench.allocate(0);
    bench.allocator.recover(id, agent, bench.bundle("cpus:4;mem:64").withAllocation("*"), 5000, 10);
    expect(bench.offers(11)).toEqual([]);
    expect(bench.allocator.nextWakeMs()).toBe(5010);
    expect(bench.allocator.isDirty()).toBe(false);
    expect(bench.offers(5009)).toEqual([]);
    expect(bench.offers(5010)).toEqual(["F/*@A cpus:4;mem:64"]);
    expect(bench.allocator.nextWakeMs()).toBe(Number.POSITIVE_INFINITY);
  });

  test("other frameworks are offered what one has declined", () => {
    const bench = new Bench();
    const id = bench.addFramework("F1");
    bench.addFramework("F2");
    const agent = bench.addAgent("A", "cpus:4");
    bench.allocate(0);
    bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("*"), 5000, 0);
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(1)).toEqual(["F2/*@A cpus:4"]);
  });

  test("refuse_seconds 0 makes no filter [semantics 10.23]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4");
    bench.allocate(0);
    bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("*"), 0, 0);
    expect(bench.offers(0)).toEqual(["F/*@A cpus:4"]);
  });

  test("a filter lives at least one allocation interval [semantics 4.5]", () => {
    const bench = new Bench({ allocationIntervalMs: 3000 });
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4");
    bench.allocate(0);
    bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("*"), 1, 0);
    expect(bench.offers(2999)).toEqual([]);
    expect(bench.offers(3000)).toEqual(["F/*@A cpus:4"]);
  });

  test("a larger or different set of resources gets through [semantics 10.24]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4");
    bench.allocate(0);
    bench.allocator.recover(id, agent, bench.bundle("cpus:3").withAllocation("*"), 60_000, 0);
    expect(bench.offers(1)).toEqual([]);
    bench.allocator.recover(id, agent, bench.bundle("cpus:1").withAllocation("*"), 0, 2);
    expect(bench.offers(3)).toEqual(["F/*@A cpus:4"]);
  });

  test("filters are per role [semantics 4.5]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F", framework(["a", "b"]));
    const agent = bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual(["F/a@A cpus:4"]);
    bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("a"), 60_000, 0);
    expect(bench.offers(0)).toEqual(["F/b@A cpus:4"]);
  });

  test("revive, deactivation, agent removal and new attributes clear filters [semantics 4.5, 10.25]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:4");
    const refuse = (nowMs: number): void => {
      expect(bench.offers(nowMs)).toEqual(["F/*@A cpus:4"]);
      bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("*"), 60_000, nowMs);
      expect(bench.offers(nowMs)).toEqual([]);
    };
    refuse(0);
    bench.allocator.revive(id, []);
    refuse(1);
    bench.allocator.deactivateFramework(id);
    bench.allocator.activateFramework(id);
    refuse(2);
    bench.allocator.updateAgent(agent, { hostname: "other" }, bench.bundle("cpus:4"));
    expect(bench.offers(3)).toEqual([]);
    const attributes = [{ name: "rack", type: "SCALAR", scalar: { value: 1 } } as const];
    bench.allocator.updateAgent(agent, { hostname: "A", attributes }, bench.bundle("cpus:4"));
    refuse(4);
    bench.allocator.removeAgent(agent);
    bench.addAgent("A", "cpus:4");
    refuse(5);
  });

  test("many refusals of one agent stay bounded", () => {
    const bench = new Bench();
    const id = bench.addFramework("F");
    const agent = bench.addAgent("A", "cpus:100;mem:100");
    bench.allocate(0);
    for (let part = 1; part <= 400; part++) {
      const cpus = part / 10;
      const mem = (401 - part) / 10;
      const refused = bench.bundle(`cpus:${cpus};mem:${mem}`).withAllocation("*");
      bench.allocator.recover(id, agent, refused.clone(), 60_000 + part, part);
      bench.allocator.addUsed(id, agent, refused);
    }
    bench.allocator.assertInvariants();
    expect(bench.allocator.nextWakeMs()).toBeGreaterThan(60_700);
  });
});

group("suppression", () => {
  test("suppressed roles get no offers and make no work; outstanding ones stay [semantics 10.26]", () => {
    const bench = new Bench();
    const id = bench.addFramework("F", framework(["a", "b"]));
    bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual(["F/a@A cpus:4"]);
    bench.allocator.suppress(id, ["b"]);
    bench.addAgent("B", "cpus:1");
    expect(bench.offers(0)).toEqual(["F/a@B cpus:1"]);
    bench.allocator.suppress(id, []);
    bench.addAgent("C", "cpus:4");
    expect(bench.allocator.isDirty()).toBe(false);
    expect(bench.offers(0)).toEqual([]);
    bench.allocator.revive(id, ["b"]);
    expect(bench.offers(0)).toEqual(["F/b@C cpus:4"]);
  });
});

group("failover", () => {
  test("what an agent reports for an unknown framework counts once it is known [semantics 1.6]", () => {
    const bench = new Bench();
    const id = brand<FrameworkId>("F1");
    const used = bench.bundle("cpus:2").withAllocation("*");
    const agent = brand<AgentId>("A");
    bench.allocator.addAgent(
      agent,
      { hostname: "A" },
      bench.bundle("cpus:4"),
      new Map([[id, used]]),
    );
    bench.allocator.addFramework(id, framework(), new Map([[agent, used.clone()]]), true);
    bench.addFramework("F2");
    expect(bench.offers(0)).toEqual(["F2/*@A cpus:2"]);
    bench.allocator.removeFramework(id);
    expect(bench.offers(0)).toEqual(["F2/*@A cpus:2"]);
  });

  test("an update to fewer roles keeps what is held and stops offers for the rest", () => {
    const bench = new Bench();
    const id = bench.addFramework("F", framework(["a", "b"]));
    const agent = bench.addAgent("A", "cpus:4");
    expect(bench.offers(0)).toEqual(["F/a@A cpus:4"]);
    bench.allocator.updateFramework(id, framework(["b"]));
    bench.allocator.assertInvariants();
    bench.allocator.recover(id, agent, bench.bundle("cpus:4").withAllocation("a"), 0, 0);
    expect(bench.offers(0)).toEqual(["F/b@A cpus:4"]);
  });
});
