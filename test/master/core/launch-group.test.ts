/** LAUNCH_GROUP: a group is launched as one command, or refused as a whole. */
import { describe, expect, test } from "bun:test";
import type { ExecutorInfo, OfferOperation, TaskInfo } from "../../../src/protocol/v1/types.ts";
import {
  AGENT_CAPABILITIES,
  lastOffer,
  lastStatus,
  resourcesOf,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  uuidOf,
  World,
} from "./harness.ts";

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

function scene(): Scene {
  const world = new World();
  const capabilities = [...AGENT_CAPABILITIES, { type: "TASK_RESOURCE_LIMITS" }] as const;
  const agent = world.addAgent("cpus:4;mem:4096;disk:1000;ports:[31000-31009]", { capabilities });
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60 });
  return { world, agent, stream };
}

const EXECUTOR: ExecutorInfo = {
  type: "DEFAULT",
  executor_id: { value: "e" },
  resources: resourcesOf("cpus:0.1;mem:32;disk:10"),
};

function group(tasks: readonly TaskInfo[], executor: ExecutorInfo = EXECUTOR): OfferOperation {
  return { type: "LAUNCH_GROUP", launch_group: { executor, task_group: { tasks } } };
}

function launchPair(
  { world, stream }: Scene,
  change: (task: TaskInfo) => TaskInfo = (task) => task,
  executor: ExecutorInfo = EXECUTOR,
): void {
  const offer = lastOffer(stream);
  const tasks = [taskFor(offer, "a"), change(taskFor(offer, "b"))];
  world.accept(stream, [offer], [group(tasks, executor)]);
}

describe("a task group", () => {
  test("reaches the agent as one command with its executor [semantics 5]", () => {
    const at = scene();
    launchPair(at);
    const [order, ...more] = at.agent.orders("runTaskGroup");
    expect(more).toEqual([]);
    expect(order?.launchesExecutor).toBe(true);
    expect(order?.executor.framework_id?.value).toBe(at.stream.frameworkId);
    for (const { executor, resources } of order?.taskGroup.tasks ?? []) {
      expect(executor).toEqual(order?.executor);
      expect(resources?.[0]?.allocation_info).toEqual({ role: "*" });
    }
    expect(statusesOf(at.stream)).toEqual([]);
    expect(at.world.state.agents.values().next().value?.executors.size).toBe(1);
  });

  test("takes what its tasks and its executor need, once each [semantics 6.7]", () => {
    const at = scene();
    launchPair(at);
    at.agent.work();
    at.world.call(at.stream, { type: "REVIVE" });
    const left = Object.fromEntries(
      (lastOffer(at.stream).resources ?? []).map(({ name, scalar }) => [name, scalar?.value]),
    );
    expect(left).toMatchObject({ cpus: 1.9, mem: 4096 - 256 - 32, disk: 990 });
  });

  test("joins an executor that runs without paying for it again", () => {
    const at = scene();
    launchPair(at);
    at.agent.work();
    at.world.call(at.stream, { type: "REVIVE" });
    const offer = lastOffer(at.stream);
    const tasks = [taskFor(offer, "c", "cpus:1.9;mem:100")];
    at.world.accept(at.stream, [offer], [group(tasks)]);
    expect(at.agent.orders("runTaskGroup")[1]).toMatchObject({ launchesExecutor: false });
  });

  test("its tasks are killed and reported one by one", () => {
    const at = scene();
    launchPair(at);
    at.agent.work();
    at.world.call(at.stream, { type: "KILL", kill: { task_id: { value: "a" } } });
    expect(at.agent.orders("killTask").map(({ taskId }) => taskId)).toEqual(["a"]);
    at.agent.update(at.stream, "b", "TASK_RUNNING");
    expect(lastStatus(at.stream)).toMatchObject({ task_id: { value: "b" }, state: "TASK_RUNNING" });
  });

  test("an executor that exits gives back what it held", () => {
    const at = scene();
    launchPair(at);
    at.agent.work();
    for (const taskId of ["a", "b"]) {
      at.agent.update(at.stream, taskId, "TASK_FINISHED");
      const acknowledge = {
        agent_id: { value: at.agent.id ?? "" },
        task_id: { value: taskId },
        uuid: uuidOf(`${taskId}TASK_FINISHED`),
      };
      at.world.call(at.stream, { type: "ACKNOWLEDGE", acknowledge });
    }
    const { frameworkId } = at.stream;
    at.world.tell(at.agent.link, {
      kind: "executorExited",
      frameworkId,
      executorId: "e",
      status: -1,
    });
    expect(at.world.state.agents.values().next().value?.used.size).toBe(0);
  });

  test("one that is pending is not asked for when the agent returns [semantics 2.4]", () => {
    const at = scene();
    launchPair(at);
    at.agent.connect();
    expect(at.agent.orders("reconcileTasks")).toEqual([]);
    expect(at.agent.orders("runTaskGroup")).toHaveLength(1);
    expect(at.world.state.agents.values().next().value?.executors.size).toBe(1);
  });
});

