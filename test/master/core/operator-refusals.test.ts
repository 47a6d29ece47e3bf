/** What an operator is refused changes nothing. Found by fuzzing. */
import { describe, expect, test } from "bun:test";
import { offersOf, World } from "./harness.ts";

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
