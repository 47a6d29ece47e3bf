/**
 * The operators' event stream: a snapshot, then every change of tasks, agents and frameworks, and
 * nothing made while nobody listens.
 */
import { describe, expect, test } from "bun:test";
import type { MasterEvent } from "../../../src/protocol/v1/types.ts";
import {
  lastOffer,
  lastStatus,
  newCore,
  START_MS,
  type TestOperator,
  taskFor,
  World,
} from "./harness.ts";

const typesOf = (operator: TestOperator): (string | undefined)[] =>
  operator.events.map(({ type }) => type);

/** What has come since the last call. */
function take(operator: TestOperator): MasterEvent[] {
  return operator.events.splice(0);
}

describe("subscription", () => {
  test("the whole state comes first, then a heartbeat at once and each 15 s [http-api 3.4, 6.3]", () => {
    const world = new World();
    const agent = world.addAgent();
    const operator = world.operatorSubscribe();
    expect(typesOf(operator)).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
    expect(operator.events[0]?.subscribed).toMatchObject({
      heartbeat_interval_seconds: 15,
      get_state: {
        get_agents: { agents: [{ agent_info: { id: { value: agent.id } } }] },
        get_tasks: { tasks: [], completed_tasks: [], unreachable_tasks: [] },
      },
    });
    take(operator);
    world.advance(45_000);
    expect(typesOf(operator)).toEqual(["HEARTBEAT", "HEARTBEAT", "HEARTBEAT"]);
  });

  test("beyond the limit the oldest stream is closed [flag max_operator_event_stream_subscribers]", () => {
    const world = new World({ maxOperatorStreams: 2 });
    const streams = [0, 1, 2].map(() => world.operatorSubscribe());
    expect(streams.map(({ isClosed }) => isClosed)).toEqual([true, false, false]);
    expect(world.state.operatorStreams.size).toBe(2);
    expect(typesOf(streams[2] as TestOperator)).toEqual(["SUBSCRIBED", "HEARTBEAT"]);
  });

  test("a limit of 0 lets nobody in", () => {
    const world = new World({ maxOperatorStreams: 0 });
    const operator = world.operatorSubscribe();
    expect(operator).toMatchObject({ isClosed: true, events: [] });
  });

  test("before the registry is loaded the stream is closed", () => {
    const streamId = "early" as never;
    expect(newCore().step({ kind: "operatorSubscribe", streamId }, START_MS)).toEqual([
      { kind: "closeOperatorStream", streamId },
    ]);
  });

  test("a stream that was closed gets no more, and with none left no event is made", () => {
    const world = new World();
    const operator = world.operatorSubscribe();
    world.step({ kind: "operatorStreamClosed", streamId: operator.id });
    world.step({ kind: "operatorStreamClosed", streamId: operator.id });
    take(operator);
    world.addAgent();
    world.subscribe();
    world.advance(60_000);
    expect(operator.events).toEqual([]);
  });
});

