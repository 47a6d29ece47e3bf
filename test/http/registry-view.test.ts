/** `/registrar(1)/registry` shows nobody what the ACLs hide from them. */
import { expect, test } from "bun:test";
import { must } from "../../src/base/assert.ts";
import { createEndpointsApp } from "../../src/http/endpoints.ts";
import { readEndpoints } from "../../src/http/master/read-endpoints.ts";
import { PacedReads } from "../../src/http/paced-reads.ts";
import type { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { parseAcls } from "../../src/security/acls.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";
import { resourcesOf, SUCCESS, World } from "../master/core/harness.ts";

/** A role with quota, weight and a static reservation, and a planned machine. */
function world(): World {
  const made = new World();
  const reservations = [{ type: "STATIC", role: "shy" }] as const;
  const [disk] = resourcesOf("disk:100");
  const resources = [...resourcesOf("cpus:4;mem:1024"), { ...must(disk, "disk"), reservations }];
  made.addAgent("cpus:4", { agentInfo: { hostname: "a", resources } });
  const quota_configs = [{ role: "shy", limits: { cpus: { value: 1 } } }];
  const windows = [
    { machine_ids: [{ hostname: "planned" }], unavailability: { start: { nanoseconds: 1 } } },
  ];
  for (const call of [
    { type: "UPDATE_QUOTA", update_quota: { quota_configs } },
    { type: "UPDATE_WEIGHTS", update_weights: { weight_infos: [{ role: "shy", weight: 2 }] } },
    {
      type: "UPDATE_MAINTENANCE_SCHEDULE",
      update_maintenance_schedule: { schedule: { windows } },
    },
  ] as const) {
    expect(made.operatorCall(call)).toEqual(SUCCESS);
  }
  return made;
}

async function registrySeen(acls: object): Promise<string> {
  const parsed = parseAcls(acls);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const runtime = { state: world().state } as unknown as MasterRuntime;
  const reads = new PacedReads({
    clock: new FakeClock(),
    defer: (next) => void setImmediate(next),
  });
  const facts = { version: { version: "1" }, cluster: undefined, flags: undefined };
  const app = createEndpointsApp({
    actor: "master",
    endpoints: readEndpoints(runtime, facts, { reads, acls: parsed.value }),
    authentication: HEARS_EVERYBODY,
    disabledPaths: [],
  });
  return await (await app(new Request("http://master/registrar(1)/registry"))).text();
}

test("all of it to whom nothing is hidden", async () => {
  const text = await registrySeen({});
  for (const part of ['"role":"shy"', '"STATIC"', '"quota_configs"', '"weights"', "planned"]) {
    expect(text).toContain(part);
  }
});

test("neither roles nor quotas nor maintenance to whom they are hidden [semantics 9.3]", async () => {
  const ANY = { type: "ANY" };
  const NONE = { type: "NONE" };
  const text = await registrySeen({
    view_roles: [{ principals: NONE, roles: { values: ["shy"] } }],
    get_quotas: [{ principals: ANY, roles: NONE }],
    get_maintenance_schedules: [{ principals: ANY, machines: NONE }],
    get_maintenance_statuses: [{ principals: ANY, machines: NONE }],
  });
  expect(text).toContain('"slaves"');
  for (const part of ["shy", "quota_configs", "planned"]) expect(text).not.toContain(part);
});
