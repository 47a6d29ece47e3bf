/** Cycles that stop before their end: nothing is lost, and guarantees still come first. */
import { expect, test } from "bun:test";
import { brand } from "../../src/base/ids.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

function benchWithAgents(count: number): Bench {
  const bench = new Bench();
  for (let index = 0; index < count; index++) bench.addAgent(`A${index}`, "cpus:1");
  return bench;
}

/** Offers of one call after the other, until there is no more to do. */
function offersUnder(bench: Bench, offers: number, looks: number): string[][] {
  const calls: string[][] = [];
  while (bench.allocator.isDirty()) {
    const allocations = bench.allocator.allocate(calls.length, { offers, looks });
    bench.allocator.assertInvariants();
    calls.push(allocations.map(({ frameworkId, agentId }) => `${frameworkId}@${agentId}`));
    if (calls.length > 100) throw new Error("the allocator never comes to an end");
  }
  return calls;
}

test("agents whose turn did not come are those of the next call [CycleBudget]", () => {
  const bench = benchWithAgents(5);
  bench.addFramework("F");
  const calls = offersUnder(bench, 2, 1000);
  expect(calls.map((offers) => offers.length)).toEqual([2, 2, 1]);
  expect(calls.flat().sort()).toEqual(["F@A0", "F@A1", "F@A2", "F@A3", "F@A4"]);
});

test("looking without offering is bounded too, and comes to an end [CycleBudget]", () => {
  const bench = benchWithAgents(5);
  for (const id of ["F", "G", "H"]) {
    bench.addFramework(id);
    for (const { frameworkId, agentId, resources } of bench.allocate(0)) {
      bench.allocator.recover(frameworkId, agentId, resources, 60_000, 0);
    }
  }
  expect(bench.allocate(1)).toEqual([]);
  for (let index = 0; index < 5; index++) {
    bench.allocator.deactivateAgent(brand(`A${index}`));
    bench.allocator.activateAgent(brand(`A${index}`));
  }
  expect(offersUnder(bench, 1000, 6).map((offers) => offers.length)).toEqual([0, 0, 0]);
});

test("guarantees are served before anybody else also over several calls [semantics 4.4]", () => {
  const bench = benchWithAgents(4);
  bench.addFramework("F", framework(["a"]));
  bench.addFramework("G", framework(["b"]));
  bench.allocator.updateQuota("b", { guarantees: { cpus: 3000 }, limits: { cpus: 3000 } });
  const owners = offersUnder(bench, 1, 1).map((offers) => offers.map((offer) => offer[0]).join());
  expect(owners.filter((owner) => owner !== "")).toEqual(["G", "G", "G", "F"]);
});

test("a first stage that offers nothing does not keep the second from coming [CycleBudget]", () => {
  const bench = benchWithAgents(3);
  bench.addFramework("F", framework(["a"]));
  const id = bench.addFramework("G", framework(["b"]));
  bench.allocator.updateQuota("b", { guarantees: { cpus: 1000 }, limits: { cpus: 3000 } });
  for (let nowMs = 0; nowMs < 3; nowMs++) {
    for (const { frameworkId, agentId, resources } of bench.allocate(nowMs)) {
      const refuseMs = frameworkId === id ? 60_000 : 0;
      bench.allocator.recover(frameworkId, agentId, resources, refuseMs, nowMs);
    }
  }
  const calls = offersUnder(bench, 10, 4);
  expect(calls.flat().filter((owner) => owner.startsWith("F"))).toHaveLength(2);
  // What the first stage looks at does not count, or each call would come one agent further.
  expect(calls).toHaveLength(2);
});
