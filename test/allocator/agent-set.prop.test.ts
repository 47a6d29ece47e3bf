/** Against the engine's own set, over a pool whose agents come and go. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { AgentSet } from "../../src/allocator/agent-set.ts";
import { AgentPool, type AgentRecord } from "../../src/allocator/agents.ts";
import { brand } from "../../src/base/ids.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";

const STEP = fc.record({
  kind: fc.constantFrom("come" as const, "go" as const, "add" as const, "delete" as const),
  index: fc.nat(),
});

test("it does what the engine's own set does", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 300 }), fc.boolean(), (steps, isCleared) => {
      const pool = new AgentPool();
      const total = Bundle.empty(new ResourceKinds());
      const agents: AgentRecord[] = [];
      const set = new AgentSet(pool);
      const model = new Set<AgentRecord>();
      const come = (name: string): void => {
        agents.push(pool.add(brand(name), { hostname: name }, total));
      };
      for (let number = 0; number < 150; number += 1) come(`first-${number}`);
      for (const [step, { kind, index }] of steps.entries()) {
        const agent = agents[index % agents.length];
        if (agent === undefined || kind === "come") come(`agent-${step}`);
        else if (kind === "add") {
          set.add(agent);
          model.add(agent);
        } else {
          set.delete(agent);
          model.delete(agent);
          if (kind === "go") pool.remove(agents.splice(index % agents.length, 1)[0] as AgentRecord);
        }
      }
      if (isCleared) {
        set.clear();
        model.clear();
      }
      const byNumber = (a: AgentRecord, b: AgentRecord): number => a.number - b.number;
      expect(set.size).toBe(model.size);
      expect([...set].map(({ id }) => id)).toEqual([...model].sort(byNumber).map(({ id }) => id));
      for (const agent of agents) expect(set.has(agent)).toBe(model.has(agent));
    }),
  );
});
