/** Quota, weights, maintenance and draining in the registry. */
import { describe, expect, test } from "bun:test";
import { SCHEDULE_MACHINES_MAX } from "../../../src/registry/core/limits.ts";
import { applyOperation } from "../../../src/registry/core/registry-operations.ts";
import {
  emptyRegistry,
  machineKey,
  type RegistryOperation,
} from "../../../src/registry/core/registry-state.ts";

const info = { hostname: "h1", id: { value: "S1" } };
const machine = { hostname: "H1", ip: "10.0.0.1" };
const schedule = {
  windows: [{ machine_ids: [machine], unavailability: { start: { nanoseconds: 5 } } }],
};

function apply(state: ReturnType<typeof emptyRegistry>, ...operations: RegistryOperation[]) {
  return operations.map((operation) => {
    const result = applyOperation(state, operation);
    return result.ok ? result.value : result.error.message;
  });
}

describe("draining", () => {
  test("goes with the agent through unreachable and back, and ends with reactivation", () => {
    const state = emptyRegistry();
    const config = { mark_gone: true };
    const outcome = apply(
      state,
      { kind: "admitAgent", info },
      { kind: "drainAgent", agentId: "S1", config },
      { kind: "markAgentUnreachable", agentId: "S1", atMs: 1 },
      { kind: "markAgentDrained", agentId: "S1" },
      { kind: "markAgentReachable", info },
    );
    expect(outcome).toEqual([true, true, true, true, true]);
    const drained = { info, isDeactivated: true, drain: { state: "DRAINED" as const, config } };
    expect(state.admitted.get("S1")).toEqual(drained);
    expect(apply(state, { kind: "reactivateAgent", agentId: "S1" })).toEqual([true]);
    expect(state.admitted.get("S1")).toEqual({ info, isDeactivated: false, drain: undefined });
  });

  test("is refused for an unknown agent, and twice is no change", () => {
    const state = emptyRegistry();
    expect(apply(state, { kind: "deactivateAgent", agentId: "S1" })).toEqual([
      "agent S1 is not admitted or unreachable",
    ]);
    const twice = apply(
      state,
      { kind: "admitAgent", info },
      { kind: "deactivateAgent", agentId: "S1" },
      { kind: "deactivateAgent", agentId: "S1" },
    );
    expect(twice).toEqual([true, true, false]);
  });
});

test("a quota without guarantees and limits is none [semantics 1.5]", () => {
  const state = emptyRegistry();
  const quota = { role: "a", guarantees: { cpus: 1000 }, limits: {} };
  const none = { role: "a", guarantees: {}, limits: {} };
  const outcome = apply(
    state,
    { kind: "updateQuota", quotas: [quota] },
    { kind: "updateQuota", quotas: [quota] },
    { kind: "updateQuota", quotas: [none] },
    { kind: "updateQuota", quotas: [none] },
  );
  expect(outcome).toEqual([true, false, true, false]);
});

test("weights change only when they are others", () => {
  const state = emptyRegistry();
  const weights = [{ role: "a", weight: 2 }];
  const operation = { kind: "updateWeights", weights } as const;
  expect(apply(state, operation, operation)).toEqual([true, false]);
  expect([...state.weights]).toEqual([["a", 2]]);
});

describe("maintenance [semantics 4.9]", () => {
  test("a machine is planned, taken down and taken up again", () => {
    const state = emptyRegistry();
    const key = machineKey({ hostname: "h1", ip: "10.0.0.1" });
    apply(state, { kind: "updateSchedule", schedule });
    expect(state.machines.get(key)?.mode).toBe("DRAINING");
    apply(state, { kind: "startMaintenance", machines: [machine] });
    expect(state.machines.get(key)?.mode).toBe("DOWN");
    apply(state, { kind: "stopMaintenance", machines: [machine] });
    expect([state.machines.size, state.schedule]).toEqual([0, undefined]);
  });

  const [window] = schedule.windows;
  test.each([
    [
      "an empty window",
      { kind: "updateSchedule", schedule: { windows: [{ ...window, machine_ids: [] }] } },
    ],
    ["a machine twice", { kind: "updateSchedule", schedule: { windows: [window, window] } }],
    [
      "a machine without a name",
      { kind: "updateSchedule", schedule: { windows: [{ ...window, machine_ids: [{}] }] } },
    ],
    ["to start what is not scheduled", { kind: "startMaintenance", machines: [machine] }],
    ["to stop what is not down", { kind: "stopMaintenance", machines: [machine] }],
    ["to start nothing", { kind: "startMaintenance", machines: [] }],
  ] as [string, RegistryOperation][])("refuses %s and changes nothing", (_, operation) => {
    const state = emptyRegistry();
    expect(applyOperation(state, operation).ok).toBe(false);
    expect(state).toEqual(emptyRegistry());
  });

  test("a schedule has a bound, and the refusal says what to do", () => {
    const state = emptyRegistry();
    const scheduleOf = (count: number): RegistryOperation => {
      const machine_ids = Array.from({ length: count }, (_, n) => ({ hostname: `h${n}` }));
      const unavailability = { start: { nanoseconds: 1 } };
      return { kind: "updateSchedule", schedule: { windows: [{ machine_ids, unavailability }] } };
    };
    const [refusal] = apply(state, scheduleOf(SCHEDULE_MACHINES_MAX + 1));
    expect(refusal).toContain("leave out those whose maintenance comes later");
    expect(state).toEqual(emptyRegistry());
    expect(apply(state, scheduleOf(SCHEDULE_MACHINES_MAX))).toEqual([true]);
  });

  test("a machine that is down stays in the schedule", () => {
    const state = emptyRegistry();
    apply(
      state,
      { kind: "updateSchedule", schedule },
      { kind: "startMaintenance", machines: [machine] },
    );
    expect(apply(state, { kind: "updateSchedule", schedule: {} })).toEqual([
      "Machine 'H1 10.0.0.1' is deactivated; stop its maintenance before it leaves the schedule",
    ]);
    apply(state, { kind: "updateSchedule", schedule });
    expect(state.machines.get(machineKey(machine))?.mode).toBe("DOWN");
  });
});
