/** Agents come, fall silent, go and return; the registry always knows before anybody else does. */
import { describe, expect, test } from "bun:test";
import { must } from "../../../src/base/assert.ts";
import { brand, type StreamId } from "../../../src/base/ids.ts";
import type { FrameworkInfo, Resource } from "../../../src/protocol/v1/types.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import {
  eventTypes,
  forget,
  lastOffer,
  lastStatus,
  MASTER_ID,
  newCore,
  offersOf,
  resourcesOf,
  SUCCESS,
  scalarsOf,
  statusesOf,
  TestAgent,
  type TestStream,
  taskFor,
  uuidOf,
  World,
} from "./harness.ts";

const PARTITION_AWARE = { capabilities: [{ type: "PARTITION_AWARE" }] } as const;
const CHECKPOINT = { checkpoint: true, failover_timeout: 3600 } as const;

/** A framework with one task `t`, running. */
function running(
  world: World,
  agent: TestAgent,
  info: Parameters<World["subscribe"]>[0],
): TestStream {
  const stream = world.subscribe(info);
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "t"));
  agent.work();
  agent.update(stream, "t", "TASK_RUNNING");
  acknowledge(world, agent, stream);
  forget(stream);
  return stream;
}

function acknowledge(world: World, agent: TestAgent, stream: TestStream): void {
  const { task_id, uuid = "" } = lastStatus(stream);
  const agent_id = { value: agent.id ?? "" };
  world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
  agent.work();
}

function agentCommandKinds(agent: TestAgent): string[] {
  return agent.commands().map(({ command }) => command.kind);
}

