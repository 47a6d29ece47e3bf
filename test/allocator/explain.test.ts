/** Why nothing is offered: each rule is named for the agents it keeps away, and asking changes nothing. */
import { describe, expect, test } from "bun:test";
import type { Reason } from "../../src/allocator/explanation.ts";
import type { AgentId, FrameworkId } from "../../src/base/ids.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

const NOW = 1000;

function reasons(bench: Bench, id: FrameworkId, role = "*", nowMs = NOW): readonly Reason[] {
  const before = bench.allocator.isDirty();
  const { reasons: found, agentCount } = bench.allocator.explain(id, role, nowMs);
  expect(found.reduce((sum, { agents }) => sum + agents, 0)).toBe(agentCount);
  expect(bench.allocator.isDirty()).toBe(before);
  bench.allocator.assertInvariants();
  return found;
}

/** Everything of an agent is declined for `refuseMs`. */
function decline(bench: Bench, id: FrameworkId, refuseMs: number): void {
  for (const { frameworkId, agentId, resources } of bench.allocate(NOW)) {
    expect(frameworkId).toBe(id);
    bench.allocator.recover(frameworkId, agentId, resources, refuseMs, NOW);
  }
}

describe("explain", () => {
  test("what could be offered is possible; what is taken is not free [semantics 4.4]", () => {
    const bench = new Bench();
    const id = bench.addFramework("f");
    bench.addAgent("a", "cpus:1;mem:100");
    expect(reasons(bench, id)).toEqual([{ kind: "possible", agents: 1 }]);
    bench.allocate(NOW);
    expect(reasons(bench, id)).toEqual([{ kind: "nothingFree", agents: 1 }]);
  });

  test("inactive agents and those not on the whitelist are told apart [semantics 4.1]", () => {
    const bench = new Bench();
    const id = bench.addFramework("f");
    bench.allocator.deactivateAgent(bench.addAgent("a", "cpus:1;mem:100"));
    bench.addAgent("b", "cpus:1;mem:100");
    bench.allocator.updateWhitelist(new Set(["c"]));
    expect(reasons(bench, id)).toEqual([
      { kind: "agentInactive", agents: 1 },
      { kind: "notWhitelisted", agents: 1 },
    ]);
  });

  test("GPUs, regions, constraints and capabilities are named [semantics 2.9, 2.10, 3.5, 3.7]", () => {
    const bench = new Bench({ masterRegion: "north" });
    const exists = [{ selector: { attribute_name: "ssd" }, predicate: { exists: {} } }];
    const id = bench.addFramework(
      "f",
      framework(["a/b"], {
        offerConstraints: {
          role_constraints: { "a/b": { groups: [{ attribute_constraints: exists }] } },
        },
      }),
    );
    bench.addAgent("gpu", "cpus:1;gpus:1");
    const domain = { fault_domain: { region: { name: "south" }, zone: { name: "1" } } };
    bench.addAgent("far", "cpus:1", { domain });
    bench.addAgent("plain", "cpus:1");
    bench.allocator.addAgent(
      "old" as AgentId,
      { hostname: "old" },
      bench.bundle("cpus:1"),
      new Map(),
      new Set(["MULTI_ROLE"]),
    );
    expect(reasons(bench, id, "a/b")).toEqual([
      { kind: "agentCapability", agents: 1 },
      { kind: "gpuRule", agents: 1 },
      { kind: "remoteRegion", agents: 1 },
      { kind: "constraint", agents: 1 },
    ]);
  });

  test("reservations of others name their roles; revocable resources their capability [semantics 3.5, 3.6]", () => {
    const bench = new Bench();
    const id = bench.addFramework("f", framework(["web"]));
    bench.addAgent("a", "cpus(db):1;mem(db):64");
    bench.addAgent("b", "cpus(ci):1;mem(ci):64");
    bench.addAgent("c", "cpus{REV}:1");
    expect(reasons(bench, id, "web")).toEqual([
      { kind: "reservedToOthers", agents: 2, roles: ["ci", "db"] },
      { kind: "frameworkCapability", agents: 1 },
    ]);
  });

  test("of agents that are too small the nearest fit is shown [semantics 4.4]", () => {
    const bench = new Bench({ minAllocatable: [{ cpus: 1000, mem: 1_000_000 }] });
    const id = bench.addFramework("f");
    bench.addAgent("small", "cpus:0.1;mem:900");
    bench.addAgent("near", "cpus:0.9;mem:900");
    bench.addAgent("lopsided", "cpus:8;mem:1");
    expect(reasons(bench, id)).toEqual([
      {
        kind: "tooSmall",
        agents: 3,
        nearestAgentId: "near" as AgentId,
        free: { cpus: 900, mem: 900_000 },
        minimum: [{ cpus: 1000, mem: 1_000_000 }],
      },
    ]);
  });

  test("a reached limit and headroom for the guarantees of others are told apart [semantics 4.3]", () => {
    const bench = new Bench({ minAllocatable: [{ cpus: 10 }] });
    const limited = bench.addFramework("limited", framework(["limited"]));
    const other = bench.addFramework("other", framework(["other"]));
    bench.allocator.updateQuota("limited", { guarantees: {}, limits: { cpus: 0 } });
    bench.allocator.updateQuota("kept", { guarantees: { cpus: 8000 }, limits: {} });
    bench.addAgent("a", "cpus:2");
    expect(bench.offers(NOW)).toEqual([]);
    expect(reasons(bench, limited, "limited")).toEqual([
      { kind: "quotaLimit", agents: 1, role: "limited" },
    ]);
    expect(reasons(bench, other, "other")).toEqual([
      { kind: "headroom", agents: 1, roles: ["kept"] },
    ]);
  });

  test("declined agents are filtered until the first filter ends; starving counts from then [semantics 4.5]", () => {
    const bench = new Bench();
    const id = bench.addFramework("f");
    bench.addAgent("a", "cpus:1;mem:100");
    decline(bench, id, 5000);
    bench.addAgent("b", "cpus:1;mem:100");
    decline(bench, id, 9000);
    expect(bench.offers(NOW + 1)).toEqual([]);
    expect(reasons(bench, id, "*", NOW + 1)).toEqual([
      { kind: "filtered", agents: 2, earliestEndMs: NOW + 5000 },
    ]);
    expect(bench.allocator.explain(id, "*", NOW + 1).starvingSinceMs).toBe(NOW);
    bench.allocator.suppress(id, []);
    const suppressed = bench.allocator.explain(id, "*", NOW + 1);
    expect(suppressed).toMatchObject({ isSuppressed: true, starvingSinceMs: undefined });
  });
});
