/** `allot drain --wait` as a program, against a master whose agent goes away and comes back. */
import { expect, test } from "bun:test";
import { runVerb } from "../harness/played-master.ts";

const ID = { value: "m-S0" };
const INFO = { hostname: "web1", id: ID };

test("an agent that goes away while it drains is waited for", async () => {
  let looks = 0;
  const { code, stderr } = await runVerb(["drain", "m-S0", "--wait"], (one) => {
    const away = { drain_info: { state: "DRAINING" } };
    // As after a failover, and then as an unreachable one.
    if (typeof one === "string") {
      return looks < 4
        ? { slaves: { slaves: [{ info: INFO, ...away }] }, unreachable: { slaves: [] } }
        : { slaves: { slaves: [] }, unreachable: { slaves: [{ id: ID, ...away }] } };
    }
    if (one.type !== "GET_AGENTS") return undefined;
    looks += 1;
    const agent = {
      agent_info: INFO,
      active: true,
      version: "1",
      drain_info: { state: looks < 6 ? "DRAINING" : "DRAINED", config: {} },
    };
    const isThere = looks <= 2 || looks >= 6;
    return { type: one.type, get_agents: { agents: isThere ? [agent] : [] } };
  });
  expect([code, stderr]).toEqual([0, ""]);
  expect(looks).toBe(6);
}, 60_000);

test("one that is gone for good is not", async () => {
  let looks = 0;
  const { code } = await runVerb(["drain", "m-S0", "--mark-gone", "--wait"], (one) => {
    if (typeof one === "string") return { slaves: {}, unreachable: {}, gone: { slaves: [ID] } };
    if (one.type !== "GET_AGENTS") return undefined;
    looks += 1;
    return { type: one.type, get_agents: {} };
  });
  expect([code, looks]).toEqual([0, 2]);
}, 60_000);