describe("registration", () => {
  test("nothing is said or offered before the registry has the agent [semantics 2.3]", () => {
    const world = new World();
    const stream = world.subscribe();
    world.holdsCommits = true;
    const agent = world.addAgent();
    expect(agent.link.messages).toEqual([]);
    expect(world.state.agents.size).toBe(0);
    world.releaseCommits();
    expect(world.registry.admitted.size).toBe(1);
    expect(agent.link.messages[0]).toEqual({
      kind: "registered",
      agentId: `${MASTER_ID}-S0`,
      totalPingTimeoutMs: 75_000,
      isReregistration: false,
    });
    expect(offersOf(stream)).toHaveLength(1);
  });

  test("an agent that hung up before it heard its id leaves nothing behind", () => {
    const world = new World();
    world.holdsCommits = true;
    const agent = world.addAgent();
    agent.disconnect();
    world.releaseCommits();
    expect(world.registry.admitted.size).toBe(0);
    expect(world.state.agents.size).toBe(0);
  });

  test("registering twice over one link gets the same id [semantics 2.3]", () => {
    const world = new World();
    const agent = world.addAgent();
    const { id = "" } = agent;
    agent.id = undefined;
    agent.register();
    expect(String(agent.id)).toBe(id);
    expect(world.state.agents.size).toBe(1);
  });

  test("invalid resources are refused with the field's name", () => {
    const world = new World();
    const agent = new TestAgent(world, "host", resourcesOf("cpus:-1"));
    agent.connect();
    const [answer] = agent.link.messages;
    expect(answer).toMatchObject({ kind: "refused" });
    expect(answer?.kind === "refused" ? answer.message : "").toContain("agentInfo.resources");
  });

  test("what a returning agent tells of its tasks is looked at before it counts", () => {
    const world = new World();
    const [cpu] = resourcesOf("cpus:1");
    const framework_id = { value: "f" };
    const framework = { id: framework_id, user: "nobody", name: "f" };
    const report = (resource: object, info: object = framework): unknown[] => {
      const agent_id = { value: "old-S1" };
      const resources = [{ ...cpu, ...resource } as Resource];
      const task = { name: "t", task_id: { value: "t" }, framework_id, agent_id, resources };
      const agent = new TestAgent(world, "host", resourcesOf("cpus:4"));
      agent.id = agent_id.value;
      agent.connect({
        frameworks: [info as FrameworkInfo],
        tasks: [{ task: { ...task, state: "TASK_RUNNING" } }],
      });
      return agent.link.messages;
    };
    const refused = (why: string): object[] => [
      { kind: "refused", message: expect.stringContaining(why) },
    ];
    expect(report({ scalar: { value: -1 } })).toEqual(refused("Resource cpus is -1"));
    expect(report({ type: "TEXT" })).toEqual(refused("has type TEXT"));
    expect(report({ allocation_info: { role: "" } })).toEqual(refused("must not be empty"));
    expect(report({}, { ...framework, role: "" })).toEqual(refused("must not be empty"));
    expect(report({}, { user: "nobody", name: "f" })).toEqual(refused("without an id"));
    expect(world.state.frameworks.size).toBe(0);
    expect(report({})[0]).toMatchObject({ kind: "registered" });
  });

  test("a gone agent is shut down [semantics 2.3 rule 5]", () => {
    const registry = emptyRegistry();
    registry.gone.set("S9", { sinceMs: 1 });
    const world = new World({}, registry);
    const agent = new TestAgent(world, "host", resourcesOf("cpus:1"));
    agent.id = "S9";
    agent.connect();
    expect(agent.link.messages).toEqual([
      { kind: "shutdown", message: "Agent has been marked gone" },
    ]);
  });

  test("a new agent at the address of one that is away replaces it [semantics 2.6]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.disconnect();
    const fresh = new TestAgent(world, agent.hostname, agent.resources);
    fresh.connect();
    expect(fresh.id).not.toBe(agent.id);
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_LOST",
      reason: "REASON_AGENT_REMOVED",
    });
    expect([...world.registry.admitted.keys()]).toEqual([fresh.id ?? ""]);
  });

  test("a message before registration is answered by a ping that says so [semantics 2.5]", () => {
    const world = new World();
    const link = world.openLink();
    world.tell(link, { kind: "commandDone", number: 1 });
    expect(link.messages).toEqual([{ kind: "ping", number: 0, connected: false }]);
  });

  test("the newer of two links counts, the older is closed [semantics 2.4]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    const old = agent.link;
    agent.connect();
    expect(old.closedWith).toBe("replaced by a newer link");
    expect(world.state.agents.get(brand(agent.id ?? ""))?.linkId).toBe(agent.link.id);
    world.closeLink(old);
    expect(world.state.agents.get(brand(agent.id ?? ""))?.linkId).toBe(agent.link.id);
    expect(statusesOf(stream)).toEqual([]);
  });

  test("a link over which several agents register is that of the first alone", () => {
    const world = new World();
    const agents = [world.addAgent(), world.addAgent()] as const;
    for (const agent of agents) {
      agent.disconnect();
      agent.resources = resourcesOf("cpus:8;mem:4096");
    }
    const [first, second] = agents;
    world.holdsCommits = true;
    first.connect();
    second.link = first.link;
    second.register();
    const third = new TestAgent(world, "third", resourcesOf("cpus:1"));
    third.link = first.link;
    third.register();
    world.releaseCommits();
    const { id } = first.link;
    expect(world.state.links.get(id)?.agentId).toBe(brand(first.id ?? ""));
    const owners = [...world.state.agents.values()].filter(({ linkId }) => linkId === id);
    expect(owners).toHaveLength(1);
    expect(world.registry.admitted.size).toBe(2);
  });

  test("a second registration while the first is being written takes its place", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    agent.disconnect();
    agent.resources = resourcesOf("cpus:8;mem:4096");
    world.holdsCommits = true;
    agent.connect();
    agent.disconnect();
    agent.connect();
    world.releaseCommits();
    expect(agent.link.messages[0]).toMatchObject({ kind: "registered", isReregistration: true });
    expect(world.state.agents.get(brand(agent.id ?? ""))?.total.scalarMilli("cpus")).toBe(8000);
  });

  test("an agent that registers beside its open link is offered while that is being written", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096");
    const stream = world.subscribe(CHECKPOINT);
    world.holdsCommits = true;
    agent.resources = resourcesOf("cpus:8;mem:4096");
    agent.connect();
    world.decline(stream, [lastOffer(stream)], 0);
    world.advance(2000);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "t"));
    forget(stream);
    world.releaseCommits();
    agent.work();
    expect([...agent.tasks.keys()]).toEqual([`${stream.frameworkId}/t`]);
    world.advance(2000);
    expect(statusesOf(stream)).toEqual([]);
    expect(scalarsOf(lastOffer(stream))).toMatchObject({ cpus: 7 });
  });

  test("an unregistered agent is removed and its tasks are lost [semantics 2.6]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, { ...CHECKPOINT, ...PARTITION_AWARE });
    world.tell(agent.link, { kind: "unregister" });
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_LOST",
      reason: "REASON_AGENT_REMOVED",
    });
    expect(stream.events.at(-1)?.failure).toEqual({ agent_id: { value: agent.id ?? "" } });
    expect(world.registry.admitted.size).toBe(0);
  });
});

