/** `allot maintenance` as a program, against a master with a schedule. */
import { expect, test } from "bun:test";
import { runVerb, type Sent } from "../harness/played-master.ts";

const unavailability = { start: { nanoseconds: 1_800_000_000_000_000_000 } };
const BOTH = { hostname: "Web1", ip: "10.0.0.1" };
const HOST = { hostname: "web2" };
const ADDRESS = { ip: "10.0.0.3" };
const schedule = { windows: [{ machine_ids: [BOTH, HOST, ADDRESS], unavailability }] };

/** The machines that are left; undefined where nothing was changed. */
function leftOf(sent: readonly Sent[]): unknown {
  const update = sent.find((one) => typeof one === "object" && one.type?.startsWith("UPDATE"));
  const field = "update_maintenance_schedule";
  if (typeof update !== "object") return undefined;
  const { schedule: told } = update[field] as { schedule: typeof schedule };
  return told.windows.flatMap((window) => window.machine_ids);
}

function cancel(...names: readonly string[]): ReturnType<typeof runVerb> {
  return runVerb(["maintenance", "cancel", ...names], (one) =>
    typeof one === "object" && one.type === "GET_MAINTENANCE_SCHEDULE"
      ? { type: one.type, get_maintenance_schedule: { schedule } }
      : undefined,
  );
}

test("a machine is taken out by its host name or address alone", async () => {
  const byHost = await cancel("web1", "10.0.0.3");
  expect([byHost.code, byHost.stderr]).toEqual([0, ""]);
  expect(leftOf(byHost.sent)).toEqual([HOST]);
  const byAddress = await cancel("10.0.0.1");
  expect(leftOf(byAddress.sent)).toEqual([HOST, ADDRESS]);
}, 60_000);

test("one that is not in the schedule is told, and nothing is changed", async () => {
  const { code, stderr, sent } = await cancel("web2", "wbe1");
  expect(stderr).toContain("wbe1 is not in the schedule");
  expect(code).toBe(1);
  expect(leftOf(sent)).toBeUndefined();
}, 60_000);
