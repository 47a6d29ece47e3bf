/** Whoever is hungry is served within a bound, whatever others do with what they are offered. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { brand } from "../../src/base/ids.ts";
import { Bench, framework } from "./allocator-fixtures.ts";

const ROLES = ["a", "a/b", "a/c", "b", "b/d/e"];
const REFUSALS_MS = [1000, 5000, 60_000];

const clusters = fc.record({
  agents: fc.integer({ min: 1, max: 4 }),
  /** Role of each framework. */
  roles: fc.array(fc.constantFrom(...ROLES), { minLength: 1, maxLength: 8 }),
  weights: fc.dictionary(fc.constantFrom(...ROLES), fc.constantFrom(0.01, 1, 100), { maxKeys: 3 }),
  refuseMs: fc.constantFrom(...REFUSALS_MS),
});

test("with everybody declining, each framework sees each agent once in as many rounds [DESIGN 10]", () => {
  fc.assert(
    fc.property(clusters, ({ agents, roles, weights, refuseMs }) => {
      const bench = benchOf(roles, agents);
      bench.allocator.updateWeights(
        Object.entries(weights).map(([role, weight]) => ({ role, weight })),
      );
      const seen = new Set<string>();
      // All within the life of the first filter.
      for (let round = 0; round < roles.length; round++) {
        for (const { frameworkId, agentId, resources } of bench.allocate(round)) {
          seen.add(`${frameworkId} ${agentId}`);
          bench.allocator.recover(frameworkId, agentId, resources, refuseMs, round);
        }
      }
      expect(seen.size).toBe(roles.length * agents);
    }),
    { numRuns: 200 },
  );
});

test("with everybody giving back at once, nobody waits for longer than all have their turns [DESIGN 10]", () => {
  fc.assert(
    fc.property(clusters, ({ agents, roles }) => {
      const bench = benchOf(roles, agents);
      const hungry = new Set(roles.map((_, index) => `F${index}`));
      // Siblings take turns at each of the levels: the role tree is 4 deep with its leaves.
      const rounds = roles.length ** 4;
      for (let round = 0; round < rounds && hungry.size > 0; round++) {
        for (const { frameworkId, agentId, resources } of bench.allocate(round)) {
          hungry.delete(frameworkId);
          bench.allocator.recover(brand(frameworkId), agentId, resources, 0, round);
        }
      }
      expect([...hungry]).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

/** Frameworks F0, F1, …, one for each of the roles, and agents A0, A1, … */
function benchOf(roles: readonly string[], agents: number): Bench {
  const bench = new Bench();
  for (const [index, role] of roles.entries()) bench.addFramework(`F${index}`, framework([role]));
  for (let index = 0; index < agents; index++) bench.addAgent(`A${index}`, "cpus:4;mem:4096");
  return bench;
}
