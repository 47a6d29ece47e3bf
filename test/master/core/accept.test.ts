/** ACCEPT: what may be launched, what is refused and how, where the rest goes. */
import { describe, expect, test } from "bun:test";
import type { OfferOperation, Resource, TaskInfo } from "../../../src/protocol/v1/types.ts";
import {
  AGENT_CAPABILITIES,
  eventTypes,
  forget,
  lastOffer,
  lastStatus,
  offersOf,
  resourcesOf,
  scalarsOf,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

function scene(info: Parameters<World["subscribe"]>[0] = {}): Scene {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:4096;disk:1000");
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60, ...info });
  return { world, agent, stream };
}

const VOLUME: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 1 },
  reservations: [{ type: "STATIC", role: "a" }],
  disk: { persistence: { id: "v" }, volume: { container_path: "v", mode: "RW" } },
};
const PARTITION_AWARE = { capabilities: [{ type: "PARTITION_AWARE" }] } as const;

describe("launch", () => {
  test("a task reaches the agent with its framework and allocation [semantics 4.11]", () => {
    const { world, agent, stream } = scene({ role: "web" });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
    const [order] = agent.orders("runTask");
    expect(order?.framework.id?.value).toBe(stream.frameworkId);
    expect(order?.task.task_id.value).toBe("t");
    for (const resource of order?.task.resources ?? []) {
      expect(resource.allocation_info).toEqual({ role: "web" });
    }
    expect(statusesOf(stream)).toEqual([]);
  });

  test("a task may name resources that no agent has, and none of them [semantics 2.11]", () => {
    const { world, agent, stream } = scene();
    const task = taskFor(lastOffer(stream), "t", "cpus:1;mem:128;gpus:0;constructor:0");
    world.launch(stream, lastOffer(stream), task);
    expect(statusesOf(stream)).toEqual([]);
    expect(agent.orders("runTask")[0]?.task.resources?.map(({ name }) => name)).toEqual([
      "cpus",
      "mem",
    ]);
  });

  test("what is left is filtered like a decline [semantics 4.8 rule 4]", () => {
    const { world, stream } = scene();
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
    forget(stream);
    world.advance(4_900);
    expect(offersOf(stream)).toEqual([]);
    world.advance(1_200);
    expect(offersOf(stream).map(scalarsOf)).toEqual([{ cpus: 3, mem: 3968, disk: 1000 }]);
  });

  test("tasks of one call are judged one by one [semantics 4.8 rule 3]", () => {
    const { world, agent, stream } = scene();
    const offer = lastOffer(stream);
    world.launch(
      stream,
      offer,
      taskFor(offer, "big", "cpus:5;mem:10"),
      taskFor(offer, "a", "cpus:3;mem:10"),
      taskFor(offer, "b", "cpus:2;mem:10"),
      taskFor(offer, "c", "cpus:1;mem:10"),
    );
    expect(agent.orders("runTask").map(({ task }) => task.task_id.value)).toEqual(["a", "c"]);
    expect(statusesOf(stream).map(({ task_id }) => task_id.value)).toEqual(["big", "b"]);
  });

  test("several offers of one agent are one pool [semantics 4.8]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:2;mem:1000");
    const stream = world.subscribe();
    const first = lastOffer(stream);
    world.launch(stream, first, taskFor(first, "a", "cpus:1;mem:500"));
    agent.work();
    world.call(stream, { type: "REVIVE" });
    const second = lastOffer(stream);
    agent.update(stream, "a", "TASK_FINISHED");
    const third = lastOffer(stream);
    expect(third.id).not.toEqual(second.id);
    const task = taskFor(second, "b", "cpus:2;mem:1000");
    const launch = { type: "LAUNCH", launch: { task_infos: [task] } } as const;
    world.accept(stream, [second, third], [launch]);
    expect(agent.orders("runTask")).toHaveLength(2);
  });

  test("a custom executor holds resources until it exits [semantics 6.7]", () => {
    const { world, agent, stream } = scene();
    const executor = {
      executor_id: { value: "e" },
      command: { value: "run" },
      resources: resourcesOf("cpus:1;mem:64"),
    };
    const custom = (id: string): TaskInfo => {
      const { command: _, ...task } = taskFor(lastOffer(stream), id);
      return { ...task, executor };
    };
    world.launch(stream, lastOffer(stream), custom("a"));
    world.call(stream, { type: "REVIVE" });
    expect(scalarsOf(lastOffer(stream))).toEqual({ cpus: 2, mem: 3904, disk: 1000 });
    expect(lastOffer(stream).executor_ids).toEqual([{ value: "e" }]);
    world.launch(stream, lastOffer(stream), custom("b"));
    world.call(stream, { type: "REVIVE" });
    expect(scalarsOf(lastOffer(stream))["cpus"]).toBe(1);
    world.launch(stream, lastOffer(stream), {
      ...custom("c"),
      executor: { ...executor, command: { value: "other" } },
    });
    expect(lastStatus(stream).message).toContain("not compatible with existing ExecutorInfo");
    agent.work();
    for (const id of ["a", "b"]) agent.update(stream, id, "TASK_FINISHED");
    const exit = { kind: "executorExited", frameworkId: stream.frameworkId } as const;
    world.tell(agent.link, { ...exit, executorId: "e", status: 256 });
    expect(stream.events.find(({ type }) => type === "FAILURE")?.failure).toEqual({
      agent_id: { value: agent.id ?? "" },
      executor_id: { value: "e" },
      status: 256,
    });
    world.call(stream, { type: "REVIVE" });
    const offered = [...world.state.offers.values()].map((offer) => offer.resources);
    expect(offered.reduce((sum, part) => sum + part.scalarMilli("cpus"), 0)).toBe(4000);
  });
});

