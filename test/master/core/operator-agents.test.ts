/** Operators' orders about agents: draining, deactivating, taking back, writing off. */
import { describe, expect, test } from "bun:test";
import { type Result, refuse } from "../../../src/base/result.ts";
import type { MasterCall } from "../../../src/protocol/v1/types.ts";
import {
  AGENT_CAPABILITIES,
  eventTypes,
  forget,
  lastOffer,
  lastStatus,
  offersOf,
  SUCCESS,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

const capabilities = [...AGENT_CAPABILITIES, { type: "AGENT_DRAINING" }] as const;

const idOf = (agent: TestAgent): { value: string } => ({ value: agent.id ?? "" });

function drain(world: World, agent: TestAgent, mark_gone = false): Result<void> {
  const drain_agent = { agent_id: idOf(agent), mark_gone };
  return world.operatorCall({ type: "DRAIN_AGENT", drain_agent });
}

function order(
  world: World,
  agent: TestAgent,
  type: "DEACTIVATE_AGENT" | "REACTIVATE_AGENT" | "MARK_AGENT_GONE",
): Result<void> {
  const call = { type, [type.toLowerCase()]: { agent_id: idOf(agent) } } as MasterCall;
  return world.operatorCall(call);
}

/** An agent that can drain, told to run task "a". */
function launched(): { world: World; agent: TestAgent; stream: TestStream } {
  const world = new World();
  const agent = world.addAgent("cpus:4;mem:1024", { capabilities });
  const stream = world.subscribe();
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "a"));
  return { world, agent, stream };
}