describe("health", () => {
  for (const [info, state] of [
    [{}, "TASK_LOST"],
    [PARTITION_AWARE, "TASK_UNREACHABLE"],
  ] as const) {
    test(`after 75 s of silence a task is ${state} [semantics 10.10]`, () => {
      const world = new World();
      const agent = world.addAgent();
      const stream = running(world, agent, { ...CHECKPOINT, ...info });
      agent.link.answersPings = false;
      const silentMs = world.nowMs;
      world.advance(74_999);
      expect(statusesOf(stream)).toEqual([]);
      world.advance(20_000);
      const status = lastStatus(stream);
      expect(status).toMatchObject({
        state,
        reason: "REASON_AGENT_REMOVED",
        source: "SOURCE_MASTER",
      });
      expect(status.uuid).toBeUndefined();
      const unreachableMs = (status.unreachable_time?.nanoseconds ?? 0) / 1e6;
      expect(unreachableMs - silentMs).toBeWithin(75_000, 90_001);
      expect(world.registry.unreachable.has(agent.id ?? "")).toBe(true);
      expect(eventTypes(stream)).toContain("FAILURE");
      const framework = world.state.frameworks.get(brand(stream.frameworkId));
      expect(framework?.unreachableTasks.size).toBe(1);
    });
  }

  test("an answer after the fourth missed ping saves the agent [semantics 10.11]", () => {
    const world = new World();
    const agent = world.addAgent();
    agent.link.answersPings = false;
    world.advance(70_000);
    world.tell(agent.link, { kind: "pong", number: 1 });
    agent.link.answersPings = true;
    world.advance(600_000);
    expect(world.state.agents.size).toBe(1);
  });

  test("an agent without room is not offered until it has some again [DESIGN 9]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    world.tell(agent.link, { kind: "pong", number: 1, shortage: "the disk is full" });
    expect(eventTypes(stream)).toContain("RESCIND");
    forget(stream);
    world.advance(10_000);
    expect(offersOf(stream)).toEqual([]);
    world.tell(agent.link, { kind: "pong", number: 1 });
    world.advance(10_000);
    expect(offersOf(stream)).toHaveLength(1);
    world.tell(agent.link, { kind: "pong", number: 1, shortage: "the disk is full" });
    forget(stream);
    agent.register();
    world.advance(10_000);
    expect(offersOf(stream)).toHaveLength(1);
  });

  test("nobody hears of it before the registry does [semantics 2.6]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.link.answersPings = false;
    world.holdsCommits = true;
    world.advance(95_000);
    expect(statusesOf(stream)).toEqual([]);
    agent.register();
    expect(agent.link.messages.at(-1)).toMatchObject({ kind: "refused" });
    world.releaseCommits();
    expect(statusesOf(stream)).toHaveLength(1);
    expect(agent.link.closedWith).toBe("agent unreachable");
  });

  test("its return shows each task as it is, without a uuid [semantics 10.12]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, { ...CHECKPOINT, ...PARTITION_AWARE });
    agent.disconnect();
    world.advance(100_000);
    expect(world.state.agents.size).toBe(0);
    forget(stream);
    agent.connect();
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_RUNNING",
      reason: "REASON_AGENT_REREGISTERED",
      source: "SOURCE_MASTER",
      message: "Unreachable agent re-reregistered",
    });
    expect(lastStatus(stream).uuid).toBeUndefined();
    expect(world.registry.unreachable.size).toBe(0);
    const framework = world.state.frameworks.get(brand(stream.frameworkId));
    expect([framework?.tasks.size, framework?.unreachableTasks.size]).toEqual([1, 0]);
  });

  test("a task that did not come back with its agent is asked for", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, { ...CHECKPOINT, ...PARTITION_AWARE });
    agent.disconnect();
    world.advance(100_000);
    agent.tasks.clear();
    agent.connect();
    expect(agent.orders("reconcileTasks")[0]?.tasks).toEqual([
      { frameworkId: stream.frameworkId, taskId: "t", isPartitionAware: true },
    ]);
    agent.update(stream, "t", "TASK_DROPPED");
    const framework = world.state.frameworks.get(brand(stream.frameworkId));
    expect(framework?.unreachableTasks.size).toBe(0);
    expect(framework?.completedTasks.items()[0]?.state).toBe("TASK_DROPPED");
  });

  test("an agent that was asked for a task hears when the task's framework ends", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, { ...CHECKPOINT, ...PARTITION_AWARE });
    agent.link.answersPings = false;
    world.advance(100_000);
    agent.tasks.clear();
    agent.frameworks.clear();
    agent.connect();
    expect(agentCommandKinds(agent)).toEqual(["reconcileTasks"]);
    agent.work();
    world.call(stream, { type: "TEARDOWN" });
    expect(agentCommandKinds(agent)).toEqual(["reconcileTasks", "shutdownFramework"]);
  });

  test("a lost task that did not come back with its agent leaves its id free", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.link.answersPings = false;
    world.advance(100_000);
    expect(lastStatus(stream).state).toBe("TASK_LOST");
    agent.tasks.clear();
    forget(stream);
    agent.connect();
    const framework = world.state.frameworks.get(brand(stream.frameworkId));
    expect(framework?.unreachableTasks.size).toBe(0);
    expect(framework?.completedTasks.items()).toMatchObject([{ id: "t", state: "TASK_LOST" }]);
    world.advance(2000);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "t"));
    expect(statusesOf(stream)).toEqual([]);
    expect(agent.orders("runTask")).toHaveLength(1);
  });

  test("one that still ends a task whose ports another has already waits until it has", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:4096;ports:[1-2]");
    const use = "cpus:1;mem:128;ports:[1-2]";
    const first = world.subscribe();
    world.launch(first, lastOffer(first), taskFor(lastOffer(first), "t", use));
    agent.work();
    const ending = [...agent.tasks];
    const [info] = agent.frameworks.values();
    world.call(first, { type: "TEARDOWN" });
    const second = world.subscribe({ failover_timeout: 3600 });
    world.launch(second, lastOffer(second), taskFor(lastOffer(second), "u", use));
    agent.work();
    // A master that does not know that the first framework is over.
    const next = new World({}, world.registry);
    const returned = new TestAgent(next, agent.hostname, agent.resources);
    returned.id = agent.id;
    returned.epoch = "another master's";
    for (const [id, framework] of agent.frameworks) returned.frameworks.set(id, framework);
    returned.frameworks.set(first.frameworkId, must(info, "the first framework"));
    for (const [key, task] of [...ending, ...agent.tasks]) returned.tasks.set(key, task);
    returned.connect();
    expect(returned.link.messages).toEqual([
      { kind: "refused", message: expect.stringContaining("hold the same") },
    ]);
    for (const [key] of ending) returned.tasks.delete(key);
    returned.connect();
    expect(returned.link.messages[0]?.kind).toBe("registered");
  });

  test("unreachable and gone agents are forgotten by age and number [semantics 1.6 rule 5]", () => {
    const registry = emptyRegistry();
    for (const id of ["a", "b", "c"]) {
      const info = { hostname: "h", id: { value: id } };
      registry.unreachable.set(id, { info, sinceMs: 1_699_999_999_000, isDeactivated: false });
    }
    registry.gone.set("old", { sinceMs: 0 });
    const world = new World({ registryMaxAgentCount: 2 }, registry);
    world.advance(900_000);
    expect([...world.registry.unreachable.keys()]).toEqual(["b", "c"]);
    expect(world.registry.gone.size).toBe(0);
    expect([...world.state.unreachableAgents.keys()].map(String)).toEqual(["b", "c"]);
  });
});

