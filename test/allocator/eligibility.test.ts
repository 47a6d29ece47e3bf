/** Which agents may be offered at all: whitelist, regions, capabilities, constraints, and the pause. */
import { expect, describe as group, test } from "bun:test";
import { type AgentId, brand } from "../../src/base/ids.ts";
import type {
  AgentInfo,
  SchedulerAttributeConstraint,
  SchedulerOfferConstraints,
} from "../../src/protocol/v1/types.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

function inRegion(name: string): Partial<AgentInfo> {
  return { domain: { fault_domain: { region: { name }, zone: { name: `${name}-1` } } } };
}

function constraintsOf(
  ...groups: readonly (readonly SchedulerAttributeConstraint[])[]
): SchedulerOfferConstraints {
  const list = groups.map((attribute_constraints) => ({ attribute_constraints }));
  return { role_constraints: { "*": { groups: list } } };
}

/** Host names of the agents that are offered under these constraints. */
function offeredUnder(
  constraints: SchedulerOfferConstraints,
  agents: Readonly<Record<string, Partial<AgentInfo>>>,
): string[] {
  const bench = new Bench();
  bench.addFramework("F", framework(["*"], { offerConstraints: constraints }));
  for (const [id, info] of Object.entries(agents)) bench.addAgent(id, "cpus:1", info);
  return bench.allocate(0).map(({ agentId }) => agentId as string);
}

group("agents", () => {
  test("only those on the whitelist are offered, and it may change [semantics 4.1]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    bench.allocator.updateWhitelist(new Set(["B"]));
    bench.addAgent("A", "cpus:1");
    bench.addAgent("B", "cpus:2");
    expect(bench.offers(0)).toEqual(["F/*@B cpus:2"]);
    expect(bench.allocator.isDirty()).toBe(false);
    bench.allocator.updateWhitelist(undefined);
    expect(bench.offers(1)).toEqual(["F/*@A cpus:1"]);
  });

  test("of another region need REGION_AWARE [semantics 2.10]", () => {
    const bench = new Bench({ masterRegion: "here" });
    bench.addFramework("1-plain");
    bench.addAgent("far", "cpus:1", inRegion("there"));
    bench.addAgent("near", "cpus:2", inRegion("here"));
    bench.addAgent("nowhere", "cpus:3");
    const plain = ["1-plain/*@near cpus:2", "1-plain/*@nowhere cpus:3"];
    expect(bench.offers(0).sort()).toEqual(plain);
    const capabilities = new Set(["REGION_AWARE"] as const);
    bench.addFramework("2-aware", framework(["*"], { capabilities }));
    expect(bench.offers(1)).toEqual(["2-aware/*@far cpus:1"]);
  });

  test("without MULTI_ROLE or HIERARCHICAL_ROLE are kept from those who use them [semantics 2.9]", () => {
    const bench = new Bench();
    const capabilities = new Set(["MULTI_ROLE"] as const);
    bench.addFramework("1-multi", framework(["a"], { capabilities }));
    bench.addFramework("2-nested", framework(["a/b"]));
    const total = bench.bundle("cpus:1");
    const id = brand<AgentId>("A");
    bench.allocator.addAgent(id, { hostname: "A" }, total, new Map(), new Set());
    expect(bench.offers(0)).toEqual([]);
    bench.addFramework("3-plain", framework(["a"]));
    expect(bench.offers(1)).toEqual(["3-plain/a@A cpus:1"]);
    // An update that does not speak of capabilities leaves them as they are.
    bench.allocator.updateAgent(id, { hostname: "A" }, bench.bundle("cpus:2"));
    expect(bench.offers(2)).toEqual(["3-plain/a@A cpus:1"]);
  });
});