describe("draining", () => {
  test("offers are rescinded, the agent is told, and it is drained once nothing is left [semantics 10.17]", () => {
    const { world, agent, stream } = launched();
    agent.work();
    agent.update(stream, "a", "TASK_RUNNING");
    world.call(stream, { type: "REVIVE" });
    forget(stream);
    expect(drain(world, agent)).toEqual(SUCCESS);
    expect(eventTypes(stream)).toEqual(["RESCIND"]);
    expect(agent.orders("drain")).toMatchObject([{ config: { mark_gone: false } }]);
    const entry = () => [...world.state.agents.values()][0]?.drain?.state;
    expect(entry()).toBe("DRAINING");
    expect(order(world, agent, "REACTIVATE_AGENT")).toMatchObject({
      ok: false,
      error: { code: "invalid", message: expect.stringContaining("still in the DRAINING state") },
    });
    agent.work();
    agent.update(stream, "a", "TASK_KILLED");
    expect(entry()).toBe("DRAINING");
    const { task_id, uuid = "" } = lastStatus(stream);
    const agent_id = idOf(agent);
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    expect(entry()).toBe("DRAINED");
    expect(world.registry.admitted.get(agent.id ?? "")?.drain?.state).toBe("DRAINED");
    world.advance(10_000);
    expect(offersOf(stream)).toEqual([]);
    expect(order(world, agent, "REACTIVATE_AGENT")).toEqual(SUCCESS);
    world.advance(10_000);
    expect(offersOf(stream)).toHaveLength(1);
  });

  test("an agent whose last task goes with its framework is drained [semantics 2.7]", () => {
    const { world, agent, stream } = launched();
    drain(world, agent);
    world.call(stream, { type: "TEARDOWN" });
    expect(world.registry.admitted.get(agent.id ?? "")?.drain?.state).toBe("DRAINED");
  });

  test("an empty agent that drains to be gone is gone at once [semantics 2.7]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:4;mem:1024", { capabilities });
    expect(drain(world, agent, true)).toEqual(SUCCESS);
    expect(world.registry.gone.has(agent.id ?? "")).toBe(true);
    expect(agent.link.messages.at(-1)).toMatchObject({ kind: "shutdown" });
  });

  test("an agent that is ordered to be gone as its last task ends is gone, not just drained", () => {
    const { world, agent, stream } = launched();
    agent.work();
    drain(world, agent);
    agent.update(stream, "a", "TASK_KILLED");
    const { task_id, uuid = "" } = lastStatus(stream);
    world.holdsCommits = true;
    const drain_agent = { agent_id: idOf(agent), mark_gone: true };
    const call = { type: "DRAIN_AGENT", drain_agent } as const;
    world.post((requestId) => ({ kind: "operatorCall", requestId, call, principal: undefined }));
    const agent_id = idOf(agent);
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    world.releaseCommits();
    expect([...world.registry.gone.keys()]).toEqual([agent.id ?? ""]);
    expect(world.state.agents.size).toBe(0);
  });

  test("an agent that cannot, is unknown or is planned to be away does not drain [http-api 6.2]", () => {
    const world = new World();
    const old = world.addAgent();
    const incapable = drain(world, old);
    expect(incapable).toEqual(refuse("invalid", `Agent ${old.id} is not capable of draining`));
    const call = { type: "DRAIN_AGENT", drain_agent: { agent_id: { value: "x" } } } as const;
    expect(world.operatorCall(call)).toMatchObject({
      ok: false,
      error: {
        code: "invalid",
        field: "agent_id",
        message: expect.stringContaining("Unknown agent x"),
      },
    });
    const agent = world.addAgent("cpus:1", { capabilities });
    const machine_ids = [{ hostname: agent.hostname }];
    const windows = [{ machine_ids, unavailability: { start: { nanoseconds: 1 } } }];
    const update_maintenance_schedule = { schedule: { windows } };
    world.operatorCall({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
    expect(drain(world, agent)).toMatchObject({
      error: { message: expect.stringContaining("is part of a maintenance schedule") },
    });
  });

  test("an agent that leaves while it is to drain and be gone only leaves", () => {
    const world = new World();
    const agent = world.addAgent("cpus:1", { capabilities });
    world.holdsCommits = true;
    const drain_agent = { agent_id: idOf(agent), mark_gone: true };
    const call = { type: "DRAIN_AGENT", drain_agent } as const;
    world.step({ kind: "operatorCall", requestId: 1_000_000, call, principal: undefined });
    world.tell(agent.link, { kind: "unregister" });
    world.releaseCommits();
    expect(world.state.agents.size).toBe(0);
    expect(world.registry.gone.size).toBe(0);
  });

  test("a drain is remembered for an unreachable agent and told when it is back [semantics 2.7]", () => {
    const world = new World();
    const agent = world.addAgent("cpus:1", { capabilities });
    agent.link.answersPings = false;
    world.advance(100_000);
    expect(world.state.agents.size).toBe(0);
    expect(drain(world, agent)).toEqual(SUCCESS);
    expect(world.registry.unreachable.get(agent.id ?? "")?.drain?.state).toBe("DRAINING");
    agent.connect({ capabilities });
    expect(agent.orders("drain")).toHaveLength(1);
    expect(world.registry.admitted.get(agent.id ?? "")?.drain?.state).toBe("DRAINED");
  });
});

describe("taking back", () => {
  test("an agent that was away hears that it need not drain any more", () => {
    const world = new World();
    const agent = world.addAgent("cpus:1", { capabilities });
    drain(world, agent);
    agent.link.answersPings = false;
    world.advance(100_000);
    expect(order(world, agent, "REACTIVATE_AGENT")).toEqual(SUCCESS);
    agent.connect({ capabilities, isDraining: true });
    expect(agent.orders("drain")).toEqual([{ kind: "drain", config: undefined }]);
    agent.work();
    agent.disconnect();
    agent.connect({ capabilities });
    expect(agent.orders("drain")).toEqual([]);
  });
});

