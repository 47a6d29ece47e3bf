/** Cycles cut short by any budget come to the same kind of end as whole ones: nothing is left. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type AgentId, brand } from "../../src/base/ids.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

const ROLES = ["a", "a/b", "b", "c"];

const cluster = fc.record({
  agents: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 }),
  frameworks: fc.array(fc.constantFrom(...ROLES), { minLength: 1, maxLength: 5 }),
  quotas: fc.dictionary(
    fc.constantFrom("a", "b", "idle"),
    fc.record({ guarantee: fc.nat(3), extra: fc.nat(3) }),
    { maxKeys: 2 },
  ),
  budget: fc.record({
    offers: fc.integer({ min: 1, max: 3 }),
    looks: fc.integer({ min: 1, max: 8 }),
  }),
  /** What becomes of each offer, in turn: kept, declined for long, or declined for nothing. */
  answers: fc.array(fc.constantFrom("keep", "refuse", "return" as const), {
    minLength: 1,
    maxLength: 20,
  }),
});

test("after all calls nothing can be offered to anybody [CycleBudget]", () => {
  fc.assert(
    fc.property(cluster, ({ agents, frameworks, quotas, budget, answers }) => {
      const bench = new Bench();
      for (const [index, role] of frameworks.entries()) {
        bench.addFramework(`F${index}`, framework([role]));
      }
      for (const [role, { guarantee, extra }] of Object.entries(quotas)) {
        const limits = { cpus: (guarantee + extra) * 1000 };
        bench.allocator.updateQuota(role, { guarantees: { cpus: guarantee * 1000 }, limits });
      }
      const ids: AgentId[] = agents.map((cpus, index) =>
        bench.addAgent(`A${index}`, `cpus:${cpus}`),
      );
      let calls = 0;
      let answered = 0;
      while (bench.allocator.isDirty()) {
        const allocations = bench.allocator.allocate(0, budget);
        bench.allocator.assertInvariants();
        for (const { frameworkId, agentId, resources } of allocations) {
          const answer = answers[answered++];
          if (answer === undefined || answer === "keep") continue;
          const refuseMs = answer === "refuse" ? 60_000 : 0;
          bench.allocator.recover(frameworkId, agentId, resources, refuseMs, 0);
        }
        calls += 1;
        if (calls > 1000) throw new Error("the allocator never comes to an end");
      }
      for (const id of ids) {
        bench.allocator.deactivateAgent(brand(id));
        bench.allocator.activateAgent(brand(id));
      }
      expect(bench.allocate(0)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
