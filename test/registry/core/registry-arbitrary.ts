/** Random registry operations over few agents, so that they often meet the same one. */
import fc from "fast-check";
import type { AgentInfo } from "../../../src/protocol/v1/types.ts";
import type { RegistryOperation } from "../../../src/registry/core/registry-state.ts";

const agentId = fc.constantFrom("S0", "S1", "S2", "S3", "S4");
const atMs = fc.integer({ min: 0, max: 2 ** 50 });

const info: fc.Arbitrary<AgentInfo> = fc.record({
  id: fc.record({ value: agentId }),
  hostname: fc.constantFrom("a", "b", "ü\0\ud800'\"\\"),
  port: fc.constantFrom(undefined, 5051),
});

export const registryOperation: fc.Arbitrary<RegistryOperation> = fc.oneof(
  fc.record({ kind: fc.constant("admitAgent" as const), info }),
  fc.record({ kind: fc.constant("updateAgent" as const), info }),
  fc.record({ kind: fc.constant("markAgentUnreachable" as const), agentId, atMs }),
  fc.record({ kind: fc.constant("markAgentReachable" as const), info }),
  fc.record({ kind: fc.constant("removeAgent" as const), agentId }),
  fc.record({ kind: fc.constant("markAgentGone" as const), agentId, atMs }),
  fc.record({
    kind: fc.constant("prune" as const),
    unreachable: fc.array(agentId, { maxLength: 3 }),
    gone: fc.array(agentId, { maxLength: 3 }),
  }),
);

const role = fc.constantFrom("a", "b");
const amounts = fc.dictionary(fc.constantFrom("cpus", "mem"), fc.integer({ min: 1, max: 5000 }), {
  maxKeys: 2,
});
const machine = fc.record({ hostname: fc.constantFrom("h1", "h2"), ip: fc.constant("10.0.0.1") });
const machines = fc.uniqueArray(machine, {
  minLength: 1,
  maxLength: 2,
  selector: (id) => id.hostname,
});

/** What operators decide, and every operation above. */
export const anyOperation: fc.Arbitrary<RegistryOperation> = fc.oneof(
  { weight: 2, arbitrary: registryOperation },
  fc.record({ kind: fc.constant("drainAgent" as const), agentId, config: fc.constant({}) }),
  fc.record({ kind: fc.constant("markAgentDrained" as const), agentId }),
  fc.record({ kind: fc.constant("deactivateAgent" as const), agentId }),
  fc.record({ kind: fc.constant("reactivateAgent" as const), agentId }),
  fc.record({
    kind: fc.constant("updateQuota" as const),
    quotas: fc.array(fc.record({ role, guarantees: amounts, limits: amounts }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("updateWeights" as const),
    weights: fc.array(fc.record({ role, weight: fc.constantFrom(0.5, 1, 2) }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("updateSchedule" as const),
    schedule: machines.map((machine_ids) => ({
      windows: [{ machine_ids, unavailability: { start: { nanoseconds: 1 } } }],
    })),
  }),
  fc.record({ kind: fc.constant("startMaintenance" as const), machines }),
  fc.record({ kind: fc.constant("stopMaintenance" as const), machines }),
);