describe("disconnection", () => {
  test("tasks of frameworks that do not checkpoint are lost at once [semantics 10.58]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, { failover_timeout: 60 });
    agent.disconnect();
    expect(statusesOf(stream)).toMatchObject([
      { state: "TASK_LOST", reason: "REASON_AGENT_DISCONNECTED", source: "SOURCE_MASTER" },
    ]);
    agent.connect();
    expect(agent.orders("shutdownFramework")).toHaveLength(1);
    expect(world.state.frameworks.get(brand(stream.frameworkId))?.tasks.size).toBe(0);
    agent.work();
    expect(agent.tasks.size).toBe(0);
  });

  test("such a task that ended is told as lost if its end was not shown before", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, {});
    const { frameworkId } = stream;
    const healthy = { task_id: { value: "t" }, state: "TASK_RUNNING", healthy: true } as const;
    const status = { ...healthy, uuid: uuidOf("healthy") };
    world.tell(agent.link, {
      kind: "statusUpdate",
      frameworkId,
      status,
      latestState: "TASK_FINISHED",
    });
    agent.disconnect();
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_LOST",
      reason: "REASON_AGENT_DISCONNECTED",
    });
    const framework = world.state.frameworks.get(brand(frameworkId));
    expect(framework?.completedTasks.items()).toMatchObject([{ state: "TASK_FINISHED" }]);
  });

  test("tasks of frameworks that checkpoint run on without a word [semantics 10.58]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.disconnect();
    world.advance(30_000);
    agent.connect();
    expect(statusesOf(stream)).toEqual([]);
    expect(world.state.frameworks.get(brand(stream.frameworkId))?.tasks.size).toBe(1);
    expect(agentCommandKinds(agent)).toEqual([]);
  });

  test("what the agent has not done is sent again in order, what it did is not", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe(CHECKPOINT);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    agent.work();
    world.call(stream, { type: "REVIVE" });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "b"));
    world.call(stream, { type: "KILL", kill: { task_id: { value: "a" } } });
    agent.disconnect();
    world.call(stream, { type: "KILL", kill: { task_id: { value: "b" } } });
    world.call(stream, { type: "KILL", kill: { task_id: { value: "b" } } });
    agent.connect();
    expect(agent.commands().map(({ number, command }) => [number, command.kind])).toEqual([
      [2, "runTask"],
      [3, "killTask"],
      [4, "killTask"],
    ]);
    expect(agent.orders("reconcileTasks")).toEqual([]);
  });

  test("what a scheduler repeats while the agent is away waits once, as it was asked for last", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe(CHECKPOINT);
    const agent_id = { value: agent.id ?? "" };
    const executor_id = { value: "e" };
    const offer = lastOffer(stream);
    const custom = { executor: { executor_id, command: { value: "run" } }, command: undefined };
    world.launch(stream, offer, taskFor(offer, "t", "cpus:1;mem:128", custom));
    agent.work();
    agent.disconnect();
    const framework_id = { value: stream.frameworkId };
    const before = must(world.state.frameworks.get(brand(framework_id.value)), "framework").info;
    const executors = [
      { frameworkId: framework_id.value, executorInfo: { executor_id, framework_id } },
    ];
    for (const nanoseconds of [3e9, 2e9, 1e9]) {
      const kill_policy = { grace_period: { nanoseconds } };
      world.call(stream, { type: "KILL", kill: { task_id: { value: "t" }, kill_policy } });
      world.call(stream, { type: "SHUTDOWN", shutdown: { agent_id, executor_id } });
      const framework_info = { ...before, name: `after-${nanoseconds}` };
      const update = { type: "UPDATE_FRAMEWORK", update_framework: { framework_info } } as const;
      expect(world.call(stream, update)).toEqual(SUCCESS);
    }
    agent.connect({ executors });
    expect(agentCommandKinds(agent)).toEqual(["killTask", "shutdownExecutor", "updateFramework"]);
    expect(agent.commands().map(({ number }) => number)).toEqual([2, 3, 4]);
    expect(agent.orders("killTask")[0]?.killPolicy?.grace_period?.nanoseconds).toBe(1e9);
    expect(agent.orders("updateFramework")[0]?.framework.name).toBe("after-1000000000");
    agent.disconnect();
    const kill_policy = { grace_period: { nanoseconds: 0 } };
    world.call(stream, { type: "KILL", kill: { task_id: { value: "t" }, kill_policy } });
    agent.connect({ executors });
    // The first may have been carried out.
    expect(agent.commands().map(({ number }) => number)).toEqual([2, 3, 4, 5]);
  });

  test("a kill counts beside one that was meant for an earlier task of the same id", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    const kill = { type: "KILL", kill: { task_id: { value: "t" } } } as const;
    world.call(stream, kill);
    agent.update(stream, "t", "TASK_FINISHED");
    const { task_id, uuid = "" } = lastStatus(stream);
    const agent_id = { value: agent.id ?? "" };
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    world.advance(10_000);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "t"));
    agent.disconnect();
    world.call(stream, kill);
    world.call(stream, kill);
    agent.connect();
    const order = ["killTask", "acknowledgeUpdate", "runTask", "killTask"];
    expect(agentCommandKinds(agent)).toEqual(order);
  });

  test("tasks the agent does not report and was not about to start are asked for [semantics 2.4]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.disconnect();
    agent.tasks.clear();
    agent.connect();
    expect(agent.orders("reconcileTasks")[0]?.tasks).toEqual([
      { frameworkId: stream.frameworkId, taskId: "t", isPartitionAware: false },
    ]);
    agent.update(stream, "t", "TASK_LOST", { reason: "REASON_RECONCILIATION" });
    expect(world.state.agents.get(brand(agent.id ?? ""))?.used.size).toBe(0);
  });

  test("a framework that ended meanwhile ends on the agent [semantics 2.4]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = running(world, agent, CHECKPOINT);
    agent.disconnect();
    world.call(stream, { type: "TEARDOWN" });
    agent.connect();
    expect(agent.orders("shutdownFramework")).toHaveLength(1);
  });
});