describe("a fault is the fault of the whole group [semantics 10.41]", () => {
  const LIMITED = { cpus: { value: 2 } };
  const faults: readonly [string, (task: TaskInfo) => TaskInfo, string][] = [
    [
      "more than is offered",
      (task) => ({ ...task, resources: resourcesOf("cpus:3.5") }),
      "more than available",
    ],
    ["no resources", (task) => ({ ...task, resources: [] }), "no resources"],
    ["a bad id", (task) => ({ ...task, task_id: { value: "x/y" } }), "Task ID is not valid"],
    ["the id of its sibling", (task) => ({ ...task, task_id: { value: "a" } }), "duplicate ID: a"],
    [
      "another executor",
      (task) => ({ ...task, executor: { executor_id: { value: "other" } } }),
      "must be the same",
    ],
    [
      "a Docker container",
      (task) => ({ ...task, container: { type: "DOCKER", docker: { image: "i" } } }),
      "Docker",
    ],
    [
      "an HTTP health check in a network of its own",
      (task) => ({
        ...task,
        health_check: { type: "HTTP", http: { port: 80 } },
        container: { type: "MESOS", network_infos: [{ name: "n" }] },
      }),
      "health checks",
    ],
    ["limits in the group's cgroups", (task) => ({ ...task, limits: LIMITED }), "share_cgroups"],
    [
      "cgroups unlike its sibling's",
      (task) => ({ ...task, container: { type: "MESOS", linux_info: { share_cgroups: false } } }),
      "same value of 'share_cgroups'",
    ],
  ];
  test.each(faults)("%s", (_what, change, text) => {
    const at = scene();
    launchPair(at, change);
    expect(statusesOf(at.stream).map(({ state, reason }) => [state, reason])).toEqual([
      ["TASK_ERROR", "REASON_TASK_GROUP_INVALID"],
      ["TASK_ERROR", "REASON_TASK_GROUP_INVALID"],
    ]);
    expect(lastStatus(at.stream).message).toContain(text);
    expect(at.agent.orders("runTaskGroup")).toEqual([]);
    expect(at.world.state.agents.values().next().value?.used.size).toBe(0);
  });

  const executors: readonly [string, ExecutorInfo, string][] = [
    ["no type", { executor_id: { value: "e" } }, "'ExecutorInfo.type' must be DEFAULT or CUSTOM"],
    [
      "a command for the default executor",
      { ...EXECUTOR, command: { value: "x" } },
      "must not be set for DEFAULT",
    ],
    ["no command for a custom one", { ...EXECUTOR, type: "CUSTOM" }, "must be set for CUSTOM"],
    [
      "a Docker container",
      { ...EXECUTOR, container: { type: "DOCKER", docker: { image: "i" } } },
      "must be MESOS",
    ],
    [
      "no disk [semantics 10.42]",
      { ...EXECUTOR, resources: resourcesOf("cpus:1;mem:32") },
      "no disk",
    ],
    [
      "too little memory",
      { ...EXECUTOR, resources: resourcesOf("cpus:1;mem:31;disk:1") },
      "at least 32",
    ],
    ["a bad id", { ...EXECUTOR, executor_id: { value: ".." } }, "Executor ID is not valid"],
  ];
  test.each(executors)("an executor with %s", (_what, executor, text) => {
    const at = scene();
    launchPair(at, undefined, executor);
    expect(statusesOf(at.stream)).toHaveLength(2);
    expect(lastStatus(at.stream)).toMatchObject({ reason: "REASON_TASK_GROUP_INVALID" });
    expect(lastStatus(at.stream).message).toContain(text);
  });

  test("an empty group", () => {
    const { world, agent, stream } = scene();
    world.accept(stream, [lastOffer(stream)], [group([])]);
    expect(agent.orders("runTaskGroup")).toEqual([]);
  });

  test("an operation id [semantics 10.45]", () => {
    const { world, stream } = scene();
    const offer = lastOffer(stream);
    world.accept(stream, [offer], [{ ...group([taskFor(offer, "a")]), id: { value: "o" } }]);
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_ERROR",
      reason: "REASON_TASK_GROUP_INVALID",
      message: "The `id` field cannot be set on LAUNCH_GROUP operations",
    });
  });
});

test("tasks or executors that want one port twice are refused and break nothing", () => {
  const { world, agent, stream } = scene();
  const offer = lastOffer(stream);
  const port = "cpus:0.1;mem:32;ports:[31000-31000]";
  const twice = group([taskFor(offer, "a", port), taskFor(offer, "b", port)]);
  const executor: ExecutorInfo = {
    executor_id: { value: "own" },
    command: { value: "run" },
    resources: resourcesOf(port),
  };
  const { command: _, ...task } = taskFor(offer, "c", port);
  const launch = { task_infos: [{ ...task, executor }] };
  world.accept(stream, [offer], [twice, { type: "LAUNCH", launch }]);
  expect(statusesOf(stream).map(({ state }) => state)).toEqual([
    "TASK_ERROR",
    "TASK_ERROR",
    "TASK_ERROR",
  ]);
  expect(agent.orders("runTask")).toEqual([]);
});

test("a group has a bounded number of tasks", () => {
  const { world, agent, stream } = scene();
  const offer = lastOffer(stream);
  const tasks = Array.from({ length: 201 }, (_, index) =>
    taskFor(offer, `t${index}`, "cpus:0.001"),
  );
  world.accept(stream, [offer], [group(tasks)]);
  expect(statusesOf(stream)).toHaveLength(201);
  expect(lastStatus(stream).message).toContain("at most 200");
  expect(agent.orders("runTaskGroup")).toEqual([]);
});
