/**
 * What the ACLs keep frameworks and operators from, through the whole core. Method: ACLs that grant
 * everything but what the test is about, or nothing at all.
 */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import type { MasterCall, OfferOperation, Resource } from "../../../src/protocol/v1/types.ts";
import { type Acls, parseAcls } from "../../../src/security/acls.ts";
import {
  eventTypes,
  lastOffer,
  lastStatus,
  SUCCESS,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

const ANY = { type: "ANY" };
const NONE = { type: "NONE" };
const FORBIDDEN = { ok: false, error: { code: "forbidden" } };

function aclsOf(json: object): Acls {
  const parsed = parseAcls(json);
  return must(parsed.ok ? parsed.value : undefined, JSON.stringify(parsed));
}

const CAPABILITIES = [
  "MULTI_ROLE",
  "HIERARCHICAL_ROLE",
  "RESERVATION_REFINEMENT",
  "RESOURCE_PROVIDER",
  "RESIZE_VOLUME",
  "AGENT_OPERATION_FEEDBACK",
  "AGENT_DRAINING",
] as const;

/** An agent that can do all there is. */
const addAgent = (world: World): TestAgent =>
  world.addAgent("cpus:4;mem:4096;disk:100", {
    capabilities: CAPABILITIES.map((type) => ({ type })),
  });

const worldWith = (acls: object): World => new World({ acls: aclsOf(acls) });

/** Why a stream ended. */
function errorOf(stream: TestStream): string | undefined {
  return stream.events.find(({ type }) => type === "ERROR")?.error?.message;
}

describe("frameworks", () => {
  test("nobody registers where nothing is granted [semantics 3.2, acceptance 66]", () => {
    const world = worldWith({ permissive: false });
    const stream = world.subscribe();
    expect(errorOf(stream)).toBe(
      "Not authorized: the ACLs do not grant register_frameworks for '*' to a caller without principal",
    );
    expect(stream.isClosed).toBe(true);
    expect(world.state.frameworks.size).toBe(0);
  });

  test("every role is asked for, as the framework's principal [semantics 9.3]", () => {
    const world = worldWith({
      permissive: false,
      register_frameworks: [{ principals: { values: ["ci"] }, roles: { values: ["eng/%"] } }],
    });
    const info = (...roles: string[]): object => ({
      roles,
      principal: "ci",
      capabilities: [{ type: "MULTI_ROLE" }],
    });
    expect(errorOf(world.subscribe(info("eng/a", "eng/b")))).toBeUndefined();
    expect(errorOf(world.subscribe(info("eng/a", "ads")))).toContain("'ads'");
    expect(errorOf(world.subscribe(info()))).toContain("register_frameworks");
    const other = { ...info("eng/a"), principal: "dev" };
    expect(errorOf(world.subscribe(other))).toContain("principal 'dev'");
  });

  test("the authenticated principal is the framework's where it names none [http-api 4.1]", () => {
    const rule = { principals: { values: ["ci"] }, roles: ANY };
    const world = worldWith({ permissive: false, register_frameworks: [rule] });
    expect(errorOf(world.subscribe({}, {}, "ci"))).toBeUndefined();
    expect(errorOf(world.subscribe({}, {}, "dev"))).toContain("principal 'dev'");
  });

  test("UPDATE_FRAMEWORK to a forbidden role changes nothing [http-api 4.2]", () => {
    const world = worldWith({
      register_frameworks: [{ principals: ANY, roles: { values: ["eng"] } }],
      permissive: false,
    });
    const info = { roles: ["eng"], capabilities: [{ type: "MULTI_ROLE" } as const] };
    const stream = world.subscribe(info);
    const framework_info = {
      user: "nobody",
      name: "test",
      ...info,
      id: { value: stream.frameworkId },
      roles: ["eng", "ads"],
    };
    const call = { type: "UPDATE_FRAMEWORK", update_framework: { framework_info } } as const;
    expect(world.call(stream, call)).toMatchObject(FORBIDDEN);
    expect([...world.state.frameworks.values()][0]?.roles).toEqual(["eng"]);
  });

  test("a scheduler may always tear itself down [http-api 4.2]", () => {
    const world = worldWith({
      teardown_frameworks: [{ principals: NONE, framework_principals: ANY }],
    });
    const stream = world.subscribe();
    expect(world.call(stream, { type: "TEARDOWN" })).toEqual(SUCCESS);
    expect(world.state.frameworks.size).toBe(0);
  });
});

describe("tasks", () => {
  const ONLY_WWW = {
    run_tasks: [
      { principals: ANY, users: { values: ["www"] } },
      { principals: ANY, users: NONE },
    ],
  };
  const command = (user: string): object => ({ command: { value: "sleep 1", user } });
  const executor = (user?: string) => ({
    type: "DEFAULT" as const,
    executor_id: { value: "e" },
    resources: [
      { name: "cpus", type: "SCALAR" as const, scalar: { value: 0.1 } },
      { name: "mem", type: "SCALAR" as const, scalar: { value: 32 } },
      { name: "disk", type: "SCALAR" as const, scalar: { value: 10 } },
    ],
    ...(user !== undefined && { command: { user } }),
  });

  test("a task of a forbidden user is TASK_UNAUTHORIZED, the next one runs [semantics 5]", () => {
    const world = worldWith(ONLY_WWW);
    addAgent(world);
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    const bad = taskFor(offer, "bad", "cpus:1;mem:128", command("root"));
    const own = taskFor(offer, "own");
    const good = taskFor(offer, "good", "cpus:1;mem:128", command("www"));
    world.launch(stream, offer, bad, own, good);
    expect(statusesOf(stream)).toMatchObject([
      {
        task_id: { value: "bad" },
        state: "TASK_ERROR",
        reason: "REASON_TASK_UNAUTHORIZED",
        source: "SOURCE_MASTER",
        message: expect.stringContaining("run_tasks for 'root'"),
      },
      // It names no user, so that it would run as the framework's.
      { task_id: { value: "own" }, message: expect.stringContaining("'nobody'") },
    ]);
    const [framework] = world.state.frameworks.values();
    expect([...(framework?.tasks.keys() ?? [])].map(String)).toEqual(["good"]);
  });

  test("one forbidden task keeps the whole group from running [semantics 5]", () => {
    const world = worldWith(ONLY_WWW);
    addAgent(world);
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    const tasks = [
      taskFor(offer, "a", "cpus:1;mem:128", command("www")),
      taskFor(offer, "b", "cpus:1;mem:128", command("root")),
    ];
    const launch_group = { executor: executor(), task_group: { tasks } };
    world.accept(stream, [offer], [{ type: "LAUNCH_GROUP", launch_group }]);
    expect(statusesOf(stream)).toMatchObject(
      ["a", "b"].map((id) => ({
        task_id: { value: id },
        state: "TASK_ERROR",
        reason: "REASON_TASK_GROUP_UNAUTHORIZED",
      })),
    );
  });

  test("an executor cannot be another user than its task may be [semantics 9.3]", () => {
    const world = worldWith(ONLY_WWW);
    addAgent(world);
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    const tasks = [taskFor(offer, "a", "cpus:1;mem:128", command("www"))];
    const launch_group = { executor: executor("root"), task_group: { tasks } };
    world.accept(stream, [offer], [{ type: "LAUNCH_GROUP", launch_group }]);
    expect(lastStatus(stream).reason).toBe("REASON_TASK_GROUP_UNAUTHORIZED");
  });
});

const reserved = (principal: string | undefined): Resource => ({
  name: "disk",
  type: "SCALAR",
  scalar: { value: 10 },
  reservations: [{ type: "DYNAMIC", role: "eng", ...(principal !== undefined && { principal }) }],
});
const volume = (principal: string): Resource => ({
  ...reserved("ops"),
  disk: {
    persistence: { id: "data", principal },
    volume: { container_path: "data", mode: "RW" },
  },
});

const RESERVE = { type: "RESERVE", reserve: { resources: [reserved("ops")] } } as const;
const UNRESERVE = { type: "UNRESERVE", unreserve: { resources: [reserved("ops")] } } as const;
const CREATE = { type: "CREATE", create: { volumes: [volume("ops")] } } as const;
const DESTROY = { type: "DESTROY", destroy: { volumes: [volume("ops")] } } as const;
const GROW = {
  type: "GROW_VOLUME",
  grow_volume: { volume: volume("ops"), addition: reserved("ops") },
} as const;
const SHRINK = {
  type: "SHRINK_VOLUME",
  shrink_volume: { volume: volume("ops"), subtract: { value: 1 } },
} as const;

/** What leads up to an operation, the operation, and the rule that forbids it. */
const OPERATIONS: readonly {
  readonly before: readonly OfferOperation[];
  readonly operation: OfferOperation;
  readonly acls: object;
}[] = [
  {
    before: [],
    operation: RESERVE,
    acls: { reserve_resources: [{ principals: NONE, roles: { values: ["eng"] } }] },
  },
  {
    before: [RESERVE],
    operation: UNRESERVE,
    acls: { unreserve_resources: [{ principals: NONE, reserver_principals: { values: ["ops"] } }] },
  },
  {
    before: [RESERVE],
    operation: CREATE,
    acls: { create_volumes: [{ principals: NONE, roles: { values: ["eng"] } }] },
  },
  {
    before: [RESERVE, CREATE],
    operation: DESTROY,
    acls: { destroy_volumes: [{ principals: NONE, creator_principals: { values: ["ops"] } }] },
  },
  {
    before: [RESERVE, CREATE],
    operation: GROW,
    acls: { resize_volumes: [{ principals: NONE, roles: { values: ["eng"] } }] },
  },
  {
    before: [RESERVE, CREATE],
    operation: SHRINK,
    acls: { resize_volumes: [{ principals: NONE, roles: { values: ["eng"] } }] },
  },
];

describe("operations on resources", () => {
  const INFO = {
    roles: ["eng"],
    principal: "ops",
    capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
  } as const;

  /** States of operations by id, as the framework was told. */
  const statesOf = (stream: TestStream): Record<string, string> =>
    Object.fromEntries(
      stream.events.flatMap(({ update_operation_status: update }) =>
        update === undefined
          ? []
          : [[update.status.operation_id?.value ?? "", update.status.message ?? ""]],
      ),
    );

  for (const { before, operation, acls } of OPERATIONS) {
    const [action = ""] = Object.keys(acls);
    test(`a framework's ${operation.type} without ${action} is dropped and told [semantics 5]`, () => {
      const world = worldWith(acls);
      addAgent(world);
      const stream = world.subscribe(INFO);
      const asked = { ...operation, id: { value: "it" } };
      world.accept(stream, [lastOffer(stream)], [...before, asked]);
      expect(statesOf(stream)["it"]).toContain(`do not grant ${action} for`);
      const unasked = worldWith({});
      addAgent(unasked);
      const free = unasked.subscribe(INFO);
      unasked.accept(free, [lastOffer(free)], [...before, asked]);
      expect(statesOf(free)["it"] ?? "").not.toContain("authorized");
    });

    test(`an operator's ${operation.type} without ${action} is 403 [http-api 2.3]`, () => {
      const world = worldWith(acls);
      const agent = addAgent(world);
      for (const step of before) {
        expect(world.operatorCall(operatorCallOf(step, agent.id), "ops")).toEqual(SUCCESS);
      }
      expect(world.operatorCall(operatorCallOf(operation, agent.id), "ops")).toMatchObject(
        FORBIDDEN,
      );
    });
  }
});

describe("whose volume it is", () => {
  const acls = {
    destroy_volumes: [
      { principals: { values: ["dev"] }, creator_principals: { values: ["dev"] } },
      { principals: { values: ["dev"] }, creator_principals: NONE },
    ],
  };
  const forged: OfferOperation = { type: "DESTROY", destroy: { volumes: [volume("dev")] } };
  const made = (): { readonly world: World; readonly agent: TestAgent } => {
    const world = worldWith(acls);
    const agent = addAgent(world);
    for (const step of [RESERVE, CREATE]) {
      expect(world.operatorCall(operatorCallOf(step, agent.id), "ops")).toEqual(SUCCESS);
    }
    return { world, agent };
  };

  test("an operator who names himself destroys no other's [semantics 9.3]", () => {
    const { world, agent } = made();
    const answer = world.operatorCall(operatorCallOf(forged, agent.id), "dev");
    expect(answer).toMatchObject(FORBIDDEN);
    expect(JSON.stringify(answer)).toContain("destroy_volumes for 'ops'");
  });

  test("nor does a framework that is offered it [semantics 9.3]", () => {
    const { world, agent } = made();
    const stream = world.subscribe({
      roles: ["eng"],
      principal: "dev",
      capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
    });
    world.accept(stream, [lastOffer(stream)], [{ ...forged, id: { value: "it" } }]);
    const status = stream.events.at(-1)?.update_operation_status?.status;
    expect(status?.message).toContain("destroy_volumes for 'ops'");
    expect(agent.orders("applyOperation")).toHaveLength(2);
  });

  test("who resizes it does not become its creator [semantics 9.3]", () => {
    const { world, agent } = made();
    const smaller: OfferOperation = {
      type: "SHRINK_VOLUME",
      shrink_volume: { volume: volume("dev"), subtract: { value: 1 } },
    };
    expect(world.operatorCall(operatorCallOf(smaller, agent.id), "dev")).toEqual(SUCCESS);
    const { value = 0 } = volume("dev").scalar ?? {};
    const left = { ...volume("dev"), scalar: { value: value - 1 } };
    const destroy: OfferOperation = { type: "DESTROY", destroy: { volumes: [left] } };
    expect(world.operatorCall(operatorCallOf(destroy, agent.id), "dev")).toMatchObject(FORBIDDEN);
    expect(world.operatorCall(operatorCallOf(destroy, agent.id), "ops")).toEqual(SUCCESS);
  });
});

describe("reservations that an operator moves", () => {
  const stacked = (
    ...stack: readonly (readonly [role: string, principal: string])[]
  ): Resource => ({
    ...reserved("ops"),
    reservations: stack.map(([role, principal]) => ({ type: "DYNAMIC", role, principal })),
  });
  const move = (world: World, agent: TestAgent, source: Resource, target: Resource): object =>
    world.operatorCall(
      operatorCallOf(
        { type: "RESERVE", reserve: { source: [source], resources: [target] } },
        agent.id,
      ),
      "dev",
    );
  const ENG: readonly [string, string] = ["eng", "ops"];

  /** What `ops` reserved for eng, and `dev` in it for eng/a. */
  const made = (acls: object): { readonly world: World; readonly agent: TestAgent } => {
    const world = worldWith(acls);
    const agent = addAgent(world);
    const reserve = (resource: Resource): OfferOperation => ({
      type: "RESERVE",
      reserve: { resources: [resource] },
    });
    const ask = (resource: Resource, principal: string): object =>
      world.operatorCall(operatorCallOf(reserve(resource), agent.id), principal);
    expect(ask(stacked(ENG), "ops")).toEqual(SUCCESS);
    expect(ask(stacked(ENG, ["eng/a", "dev"]), "dev")).toEqual(SUCCESS);
    return { world, agent };
  };

  test("need the right to end each one that goes [semantics 9.3]", () => {
    const { world, agent } = made({
      unreserve_resources: [{ principals: NONE, reserver_principals: { values: ["ops"] } }],
    });
    const source = stacked(ENG, ["eng/a", "dev"]);
    const stolen = move(world, agent, source, stacked(["ads", "dev"]));
    expect(stolen).toMatchObject(FORBIDDEN);
    expect(JSON.stringify(stolen)).toContain("unreserve_resources for 'ops'");
    expect(move(world, agent, source, stacked(ENG, ["eng/b", "dev"]))).toEqual(SUCCESS);
  });

  test("need the right to make each one that comes [semantics 9.3]", () => {
    const { world, agent } = made({
      reserve_resources: [{ principals: NONE, roles: { values: ["ads"] } }],
    });
    const source = stacked(ENG, ["eng/a", "dev"]);
    const hidden = stacked(["ads", "ops"], ["ads/a", "dev"]);
    const answer = move(world, agent, source, hidden);
    expect(answer).toMatchObject(FORBIDDEN);
    expect(JSON.stringify(answer)).toContain("reserve_resources for 'ads'");
  });

  test("are no way to destroy a volume [semantics 5]", () => {
    const world = worldWith({});
    const agent = addAgent(world);
    for (const step of [RESERVE, CREATE]) {
      expect(world.operatorCall(operatorCallOf(step, agent.id), "ops")).toEqual(SUCCESS);
    }
    const answer = move(world, agent, volume("ops"), stacked(["eng", "dev"]));
    expect(answer).toMatchObject({ error: { code: "invalid" } });
    expect(JSON.stringify(answer)).toContain("destroy it first");
  });
});

test("who has a principal names it in what they reserve and create [semantics 5, http-api 6.2]", () => {
  const world = new World();
  const agent = addAgent(world);
  const reserve = (principal: string | undefined): OfferOperation => ({
    type: "RESERVE",
    reserve: { resources: [reserved(principal)] },
  });
  const ask = (operation: OfferOperation, principal?: string): object =>
    world.operatorCall(operatorCallOf(operation, agent.id), principal);
  for (const other of [undefined, "dev"]) {
    const refusal = ask(reserve(other), "ops");
    expect(refusal).toMatchObject({ error: { code: "invalid" } });
    expect(JSON.stringify(refusal)).toContain("is not of principal 'ops'");
  }
  expect(ask(reserve("ops"), "ops")).toEqual(SUCCESS);
  expect(ask({ type: "CREATE", create: { volumes: [volume("dev")] } }, "ops")).toMatchObject({
    error: { code: "invalid" },
  });
  expect(ask(CREATE, "ops")).toEqual(SUCCESS);
  // Nobody in particular may name anybody, as there is nobody to compare with.
  expect(ask(DESTROY)).toEqual(SUCCESS);
});

function operatorCallOf(operation: OfferOperation, id: string | undefined): MasterCall {
  const agent_id = { value: id ?? "" };
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation;
  switch (operation.type) {
    case "RESERVE":
      return { type: "RESERVE_RESOURCES", reserve_resources: { agent_id, ...reserve } };
    case "UNRESERVE":
      return { type: "UNRESERVE_RESOURCES", unreserve_resources: { agent_id, ...unreserve } };
    case "CREATE":
      return { type: "CREATE_VOLUMES", create_volumes: { agent_id, ...create } };
    case "DESTROY":
      return { type: "DESTROY_VOLUMES", destroy_volumes: { agent_id, ...destroy } };
    case "GROW_VOLUME":
      return { type: "GROW_VOLUME", grow_volume: { agent_id, ...must(grow_volume, "payload") } };
    default: {
      const payload = must(shrink_volume, "payload");
      return { type: "SHRINK_VOLUME", shrink_volume: { agent_id, ...payload } };
    }
  }
}

describe("operators", () => {
  const MACHINES = [{ hostname: "host-1" }];

  test("nothing is done where nothing is granted [semantics 9.3, acceptance 66]", () => {
    const world = worldWith({ permissive: false });
    const agent = addAgent(world);
    const agent_id = { value: agent.id ?? "" };
    const calls: readonly MasterCall[] = [
      { type: "TEARDOWN", teardown: { framework_id: { value: "unknown" } } },
      { type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule: { schedule: {} } },
      { type: "START_MAINTENANCE", start_maintenance: { machines: MACHINES } },
      { type: "STOP_MAINTENANCE", stop_maintenance: { machines: MACHINES } },
      {
        type: "UPDATE_QUOTA",
        update_quota: { quota_configs: [{ role: "eng", limits: { cpus: { value: 1 } } }] },
      },
      { type: "SET_QUOTA", set_quota: { quota_request: { role: "eng", guarantee: [] } } },
      { type: "REMOVE_QUOTA", remove_quota: { role: "eng" } },
      { type: "UPDATE_WEIGHTS", update_weights: { weight_infos: [{ role: "eng", weight: 2 }] } },
      { type: "DRAIN_AGENT", drain_agent: { agent_id } },
      { type: "DEACTIVATE_AGENT", deactivate_agent: { agent_id } },
      { type: "REACTIVATE_AGENT", reactivate_agent: { agent_id } },
      { type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id } },
    ];
    for (const call of calls) {
      expect(world.operatorCall(call), call.type).toMatchObject(FORBIDDEN);
      expect(world.operatorCall(call, "ops"), call.type).toMatchObject(FORBIDDEN);
    }
    expect(world.operatorKill("t")).toMatchObject(FORBIDDEN);
    const [entry] = world.state.agents.values();
    expect(entry?.isDeactivated).toBe(false);
  });

  test("frameworks are torn down by whom their principal is granted to [semantics 9.3]", () => {
    const world = worldWith({
      permissive: false,
      register_frameworks: [{ principals: ANY, roles: ANY }],
      run_tasks: [{ principals: ANY, users: ANY }],
      teardown_frameworks: [
        { principals: { values: ["ops"] }, framework_principals: { values: ["ci"] } },
      ],
    });
    addAgent(world);
    const [ci, dev] = ["ci", "dev"].map((principal) => world.subscribe({ principal }));
    const offer = lastOffer(must(ci, "a stream"));
    world.launch(must(ci, "a stream"), offer, taskFor(offer, "t"));
    const teardown = (stream: TestStream | undefined): MasterCall => ({
      type: "TEARDOWN",
      teardown: { framework_id: { value: stream?.frameworkId ?? "" } },
    });
    expect(world.operatorCall(teardown(dev), "ops")).toMatchObject(FORBIDDEN);
    expect(world.operatorCall(teardown(ci), "dev")).toMatchObject(FORBIDDEN);
    expect(world.operatorCall(teardown(ci))).toMatchObject(FORBIDDEN);
    expect(world.operatorKill("t", ci?.frameworkId, 0, "dev")).toMatchObject(FORBIDDEN);
    expect(world.operatorKill("t", ci?.frameworkId, 0, "ops")).toEqual(SUCCESS);
    expect(world.operatorCall(teardown(ci), "ops")).toEqual(SUCCESS);
    expect(eventTypes(must(dev, "a stream"))).not.toContain("ERROR");
  });

  test("quotas and weights are set for granted roles only [semantics 9.3]", () => {
    const rules = [{ principals: { values: ["ops"] }, roles: { values: ["eng"] } }];
    const world = worldWith({ permissive: false, update_quotas: rules, update_weights: rules });
    const quota = (...roles: string[]): MasterCall => ({
      type: "UPDATE_QUOTA",
      update_quota: {
        quota_configs: roles.map((role) => ({ role, limits: { cpus: { value: 1 } } })),
      },
    });
    const weights = (...roles: string[]): MasterCall => ({
      type: "UPDATE_WEIGHTS",
      update_weights: { weight_infos: roles.map((role) => ({ role, weight: 2 })) },
    });
    for (const call of [quota, weights]) {
      expect(world.operatorCall(call("eng"), "ops")).toEqual(SUCCESS);
      expect(world.operatorCall(call("eng", "ads"), "ops")).toMatchObject(FORBIDDEN);
      expect(world.operatorCall(call("eng"), "dev")).toMatchObject(FORBIDDEN);
    }
    expect([...world.state.policy.weights.keys()]).toEqual(["eng"]);
  });

  test("draining for good needs the right to mark agents gone too [http-api 6.2]", () => {
    const world = worldWith({ mark_agents_gone: [{ principals: ANY, agents: NONE }] });
    const agent = addAgent(world);
    const drain = (mark_gone: boolean): MasterCall => ({
      type: "DRAIN_AGENT",
      drain_agent: { agent_id: { value: agent.id ?? "" }, mark_gone },
    });
    expect(world.operatorCall(drain(true))).toMatchObject(FORBIDDEN);
    expect(world.operatorCall(drain(false))).toEqual(SUCCESS);
  });
});
