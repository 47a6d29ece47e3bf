/**
 * What is hidden from a caller is in no view and no event. Method: two users with frameworks, tasks,
 * executors and roles; everything a caller can read is searched for what is not theirs.
 */
import { describe, expect, test } from "bun:test";
import { must } from "../../../../src/base/assert.ts";
import { tasksDocument } from "../../../../src/master/core/views/endpoint-tasks.ts";
import {
  frameworksDocument,
  rolesDocument,
  slavesDocument,
  stateDocument,
  stateSummaryDocument,
} from "../../../../src/master/core/views/endpoints.ts";
import { agentListing } from "../../../../src/master/core/views/listing-kinds.ts";
import { listDocument } from "../../../../src/master/core/views/listings.ts";
import {
  getMaintenanceSchedule,
  getMaintenanceStatus,
  getOperations,
  getQuota,
  getWeights,
} from "../../../../src/master/core/views/policy.ts";
import { sandboxUser } from "../../../../src/master/core/views/users.ts";
import { describeRoles, describeState } from "../../../../src/master/core/views/v1.ts";
import { visibleEvent } from "../../../../src/master/core/views/visible-event.ts";
import { visibleState } from "../../../../src/master/core/views/visible-state.ts";
import type { MasterEvent } from "../../../../src/protocol/v1/types.ts";
import { parseAcls } from "../../../../src/security/acls.ts";
import { Viewer } from "../../../../src/security/viewer.ts";
import {
  lastOffer,
  lastStatus,
  SUCCESS,
  type TestAgent,
  type TestOperator,
  type TestStream,
  taskFor,
  World,
} from "../harness.ts";
import { EVERYTHING, jsonOf, messageOf, textOf } from "./documents.ts";

const ANY = { type: "ANY" };
const NONE = { type: "NONE" };

/** Sees nothing of the named objects. */
const hides = (key: string, ...values: string[]): object[] => [
  { principals: ANY, [key]: { values } },
];

function viewerOf(acls: object): Viewer {
  const parsed = parseAcls(acls);
  return new Viewer(must(parsed.ok ? parsed.value : undefined, JSON.stringify(parsed)), "dev");
}

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly operator: TestOperator;
  readonly alice: TestStream;
  readonly bob: TestStream;
}

const CAPABILITIES = [
  "MULTI_ROLE",
  "HIERARCHICAL_ROLE",
  "RESERVATION_REFINEMENT",
  "RESOURCE_PROVIDER",
  "AGENT_OPERATION_FEEDBACK",
] as const;