describe("refusals", () => {
  const invalid: readonly [string, string, (task: TaskInfo) => TaskInfo, string][] = [
    [
      "an id of 256 characters",
      "10.38",
      (task) => ({ ...task, task_id: { value: "x".repeat(256) } }),
      "Task ID is not valid",
    ],
    [
      "an id with a slash",
      "10.38",
      (task) => ({ ...task, task_id: { value: "a/b" } }),
      "Task ID is not valid",
    ],
    [
      "another agent",
      "6.7",
      (task) => ({ ...task, agent_id: { value: "S9" } }),
      "Task uses invalid agent S9 while agent",
    ],
    [
      "a negative grace period",
      "6.7",
      (task) => ({ ...task, kill_policy: { grace_period: { nanoseconds: -1 } } }),
      "kill_policy.grace_period",
    ],
    [
      "a negative completion time",
      "6.7",
      (task) => ({ ...task, max_completion_time: { nanoseconds: -1 } }),
      "max_completion_time",
    ],
    ["a check without a type", "6.7", (task) => ({ ...task, check: {} }), "invalid check"],
    [
      "a health check of a path without its slash",
      "6.7",
      (task) => ({ ...task, health_check: { type: "HTTP", http: { port: 80, path: "up" } } }),
      "must start with '/'",
    ],
    [
      "a health check over another protocol",
      "6.7",
      (task) => ({ ...task, health_check: { type: "HTTP", http: { port: 80, scheme: "ftp" } } }),
      "neither http nor https",
    ],
    [
      "a health check of port 0, which would be that of the scheme",
      "6.7",
      (task) => ({ ...task, health_check: { type: "HTTP", http: { port: 0 } } }),
      "not from 1 to 65535",
    ],
    [
      "a check of a port that there is not",
      "6.7",
      (task) => ({ ...task, check: { type: "TCP", tcp: { port: 70_000 } } }),
      "not from 1 to 65535",
    ],
    [
      "an ambiguous health check",
      "6.7",
      (task) => ({ ...task, health_check: {} }),
      "invalid health check",
    ],
    ["no resources", "6.7", (task) => ({ ...task, resources: [] }), "Task uses no resources"],
    [
      "neither command nor executor",
      "10.39",
      ({ command: _, ...task }) => task,
      "at least one (but not both)",
    ],
    [
      "both command and executor",
      "10.39",
      (task) => ({ ...task, executor: { executor_id: { value: "e" } } }),
      "at least one (but not both)",
    ],
    [
      "more than offered",
      "10.40",
      (task) => ({ ...task, resources: resourcesOf("cpus:4.001;mem:1") }),
      "is more than available",
    ],
    [
      "a foreign allocation role",
      "4.11",
      (task) => ({
        ...task,
        resources: resourcesOf("cpus:1").map((one) => ({ ...one, allocation_info: { role: "x" } })),
      }),
      "allocated to role 'x'",
    ],
    [
      "revocable and other cpus at once",
      "8.3",
      (task) => ({
        ...task,
        resources: [
          ...resourcesOf("cpus:1"),
          ...resourcesOf("cpus:1").map((one) => ({ ...one, revocable: {} })),
        ],
      }),
      "Task uses both revocable and non-revocable cpus",
    ],
    [
      "one volume twice",
      "6.7",
      (task) => ({ ...task, resources: [VOLUME, VOLUME] }),
      "duplicate persistence ID v",
    ],
    [
      "a variable without a value",
      "6.7",
      (task) => ({ ...task, command: { environment: { variables: [{ name: "A" }] } } }),
      "needs a value",
    ],
    [
      "a docker container without docker",
      "6.7",
      (task) => ({ ...task, container: { type: "DOCKER" } }),
      "'docker' is not set",
    ],
    [
      "limits the agent cannot hold",
      "6.7",
      (task) => ({ ...task, limits: { cpus: { value: 2 } } }),
      "does not support resource limits",
    ],
    [
      "its own cgroups outside a group",
      "6.7",
      (task) => ({ ...task, container: { type: "MESOS", linux_info: { share_cgroups: false } } }),
      "share_cgroups",
    ],
    [
      "more capabilities than it bounds itself to",
      "6.7",
      (task) => ({
        ...task,
        container: {
          type: "MESOS",
          linux_info: {
            effective_capabilities: { capabilities: ["CHOWN", "NET_RAW"] },
            bounding_capabilities: { capabilities: ["CHOWN"] },
          },
        },
      }),
      "Effective capabilities NET_RAW are not among the container's bounding_capabilities",
    ],
  ];
  for (const [what, rule, change, text] of invalid) {
    test(`a task with ${what} is TASK_ERROR [semantics ${rule}]`, () => {
      const { world, agent, stream } = scene();
      const offer = lastOffer(stream);
      world.launch(stream, offer, change(taskFor(offer, "t")));
      expect(lastStatus(stream)).toMatchObject({
        state: "TASK_ERROR",
        reason: "REASON_TASK_INVALID",
        source: "SOURCE_MASTER",
      });
      expect(lastStatus(stream).message).toContain(text);
      expect(lastStatus(stream).uuid).toBeUndefined();
      expect(agent.orders("runTask")).toEqual([]);
    });
  }

  test("limits need a request and must not be below it [semantics 6.7]", () => {
    const world = new World();
    const capabilities = [...AGENT_CAPABILITIES, { type: "TASK_RESOURCE_LIMITS" }] as const;
    const agent = world.addAgent("cpus:4;mem:4096", { capabilities });
    const stream = world.subscribe();
    const launch = (limits: TaskInfo["limits"]): void => {
      world.call(stream, { type: "REVIVE" });
      world.launch(
        stream,
        lastOffer(stream),
        taskFor(lastOffer(stream), "t", "cpus:1", { limits }),
      );
    };
    launch({ mem: { value: 1 } });
    expect(lastStatus(stream).message).toContain("needs a request of mem");
    launch({ cpus: { value: 0.5 } });
    expect(lastStatus(stream).message).toContain("must not be below the request");
    launch({ cpus: { value: Number.POSITIVE_INFINITY } });
    expect(agent.orders("runTask")).toHaveLength(1);
  });

  test("an id that is in use is a duplicate, a completed one is free [semantics 10.37]", () => {
    const { world, agent, stream } = scene();
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "x"));
    agent.work();
    world.call(stream, { type: "REVIVE" });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "x"));
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_ERROR",
      reason: "REASON_TASK_INVALID",
      message: "Task has duplicate ID: x",
    });
    agent.update(stream, "x", "TASK_FINISHED");
    const { uuid = "" } = lastStatus(stream);
    const acknowledge = { agent_id: { value: agent.id ?? "" }, task_id: { value: "x" }, uuid };
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge });
    world.call(stream, { type: "REVIVE" });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "x"));
    expect(agent.orders("runTask")).toHaveLength(2);
  });

  for (const [info, state] of [
    [{}, "TASK_LOST"],
    [PARTITION_AWARE, "TASK_DROPPED"],
  ] as const) {
    test(`an unknown offer is ${state} INVALID_OFFERS [semantics 10.36]`, () => {
      const { world, stream } = scene(info);
      const offer = lastOffer(stream);
      const launch = { type: "LAUNCH", launch: { task_infos: [taskFor(offer, "t")] } } as const;
      const unknown = { ...offer, id: { value: "no-such-offer" } };
      world.accept(stream, [offer, unknown], [launch]);
      expect(statusesOf(stream).at(-1)).toMatchObject({
        state,
        reason: "REASON_INVALID_OFFERS",
        source: "SOURCE_MASTER",
        message: "Task launched with invalid offers: Offer no-such-offer is no longer valid",
      });
      expect(world.state.offers.has(offer.id.value as never)).toBe(false);
      expect(lastOffer(stream).id).not.toEqual(offer.id);
    });
  }

  test("no offer, the same offer twice, offers of two agents are invalid [semantics 4.8 rule 1]", () => {
    const world = new World();
    world.addAgent();
    world.addAgent();
    const stream = world.subscribe();
    const [first, second] = offersOf(stream);
    if (first === undefined || second === undefined) throw new Error("two offers are expected");
    const launch = { type: "LAUNCH", launch: { task_infos: [taskFor(first, "t")] } } as const;
    world.accept(stream, [], [launch]);
    expect(lastStatus(stream).message).toContain("No offers specified");
    world.accept(stream, [first, second], [launch]);
    expect(lastStatus(stream).message).toContain("one single agent");
    const again = lastOffer(stream);
    world.accept(stream, [again, again], [launch]);
    expect(lastStatus(stream).message).toContain("Duplicate offer");
  });

  test("what the answers repeat is cut short, as there may be one for each of many tasks", () => {
    const { world, stream } = scene();
    const offer = lastOffer(stream);
    const long = "x".repeat(1_000_000);
    const tasks = ["a", "b"].map((id) => taskFor(offer, id));
    const executor = { executor_id: { value: "e" }, framework_id: { value: long } };
    const launch_group = {
      executor: { ...executor, type: "DEFAULT" },
      task_group: { tasks },
    } as const;
    const operations = [
      { type: "LAUNCH_GROUP", launch_group },
      { type: "LAUNCH", launch: { task_infos: tasks } },
      { type: "RESERVE", id: { value: "o" }, reserve: { resources: [] } },
    ] as const;
    world.accept(stream, [offer], operations.slice(0, 1));
    world.accept(stream, [{ ...offer, id: { value: long } }], operations);
    expect(statusesOf(stream)).toHaveLength(6);
    for (const { update, update_operation_status: answer } of stream.events) {
      const { message = "" } = update?.status ?? answer?.status ?? {};
      expect(message.length).toBeLessThan(5000);
    }
  });

  test("an id on LAUNCH is refused [semantics 10.45]", () => {
    const { world, stream } = scene();
    const offer = lastOffer(stream);
    const task_infos = [taskFor(offer, "t")];
    world.accept(stream, [offer], [{ type: "LAUNCH", id: { value: "o" }, launch: { task_infos } }]);
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_ERROR",
      reason: "REASON_TASK_INVALID",
      message: "The `id` field cannot be set on LAUNCH operations",
    });
  });

  test("a group fails as a whole [semantics 5]", () => {
    const { world, stream } = scene();
    const offer = lastOffer(stream);
    const operation: OfferOperation = {
      type: "LAUNCH_GROUP",
      launch_group: {
        executor: { executor_id: { value: "e" }, type: "DEFAULT" },
        task_group: { tasks: [taskFor(offer, "a"), taskFor(offer, "b")] },
      },
    };
    world.accept(stream, [offer], [operation]);
    expect(statusesOf(stream).map(({ state, reason }) => [state, reason])).toEqual([
      ["TASK_ERROR", "REASON_TASK_GROUP_INVALID"],
      ["TASK_ERROR", "REASON_TASK_GROUP_INVALID"],
    ]);
  });

  test("other operations answer OPERATION_ERROR only when they have an id [semantics 5]", () => {
    const { world, stream } = scene();
    const reserve = { type: "RESERVE", reserve: { resources: [] } } as const;
    world.accept(stream, [lastOffer(stream)], [reserve, { ...reserve, id: { value: "o" } }]);
    const answers = stream.events.filter(({ type }) => type === "UPDATE_OPERATION_STATUS");
    expect(answers).toHaveLength(1);
    expect(answers[0]?.update_operation_status?.status).toMatchObject({
      operation_id: { value: "o" },
      state: "OPERATION_ERROR",
    });
  });

  test("an ACCEPT without operations is a decline [semantics 4.8 rule 4]", () => {
    const { world, stream } = scene();
    world.accept(stream, [lastOffer(stream)], []);
    forget(stream);
    world.advance(4_900);
    expect(eventTypes(stream)).not.toContain("OFFERS");
  });
});
