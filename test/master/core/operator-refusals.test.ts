/** What an operator is refused changes nothing. Found by fuzzing. */
import { describe, expect, test } from "bun:test";
import type { MasterCall, QuotaQuotaConfig, WeightInfo } from "../../../src/protocol/v1/types.ts";
import { offersOf, World } from "./harness.ts";

const quotaCall = (quota_configs: readonly QuotaQuotaConfig[]): MasterCall => ({
  type: "UPDATE_QUOTA",
  update_quota: { quota_configs },
});

const weightCall = (weight_infos: readonly WeightInfo[]): MasterCall => ({
  type: "UPDATE_WEIGHTS",
  update_weights: { weight_infos },
});

describe("refused operator calls", () => {
  test("a reservation that cannot fit withdraws no offer [issue 3, fuzzing]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:1024");
    const stream = world.subscribe({ roles: ["a"], capabilities: [{ type: "MULTI_ROLE" }] });
    expect(offersOf(stream)).toHaveLength(1);
    const outcome = world.operatorCall({
      type: "RESERVE_RESOURCES",
      reserve_resources: {
        agent_id: { value: agent.id ?? "" },
        resources: [
          {
            name: "cpus",
            type: "SCALAR",
            scalar: { value: 5 },
            reservations: [{ type: "DYNAMIC", role: "a" }],
          },
        ],
      },
    });
    expect(outcome).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(world.state.offers.size).toBe(1);
    expect(stream.events.some(({ type }) => type === "RESCIND")).toBe(false);
  });

  test("roles with quota or weight, and names in a quota, are bounded [issue 3, fuzzing]", () => {
    const world = new World();
    const limits = { cpus: { value: 1 } };
    const quotas = (count: number) =>
      Array.from({ length: count }, (_, number) => ({ role: `r${number}`, limits }));
    const names = Object.fromEntries(
      Array.from({ length: 51 }, (_, number) => [`n${number}`, { value: 1 }]),
    );
    const weights = (count: number) =>
      Array.from({ length: count }, (_, number) => ({ role: `r${number}`, weight: 2 }));
    const setQuota = (quota_configs: Parameters<typeof quotaCall>[0]) =>
      world.operatorCall(quotaCall(quota_configs)).ok;
    expect(setQuota(quotas(5001))).toBe(false);
    expect(setQuota([{ role: "r", limits: names }])).toBe(false);
    expect(setQuota(quotas(5000))).toBe(true);
    expect(setQuota([{ role: "one-more", limits }])).toBe(false);
    expect(setQuota([{ role: "r1", limits: {} }])).toBe(true);
    expect(setQuota([{ role: "one-more", limits }])).toBe(true);
    expect(world.operatorCall(weightCall(weights(10_001))).ok).toBe(false);
    expect(world.operatorCall(weightCall(weights(10_000))).ok).toBe(true);
  });

  test("a grace period that no message can tell is refused [issue 3, fuzzing]", () => {
    const world = new World();
    const agent_id = { value: world.addAgent().id ?? "" };
    for (const max_grace_period of [
      { seconds: -1, nanos: 0 },
      { seconds: 1e18, nanos: 0 },
      { seconds: 0, nanos: 1e9 },
    ]) {
      const outcome = world.operatorCall({
        type: "DRAIN_AGENT",
        drain_agent: { agent_id, max_grace_period },
      });
      expect(outcome).toMatchObject({
        ok: false,
        error: { code: "invalid", field: "drain_agent.max_grace_period" },
      });
    }
    expect([...world.state.agents.values()].every(({ drain }) => drain === undefined)).toBe(true);
  });
});