/** Each user runs a task, has one that is over, and a custom executor; alice runs one as `www`. */
function scene(): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:64;mem:65536;alices-thing:1;bobs-thing:1", {
    capabilities: CAPABILITIES.map((type) => ({ type })),
  });
  const operator = world.operatorSubscribe();
  const reservation = (role: string, name: string) => ({
    type: "RESERVE_RESOURCES" as const,
    reserve_resources: {
      agent_id: { value: agent.id ?? "" },
      resources: [
        {
          name,
          type: "SCALAR" as const,
          scalar: { value: 1 },
          reservations: [{ type: "DYNAMIC" as const, role }],
        },
      ],
    },
  });
  for (const role of ["alices", "bobs"]) {
    expect(world.operatorCall(reservation(role, `${role}-thing`))).toEqual(SUCCESS);
    expect(
      world.operatorCall({
        type: "UPDATE_QUOTA",
        update_quota: { quota_configs: [{ role, limits: { cpus: { value: 1000 } } }] },
      }),
    ).toEqual(SUCCESS);
    const weight_infos = [{ role, weight: 2 }];
    expect(
      world.operatorCall({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } }),
    ).toEqual(SUCCESS);
  }
  const windows = [
    {
      machine_ids: [{ hostname: "planned-host" }],
      unavailability: { start: { nanoseconds: 1 } },
    },
  ];
  const update_maintenance_schedule = { schedule: { windows } };
  world.operatorCall({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
  const [alice, bob] = ["alice", "bob"].map((user) => {
    const stream = world.subscribe({ user, name: `${user}-framework`, role: `${user}s` });
    const offer = lastOffer(stream);
    // What is left is for the other one.
    world.call(stream, { type: "SUPPRESS" });
    const executor = {
      executor_id: { value: `${user}-executor` },
      command: { value: "run", user },
    };
    const { command: _, ...rest } = taskFor(offer, `${user}-custom`);
    world.launch(
      stream,
      offer,
      taskFor(offer, `${user}-live`),
      taskFor(offer, `${user}-done`),
      ...(user === "alice"
        ? [taskFor(offer, "www-live", "cpus:1;mem:128", { command: { value: "a", user: "www" } })]
        : []),
      { ...rest, executor },
    );
    agent.work();
    agent.update(stream, `${user}-done`, "TASK_FINISHED");
    const { task_id, uuid = "" } = lastStatus(stream);
    const agent_id = { value: agent.id ?? "" };
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    return stream;
  });
  return { world, agent, operator, alice: must(alice, "alice"), bob: must(bob, "bob") };
}

const FACTS = { version: { version: "1.12.0" }, cluster: undefined, flags: { port: "5050" } };
const ALL_TASKS = { frameworkId: undefined, taskId: undefined, limit: 1000, offset: 0 } as const;

/** Everything there is to read, as text. */
function readAll({ world }: Scene, viewer: Viewer): string {
  const state = visibleState(world.state, viewer);
  const documents = [
    stateDocument(state, FACTS),
    stateSummaryDocument(state, FACTS),
    slavesDocument(state, undefined),
    frameworksDocument(state, undefined),
    tasksDocument(state, { ...ALL_TASKS, order: "asc" }),
    rolesDocument(state, viewer),
  ];
  const messages = [
    messageOf(describeState, state),
    messageOf<object>((builder) => describeRoles(builder, state, viewer), state),
    getWeights(state),
    getQuota(state),
    getOperations(state),
    getMaintenanceSchedule(state),
    getMaintenanceStatus(state),
  ];
  return [...documents.map(textOf), ...messages.map((one) => JSON.stringify(one))].join("\n");
}

/** What of the events of the whole scene reaches the viewer, as text. */
function hearAll({ world, operator }: Scene, viewer: Viewer): string {
  const seen = operator.events.map((event) => visibleEvent(world.state, viewer, event));
  // The snapshot is `readAll`'s matter.
  return JSON.stringify(seen.filter((event) => event?.type !== "SUBSCRIBED"));
}

describe("a viewer", () => {
  test("who may see everything reads the state itself [semantics 9.3]", () => {
    const { world, operator } = scene();
    expect(visibleState(world.state, EVERYTHING)).toBe(world.state);
    const [, event] = operator.events;
    expect(visibleEvent(world.state, EVERYTHING, must(event, "an event"))).toBe(must(event, ""));
    const granted = viewerOf({ view_tasks: [{ principals: ANY, users: ANY }], permissive: true });
    expect(visibleState(world.state, granted)).toBe(world.state);
    expect(granted.key).toBe(EVERYTHING.key);
  });

  test("of some users does not learn on which agents others' frameworks are", () => {
    const { world, alice, bob } = scene();
    const state = visibleState(
      world.state,
      viewerOf({
        view_frameworks: [...hides("users", "alice"), { principals: ANY, users: NONE }],
      }),
    );
    const asked = { limit: 10, after: undefined, since: undefined, tellsUnknown: true };
    const agentsOf = (framework_id: string): unknown =>
      jsonOf(listDocument(state, agentListing(state, { framework_id }), asked))["agents"];
    expect(agentsOf(alice.frameworkId)).toHaveLength(1);
    expect(agentsOf(bob.frameworkId)).toEqual([]);
  });

  test("of some users sees nothing of others' frameworks, tasks, executors [http-api 6.1, 9.2]", () => {
    const all = scene();
    const viewer = viewerOf({
      permissive: true,
      view_frameworks: [...hides("users", "alice"), { principals: ANY, users: NONE }],
    });
    const text = readAll(all, viewer) + hearAll(all, viewer);
    for (const name of ["alice-framework", "alice-live", "alice-done", "alice-custom"]) {
      expect(text).toContain(name);
    }
    expect(text).toContain("alice-executor");
    expect(text).not.toContain("bob-");
    expect(text).not.toContain(all.bob.frameworkId);
  });

  test("of some tasks sees those, by the user they run as [semantics 9.3]", () => {
    const all = scene();
    const viewer = viewerOf({
      view_tasks: [...hides("users", "www"), { principals: ANY, users: NONE }],
    });
    const text = readAll(all, viewer) + hearAll(all, viewer);
    expect(text).toContain("www-live");
    for (const id of ["alice-live", "alice-done", "bob-live", "bob-done", "bob-custom"]) {
      expect(text).not.toContain(`"${id}"`);
    }
    expect(text).toContain("bob-framework");
    expect(text).toContain("bob-executor");
  });

  test("of no executors sees none, but the tasks they run [semantics 9.3]", () => {
    const all = scene();
    const viewer = viewerOf({ view_executors: [{ principals: ANY, users: NONE }] });
    const state = visibleState(all.world.state, viewer);
    expect(messageOf(describeState, state).get_executors?.executors).toEqual([]);
    const { frameworks } = jsonOf(frameworksDocument(state, undefined));
    expect(frameworks).toMatchObject([{ executors: [] }, { executors: [] }]);
    expect(readAll(all, viewer)).toContain("bob-custom");
  });

  test("of some roles sees their resources, weights and quotas only [http-api 6.1]", () => {
    const all = scene();
    const viewer = viewerOf({
      view_roles: [...hides("roles", "alices", "*"), { principals: ANY, roles: NONE }],
      get_quotas: [...hides("roles", "alices"), { principals: ANY, roles: NONE }],
    });
    const text = readAll(all, viewer) + hearAll(all, viewer);
    expect(text).toContain("alices-thing");
    expect(text).not.toContain("bobs-thing");
    const state = visibleState(all.world.state, viewer);
    const names = (value: unknown): unknown[] =>
      (value as { name?: string; role?: string }[]).map(({ name, role }) => name ?? role);
    expect(names(jsonOf(rolesDocument(state, viewer))["roles"])).toEqual(["alices"]);
    expect(names(getWeights(state).weight_infos)).toEqual(["alices"]);
    expect(names(getQuota(state).status.configs)).toEqual(["alices"]);
    expect(getOperations(state).operations).toHaveLength(1);
    expect(getOperations(all.world.state).operations).toHaveLength(2);
  });

  test("without the right to maintenance sees none of it [http-api 6.1]", () => {
    const all = scene();
    const schedule = viewerOf({ get_maintenance_schedules: [{ principals: ANY, machines: NONE }] });
    const status = viewerOf({ get_maintenance_statuses: [{ principals: ANY, machines: NONE }] });
    const { state } = all.world;
    expect(getMaintenanceSchedule(state).schedule.windows).toHaveLength(1);
    expect(getMaintenanceSchedule(visibleState(state, schedule)).schedule).toEqual({});
    expect(getMaintenanceStatus(visibleState(state, status)).status.draining_machines).toEqual([]);
    const both = viewerOf({
      get_maintenance_schedules: [{ principals: ANY, machines: NONE }],
      get_maintenance_statuses: [{ principals: ANY, machines: NONE }],
    });
    expect(readAll(all, both)).not.toContain("planned-host");
  });

  test("of nothing sees agents and no more [semantics 9.3]", () => {
    const all = scene();
    const viewer = viewerOf({ permissive: false });
    const text = readAll(all, viewer) + hearAll(all, viewer);
    for (const name of ["alice", "bob", "www", "planned-host", all.alice.frameworkId]) {
      expect(text).not.toContain(name);
    }
    expect(text).toContain(all.agent.id ?? "");
    // The state behind the views is as it was.
    expect(readAll(all, EVERYTHING)).toContain("bobs-thing");
  });

  test("who may not see flags reads /state without them [http-api 9.2]", () => {
    const { world } = scene();
    const seen = jsonOf(stateDocument(world.state, { ...FACTS, cluster: "lab" }));
    expect(seen).toMatchObject({ flags: { port: "5050" }, cluster: "lab" });
    const facts = { ...FACTS, cluster: "lab", flags: undefined };
    const hidden = jsonOf(stateDocument(world.state, facts));
    expect(hidden).not.toHaveProperty("flags");
    expect(hidden).not.toHaveProperty("cluster");
  });
});

test("events of an operator's stream keep heartbeats and leaving agents [http-api 6.3]", () => {
  const { world } = scene();
  const viewer = viewerOf({ permissive: false });
  const agent_removed = { agent_id: { value: "a" } };
  const events: MasterEvent[] = [{ type: "HEARTBEAT" }, { type: "AGENT_REMOVED", agent_removed }];
  for (const event of events) expect(visibleEvent(world.state, viewer, event)).toEqual(event);
});

test("a sandbox belongs to the user of its executor, task or framework [semantics 9.3]", () => {
  const { world, agent, alice, bob } = scene();
  const user = (path: string): string | undefined => sandboxUser(world.state, agent.id ?? "", path);
  const sandbox = (stream: TestStream, executor: string): string =>
    `/frameworks/${stream.frameworkId}/executors/${executor}/runs/latest/stdout`;
  expect(user(sandbox(alice, "alice-executor"))).toBe("alice");
  expect(user(sandbox(alice, "www-live"))).toBe("www");
  expect(user(sandbox(bob, "bob-done"))).toBe("bob");
  expect(user(sandbox(bob, "long-gone"))).toBe("bob");
  const real = `/var/lib/allot/slaves/S0${sandbox(alice, "www-live")}`;
  expect(user(real)).toBe("www");
  // A folder in a sandbox that looks like a sandbox is part of the sandbox it is in.
  expect(user(sandbox(bob, "bob-done") + sandbox(alice, "www-live"))).toBe("bob");
  for (const path of [
    "/etc/passwd",
    "/frameworks/unknown/executors/e/runs/latest/stdout",
    `${sandbox(alice, "www-live")}/../../../../../../../${sandbox(bob, "bob-done").slice(1)}`,
    sandbox(alice, "www-live").replace("/runs", "//runs"),
    sandbox(alice, "www-live").replace("/runs", "/./runs"),
  ]) {
    expect(user(path), path).toBeUndefined();
  }
});