describe("events", () => {
  test("agents are added with what they have and removed by id [http-api 6.3]", () => {
    const world = new World();
    const operator = world.operatorSubscribe();
    take(operator);
    const agent = world.addAgent("cpus:4;mem:4096");
    expect(take(operator)).toMatchObject([
      {
        type: "AGENT_ADDED",
        agent_added: {
          agent: {
            agent_info: { id: { value: agent.id } },
            active: true,
            total_resources: [{ name: "cpus", scalar: { value: 4 } }, { name: "mem" }],
          },
        },
      },
    ]);
    const agent_id = { value: agent.id ?? "" };
    world.operatorCall({ type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id } });
    expect(take(operator)).toEqual([{ type: "AGENT_REMOVED", agent_removed: { agent_id } }]);
  });

  test("a known agent that only lost its connection is neither removed nor added", () => {
    const world = new World();
    const agent = world.addAgent();
    const operator = world.operatorSubscribe();
    take(operator);
    agent.disconnect();
    agent.connect();
    expect(take(operator)).toEqual([]);
  });

  test("a framework is added, updated when it changes or comes and goes, and removed [http-api 6.3]", () => {
    const world = new World();
    const operator = world.operatorSubscribe();
    take(operator);
    const info = {
      name: "one",
      failover_timeout: 60,
      capabilities: [{ type: "MULTI_ROLE" }],
    } as const;
    const stream = world.subscribe(info);
    const id = { value: stream.frameworkId };
    const [added] = take(operator);
    expect(added).toMatchObject({
      type: "FRAMEWORK_ADDED",
      framework_added: {
        framework: {
          framework_info: { id, name: "one" },
          active: true,
          connected: true,
          recovered: false,
          registered_time: { nanoseconds: world.nowMs * 1e6 },
          reregistered_time: { nanoseconds: 0 },
          unregistered_time: { nanoseconds: 0 },
        },
      },
    });
    expect(added?.framework_added?.framework).not.toHaveProperty("allocated_resources");
    const framework_info = { user: "nobody", ...info, id, roles: ["web"] };
    world.call(stream, { type: "UPDATE_FRAMEWORK", update_framework: { framework_info } });
    world.call(stream, { type: "UPDATE_FRAMEWORK", update_framework: { framework_info } });
    expect(take(operator)).toMatchObject([
      {
        type: "FRAMEWORK_UPDATED",
        framework_updated: { framework: { framework_info: { roles: ["web"] } } },
      },
    ]);
    world.hangUp(stream);
    expect(take(operator)).toMatchObject([
      { type: "FRAMEWORK_UPDATED", framework_updated: { framework: { connected: false } } },
    ]);
    const back = world.subscribe({ ...info, id, roles: ["web"] });
    expect(take(operator)).toMatchObject([
      { type: "FRAMEWORK_UPDATED", framework_updated: { framework: { connected: true } } },
    ]);
    world.call(back, { type: "TEARDOWN" });
    expect(take(operator)).toMatchObject([
      { type: "FRAMEWORK_REMOVED", framework_removed: { framework_info: { id } } },
    ]);
  });

  test("a framework without failover timeout that hangs up is removed at once", () => {
    const world = new World();
    const operator = world.operatorSubscribe();
    const stream = world.subscribe();
    take(operator);
    world.hangUp(stream);
    expect(typesOf(operator)).toEqual(["FRAMEWORK_REMOVED"]);
  });

  test("a task is added at launch and updated once per new state, with its status [http-api 6.3]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    const operator = world.operatorSubscribe();
    take(operator);
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    const added = take(operator);
    expect(added).toMatchObject([
      {
        type: "TASK_ADDED",
        task_added: { task: { task_id: { value: "a" }, state: "TASK_STAGING", statuses: [] } },
      },
    ]);
    agent.work();
    agent.update(stream, "a", "TASK_RUNNING");
    agent.update(stream, "a", "TASK_RUNNING", { healthy: true });
    agent.update(stream, "a", "TASK_FINISHED");
    expect(take(operator)).toMatchObject([
      {
        type: "TASK_UPDATED",
        task_updated: {
          framework_id: { value: stream.frameworkId },
          state: "TASK_RUNNING",
          status: { task_id: { value: "a" }, state: "TASK_RUNNING", source: "SOURCE_EXECUTOR" },
        },
      },
      { task_updated: { state: "TASK_FINISHED" } },
    ]);
    expect(added[0]?.task_added?.task.statuses).toEqual([]);
    const { task_id, uuid = "" } = lastStatus(stream);
    const agent_id = { value: agent.id ?? "" };
    world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
    expect(take(operator)).toEqual([]);
  });

  test("the newest state is told beside the status that is on its way [http-api 6.3]", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe();
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    const operator = world.operatorSubscribe();
    take(operator);
    world.tell(agent.link, {
      kind: "statusUpdate",
      frameworkId: stream.frameworkId,
      status: { task_id: { value: "a" }, state: "TASK_RUNNING" },
      latestState: "TASK_FAILED",
    });
    expect(take(operator)).toMatchObject([
      { task_updated: { state: "TASK_FAILED", status: { state: "TASK_RUNNING" } } },
    ]);
  });

  test("a lost agent's tasks are updated before it is removed, and added when it is back", () => {
    const world = new World();
    const agent = world.addAgent();
    const stream = world.subscribe({ checkpoint: true, failover_timeout: 3600 });
    const offer = lastOffer(stream);
    world.launch(stream, offer, taskFor(offer, "a"));
    agent.work();
    agent.update(stream, "a", "TASK_RUNNING");
    const operator = world.operatorSubscribe();
    take(operator);
    agent.link.answersPings = false;
    world.advance(100_000);
    const isBeat = ({ type }: MasterEvent): boolean => type === "HEARTBEAT";
    expect(take(operator).filter((event) => !isBeat(event))).toMatchObject([
      { type: "TASK_UPDATED", task_updated: { state: "TASK_LOST" } },
      { type: "AGENT_REMOVED" },
    ]);
    agent.connect();
    expect(typesOf(operator).filter((type) => type !== "HEARTBEAT")).toEqual([
      "TASK_ADDED",
      "AGENT_ADDED",
    ]);
  });

  test("a framework that an agent brought along is told as recovered", () => {
    const old = new World();
    const agent = old.addAgent();
    const stream = old.subscribe({ checkpoint: true, failover_timeout: 3600 });
    const offer = lastOffer(stream);
    old.launch(stream, offer, taskFor(offer, "a"));
    agent.work();
    const world = new World({}, old.registry);
    const operator = world.operatorSubscribe();
    take(operator);
    const link = world.openLink();
    world.tell(link, {
      kind: "register",
      agentInfo: {
        hostname: agent.hostname,
        port: 5051,
        resources: agent.resources,
        id: { value: agent.id ?? "" },
      },
      version: "1.12.0",
      capabilities: [],
      lastCommand: 0,
      epoch: agent.epoch,
      frameworks: [...agent.frameworks.values()],
      executors: [],
      tasks: [...agent.tasks.values()].map((task) => ({ task })),
      checkpointedResources: [],
      operations: [],
    });
    expect(operator.events).toMatchObject([
      {
        type: "FRAMEWORK_ADDED",
        framework_added: { framework: { recovered: true, connected: false } },
      },
      { type: "TASK_ADDED" },
      { type: "AGENT_ADDED" },
    ]);
  });
});