describe("deactivating", () => {
  test("stops offers and leaves tasks alone; it outlives the master [semantics 2.7]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    forget(stream);
    expect(order(world, agent, "DEACTIVATE_AGENT")).toEqual(SUCCESS);
    world.advance(10_000);
    expect(offersOf(stream)).toEqual([]);
    expect(statusesOf(stream)).toEqual([]);
    expect(
      new World({}, world.registry).state.recoveredAgents.get(agent.id as never),
    ).toMatchObject({
      isDeactivated: true,
    });
  });

  test("taking back an agent that is leaving offers nothing of it", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    order(world, agent, "DEACTIVATE_AGENT");
    forget(stream);
    world.holdsCommits = true;
    const reactivate_agent = { agent_id: idOf(agent) };
    const call = { type: "REACTIVATE_AGENT", reactivate_agent } as const;
    world.step({ kind: "operatorCall", requestId: 1_000_000, call, principal: undefined });
    world.tell(agent.link, { kind: "unregister" });
    world.advance(5000);
    world.releaseCommits();
    world.advance(10_000);
    expect(offersOf(stream)).toEqual([]);
    expect(world.state.agents.size).toBe(0);
  });

  test("only a deactivated agent is reactivated [http-api 6.2]", () => {
    const world = new World();
    expect(order(world, world.addAgent(), "REACTIVATE_AGENT")).toEqual(
      refuse("invalid", "Agent is not deactivated"),
    );
  });

  test("an agent that the registry let go of meanwhile is a conflict [http-api 2.3]", () => {
    const world = new World();
    const agent = world.addAgent();
    order(world, agent, "DEACTIVATE_AGENT");
    world.registry.admitted.delete(agent.id ?? "");
    expect(order(world, agent, "REACTIVATE_AGENT")).toEqual(
      refuse("conflict", "Agent removed while processing the call"),
    );
  });
});

/** An agent that runs task "a" of a framework that checkpoints and hears of partitions. */
function withTask(): { world: World; agent: TestAgent; stream: TestStream } {
  const world = new World();
  const agent = world.addAgent();
  const capabilities = [{ type: "PARTITION_AWARE" }] as const;
  const stream = world.subscribe({ capabilities, checkpoint: true });
  const offer = lastOffer(stream);
  world.launch(stream, offer, taskFor(offer, "a"));
  agent.work();
  return { world, agent, stream };
}

describe("writing off", () => {
  test("tasks are over, the process must end, and it never comes back [semantics 10.15]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe({ capabilities: [{ type: "PARTITION_AWARE" }] });
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    agent.work();
    expect(order(world, agent, "MARK_AGENT_GONE")).toEqual(SUCCESS);
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_GONE_BY_OPERATOR",
      reason: "REASON_AGENT_REMOVED_BY_OPERATOR",
    });
    agent.connect();
    expect(agent.link.messages.at(-1)).toMatchObject({ kind: "shutdown" });
  });

  test("tasks that did not come back with the agent are over too [semantics 2.6]", () => {
    const { world, agent, stream } = withTask();
    agent.link.answersPings = false;
    world.advance(100_000);
    agent.tasks.clear();
    agent.connect();
    expect(lastStatus(stream).state).toBe("TASK_UNREACHABLE");
    expect(order(world, agent, "MARK_AGENT_GONE")).toEqual(SUCCESS);
    expect(lastStatus(stream).state).toBe("TASK_GONE_BY_OPERATOR");
    const [framework] = world.state.frameworks.values();
    expect(framework?.unreachableTasks.size).toBe(0);
  });

  test("a task that had ended on an unreachable agent is not told of again", () => {
    const { world, agent, stream } = withTask();
    agent.update(stream, "a", "TASK_FINISHED");
    agent.link.answersPings = false;
    world.advance(100_000);
    expect(order(world, agent, "MARK_AGENT_GONE")).toEqual(SUCCESS);
    expect(statusesOf(stream).map(({ state }) => state)).toEqual(["TASK_FINISHED"]);
  });

  test("twice is once, an unknown one is not found [semantics 10.16]", () => {
    const world = new World();
    const agent = world.addAgent();
    order(world, agent, "MARK_AGENT_GONE");
    expect(order(world, agent, "MARK_AGENT_GONE")).toEqual(SUCCESS);
    const mark_agent_gone = { agent_id: { value: "x" } };
    expect(world.operatorCall({ type: "MARK_AGENT_GONE", mark_agent_gone })).toMatchObject({
      ok: false,
      error: { code: "notFound", message: "Agent 'x' not found" },
    });
  });
});