group("offer constraints", () => {
  const text = (name: string, value: string): Partial<AgentInfo> => ({
    attributes: [{ name, type: "TEXT", text: { value } }],
  });
  const selector = { attribute_name: "rack" };

  test("any group is enough, and in it all predicates have to hold [semantics 3.7]", () => {
    const constraints = constraintsOf(
      [
        { selector, predicate: { text_equals: { value: "r1" } } },
        {
          selector: { pseudoattribute_type: "HOSTNAME" },
          predicate: { text_not_equals: { value: "B" } },
        },
      ],
      [{ selector, predicate: { text_matches: { regex: "x[0-9]+" } } }],
    );
    const agents = {
      A: text("rack", "r1"),
      B: { ...text("rack", "r1"), hostname: "B" },
      C: text("rack", "x12"),
      D: text("rack", "x12y"),
      E: {},
    };
    expect(offeredUnder(constraints, agents)).toEqual(["A", "C"]);
  });

  test("a missing attribute fails what is asked and passes what is denied [semantics 3.7]", () => {
    const under = (predicate: SchedulerAttributeConstraint["predicate"]): string[] =>
      offeredUnder(constraintsOf([{ selector, predicate }]), { A: {}, B: text("rack", "r1") });
    expect(under({ exists: {} })).toEqual(["B"]);
    expect(under({ not_exists: {} })).toEqual(["A"]);
    expect(under({ text_not_equals: { value: "r1" } })).toEqual(["A"]);
    expect(under({ text_not_matches: { regex: "r." } })).toEqual(["A"]);
    expect(under({ text_matches: { regex: ".*" } })).toEqual(["B"]);
  });

  test("of an attribute that is no text everything asked of text is true [semantics 3.7]", () => {
    const rack = { name: "rack", type: "SCALAR", scalar: { value: 1 } } as const;
    const under = (predicate: SchedulerAttributeConstraint["predicate"]): string[] =>
      offeredUnder(constraintsOf([{ selector, predicate }]), { A: { attributes: [rack] } });
    expect(under({ text_equals: { value: "anything" } })).toEqual(["A"]);
    expect(under({ text_not_equals: { value: "anything" } })).toEqual(["A"]);
    expect(under({ text_not_matches: { regex: ".*" } })).toEqual(["A"]);
  });

  test("region and zone are asked of the fault domain, and missing without one [semantics 3.7]", () => {
    const equals = (type: "REGION" | "ZONE", value: string): string[] =>
      offeredUnder(
        constraintsOf([
          { selector: { pseudoattribute_type: type }, predicate: { text_equals: { value } } },
        ]),
        { A: inRegion("here"), B: {} },
      );
    expect(equals("REGION", "here")).toEqual(["A"]);
    expect(equals("ZONE", "here-1")).toEqual(["A"]);
    expect(equals("ZONE", "here")).toEqual([]);
  });

  test("answers are found anew when the agent or the framework says something else", () => {
    const bench = new Bench();
    const wanted = (value: string): SchedulerOfferConstraints =>
      constraintsOf([{ selector, predicate: { text_equals: { value } } }]);
    bench.addFramework("F", framework(["*"], { offerConstraints: wanted("r1") }));
    const agent = bench.addAgent("A", "cpus:1", text("rack", "r2"));
    expect(bench.offers(0)).toEqual([]);
    const info = { hostname: "A", ...text("rack", "r1") };
    bench.allocator.updateAgent(agent, info, bench.bundle("cpus:1"));
    expect(bench.offers(1)).toEqual(["F/*@A cpus:1"]);
    bench.addAgent("B", "cpus:2", text("rack", "r3"));
    expect(bench.offers(2)).toEqual([]);
    bench.allocator.updateFramework(
      brand("F"),
      framework(["*"], { offerConstraints: wanted("r3") }),
    );
    expect(bench.offers(3)).toEqual(["F/*@B cpus:2"]);
  });
});

group("the pause after a failover", () => {
  test("lasts until enough agents are back [semantics 1.6.2]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    bench.allocator.updateQuota("web", { guarantees: { cpus: 0 }, limits: {} });
    bench.allocator.pauseForRecovery(2, 600_000);
    bench.addAgent("A", "cpus:1");
    expect(bench.allocator.isDirty()).toBe(false);
    expect(bench.allocator.nextWakeMs()).toBe(600_000);
    expect(bench.offers(0)).toEqual([]);
    bench.addAgent("B", "cpus:2");
    expect(bench.allocator.isDirty()).toBe(true);
    expect(bench.offers(1).sort()).toEqual(["F/*@A cpus:1", "F/*@B cpus:2"]);
  });

  test("ends by time, and does not begin without quota [semantics 1.6.2]", () => {
    const bench = new Bench();
    bench.addFramework("F");
    bench.allocator.pauseForRecovery(2, 600_000);
    bench.addAgent("A", "cpus:1");
    expect(bench.offers(0)).toEqual(["F/*@A cpus:1"]);
    bench.allocator.updateQuota("web", { guarantees: {}, limits: { cpus: 1000 } });
    bench.allocator.pauseForRecovery(3, 600_000);
    bench.addAgent("B", "cpus:2");
    expect(bench.offers(599_999)).toEqual([]);
    expect(bench.offers(600_000)).toEqual(["F/*@B cpus:2"]);
  });
});