describe("a new master", () => {
  test("agents bring back frameworks and tasks, and nobody is told anything [semantics 1.6]", () => {
    const before = new World();
    const agent = before.addAgent();
    const stream = running(before, agent, CHECKPOINT);
    const world = new World({ info: { id: "new-master", ip: 0, port: 5050 } }, before.registry);
    expect(world.state.recoveredAgents.size).toBe(1);
    const returned = new TestAgent(world, agent.hostname, agent.resources);
    returned.id = agent.id;
    for (const [key, task] of agent.tasks) returned.tasks.set(key, task);
    for (const [key, info] of agent.frameworks) returned.frameworks.set(key, info);
    returned.lastCommand = agent.lastCommand;
    returned.connect();
    const framework = world.state.frameworks.get(brand(stream.frameworkId));
    expect(framework?.isRecovered).toBe(true);
    expect(framework?.tasks.size).toBe(1);
    const again = world.subscribe({ ...CHECKPOINT, id: { value: stream.frameworkId } });
    expect(eventTypes(again)).toEqual(["SUBSCRIBED", "HEARTBEAT", "OFFERS"]);
    expect(again.frameworkId).toBe(stream.frameworkId);
    world.call(again, { type: "KILL", kill: { task_id: { value: "t" } } });
    expect(returned.commands().map(({ number }) => number)).toEqual([1]);
  });

  test("an agent that stays away is unreachable after 10 min, without task updates [semantics 10.14]", () => {
    const before = new World();
    const agent = before.addAgent();
    const old = running(before, agent, CHECKPOINT);
    const world = new World({}, before.registry);
    const stream = world.subscribe({ ...CHECKPOINT, id: { value: old.frameworkId } });
    world.advance(599_999);
    expect(world.registry.unreachable.size).toBe(0);
    world.advance(1);
    expect(world.registry.unreachable.size).toBe(1);
    expect(statusesOf(stream)).toEqual([]);
    expect(stream.events.some(({ type }) => type === "FAILURE")).toBe(true);
  });

  test("nothing is answered before the registry is loaded [http-api 2.2]", () => {
    const core = newCore();
    const call = { framework_id: { value: "f" }, type: "REVIVE" } as const;
    const names = { requestId: 1, streamId: undefined, principal: undefined };
    expect(core.step({ kind: "schedulerCall", call, ...names }, 1)).toMatchObject([
      { kind: "respond", outcome: { error: { code: "notReady" } } },
    ]);
    const streamId = brand<StreamId>("s");
    const subscribe = { framework_info: { user: "u", name: "n" } };
    expect(
      core.step({ kind: "subscribe", streamId, subscribe, principal: undefined }, 1),
    ).toMatchObject([{ event: { type: "ERROR" } }, { kind: "closeStream" }]);
  });

  test("a task id that was used again meanwhile is ended on the agent that returns", () => {
    const before = new World();
    const away = before.addAgent();
    const old = running(before, away, CHECKPOINT);
    const world = new World({ info: { id: "new-master", ip: 0, port: 5050 } }, before.registry);
    const here = world.addAgent();
    const stream = world.subscribe({ ...CHECKPOINT, id: { value: old.frameworkId } });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
    const returned = new TestAgent(world, away.hostname, away.resources);
    returned.id = away.id;
    for (const [key, task] of away.tasks) returned.tasks.set(key, task);
    for (const [key, info] of away.frameworks) returned.frameworks.set(key, info);
    returned.connect();
    expect(returned.orders("killTask")).toHaveLength(1);
    returned.update(stream, "t", "TASK_KILLED");
    const framework = world.state.frameworks.get(brand(stream.frameworkId));
    expect(framework?.tasks.get(brand("t"))?.agentId).toBe(brand(here.id ?? ""));
    expect(framework?.tasks.get(brand("t"))?.state).toBe("TASK_STAGING");
    expect(world.state.agents.get(brand(away.id ?? ""))?.used.size).toBe(0);
  });
});
