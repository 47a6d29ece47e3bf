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
