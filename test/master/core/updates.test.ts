/** Updates and their acknowledgements, reconciliation, kills. */
import { describe, expect, test } from "bun:test";
import { brand, type StreamId } from "../../../src/base/ids.ts";
import type { MasterInput } from "../../../src/master/core/inputs.ts";
import { RECONCILED_PER_STEP_MAX } from "../../../src/master/core/limits.ts";
import type { FrameworkInfo } from "../../../src/protocol/v1/types.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import {
  forget,
  lastOffer,
  lastStatus,
  SUCCESS,
  statusesOf,
  type TestAgent,
  type TestStream,
  taskFor,
  World,
} from "./harness.ts";

const PARTITION_AWARE = { capabilities: [{ type: "PARTITION_AWARE" }] } as const;

interface Scene {
  readonly world: World;
  readonly agent: TestAgent;
  readonly stream: TestStream;
}

/** A framework with the task `t`, started. */
function scene(info: Partial<FrameworkInfo> = {}): Scene {
  const world = new World();
  const agent = world.addAgent();
  const stream = world.subscribe({ checkpoint: true, failover_timeout: 60, ...info });
  world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "t"));
  agent.work();
  return { world, agent, stream };
}

function acknowledge({ world, agent, stream }: Scene, uuid: string): void {
  const agent_id = { value: agent.id ?? "" };
  const task_id = { value: "t" };
  world.call(stream, { type: "ACKNOWLEDGE", acknowledge: { agent_id, task_id, uuid } });
}

function framework({ world, stream }: Scene) {
  return world.state.frameworks.get(brand(stream.frameworkId));
}

describe("updates", () => {
  test("an update is shown each time the agent sends it, with its uuid [semantics 10.47]", () => {
    const { agent, stream } = scene();
    agent.update(stream, "t", "TASK_RUNNING");
    agent.update(stream, "t", "TASK_RUNNING");
    const [first, second] = statusesOf(stream);
    expect(first?.uuid).toBeDefined();
    expect(second?.uuid).toBe(first?.uuid ?? "");
    expect(first?.agent_id?.value).toBe(agent.id ?? "");
  });

  test("a disconnected framework gets nothing [semantics 6.4 rule 5]", () => {
    const { world, agent, stream } = scene();
    world.hangUp(stream);
    agent.update(stream, "t", "TASK_RUNNING");
    expect(statusesOf(stream)).toEqual([]);
    const again = world.subscribe({ id: { value: stream.frameworkId }, failover_timeout: 60 });
    agent.update(stream, "t", "TASK_RUNNING");
    expect(statusesOf(again)).toHaveLength(1);
  });

  test("a task that ended is listed until its last update is acknowledged [semantics 10.49]", () => {
    const all = scene();
    const { world, agent, stream } = all;
    agent.update(stream, "t", "TASK_FINISHED");
    expect(framework(all)?.tasks.get(brand("t"))?.state).toBe("TASK_FINISHED");
    expect(world.state.agents.get(brand(agent.id ?? ""))?.used.size).toBe(0);
    acknowledge(all, "AAAAAAAAAAAAAAAAAAAAAA==");
    expect(framework(all)?.tasks.size).toBe(1);
    acknowledge(all, lastStatus(stream).uuid ?? "");
    expect(framework(all)?.tasks.size).toBe(0);
    expect(
      framework(all)
        ?.completedTasks.items()
        .map(({ id }) => String(id)),
    ).toEqual(["t"]);
    expect(agent.orders("acknowledgeUpdate").at(-1)?.uuid).toBe(lastStatus(stream).uuid ?? "");
  });

  test("resources return with the newest state, before the framework saw it [semantics 6.4 rule 5]", () => {
    const all = scene();
    const { world, agent, stream } = all;
    const status = {
      task_id: { value: "t" },
      state: "TASK_RUNNING",
      uuid: "AAAAAAAAAAAAAAAAAAAAAA==",
    } as const;
    const { frameworkId } = stream;
    const latestState = "TASK_FAILED";
    world.tell(agent.link, { kind: "statusUpdate", frameworkId, status, latestState });
    expect(world.state.agents.get(brand(agent.id ?? ""))?.used.size).toBe(0);
    expect(framework(all)?.tasks.get(brand("t"))?.state).toBe("TASK_FAILED");
    acknowledge(all, status.uuid);
    expect(framework(all)?.tasks.size).toBe(1);
  });

  test("an acknowledgement for an agent that is away is dropped [semantics 6.4 rule 5]", () => {
    const all = scene();
    const { world, agent, stream } = all;
    agent.update(stream, "t", "TASK_FINISHED");
    agent.disconnect();
    acknowledge(all, lastStatus(stream).uuid ?? "");
    expect(framework(all)?.tasks.size).toBe(1);
    expect(world.state.counters.get("master/invalid_status_update_acknowledgements")?.value).toBe(
      1,
    );
  });

  test("history keeps one status per run of equal states, without data [semantics 6.1]", () => {
    const all = scene();
    const { agent, stream } = all;
    agent.update(stream, "t", "TASK_STARTING");
    agent.update(stream, "t", "TASK_RUNNING", { healthy: false, data: "c2VjcmV0" });
    agent.update(stream, "t", "TASK_RUNNING", { healthy: true, data: "c2VjcmV0" });
    const task = framework(all)?.tasks.get(brand("t"));
    expect(task?.statuses.map(({ state }) => state)).toEqual(["TASK_STARTING", "TASK_RUNNING"]);
    expect(task?.statuses.at(-1)).toMatchObject({ healthy: true });
    expect(task?.statuses.at(-1)).not.toHaveProperty("data");
    expect(lastStatus(stream).data).toBe("c2VjcmV0");
  });

  test("after its end a task does not change state any more [semantics 6.1]", () => {
    const all = scene();
    const { agent, stream } = all;
    agent.update(stream, "t", "TASK_FINISHED");
    agent.update(stream, "t", "TASK_RUNNING");
    expect(framework(all)?.tasks.get(brand("t"))?.state).toBe("TASK_FINISHED");
  });

  test("TASK_KILLING passes as the agent sends it [semantics 10.53]", () => {
    const all = scene({ capabilities: [{ type: "TASK_KILLING_STATE" }] });
    all.agent.update(all.stream, "t", "TASK_KILLING");
    expect(lastStatus(all.stream).state).toBe("TASK_KILLING");
    expect(all.world.state.taskCounts.get("TASK_KILLING")).toBe(1);
  });

  test("messages pass both ways while both ends are there [http-api 4.2]", () => {
    const { world, agent, stream } = scene();
    const agent_id = { value: agent.id ?? "" };
    const message = { agent_id, executor_id: { value: "e" }, data: "aGk=" };
    expect(world.call(stream, { type: "MESSAGE", message })).toEqual(SUCCESS);
    expect(agent.orders("frameworkMessage")).toMatchObject([{ executorId: "e", data: "aGk=" }]);
    const { frameworkId } = stream;
    world.tell(agent.link, { kind: "executorMessage", frameworkId, executorId: "e", data: "aG8=" });
    expect(stream.events.at(-1)?.message).toEqual({ ...message, data: "aG8=" });
    agent.work();
    agent.disconnect();
    world.call(stream, { type: "MESSAGE", message });
    agent.connect();
    expect(agent.orders("frameworkMessage")).toEqual([]);
  });
});

describe("reconciliation", () => {
  test("many are answered for in several steps, and nobody any more on another stream [semantics 6.5]", () => {
    const world = new World();
    const { core } = world;
    // Past the harness, which lets timers fire at once.
    const statuses = (input: MasterInput): number =>
      core
        .step(input, world.nowMs)
        .filter((effect) => effect.kind === "sendEvent" && effect.event.type === "UPDATE").length;
    const framework_info = { user: "nobody", name: "many", failover_timeout: 60 };
    const streamId = brand<StreamId>("stream-many");
    core.step(
      { kind: "subscribe", streamId, subscribe: { framework_info }, principal: undefined },
      world.nowMs,
    );
    const [framework] = world.state.frameworks.values();
    const framework_id = { value: framework?.id ?? "" };
    const tasks = Array.from({ length: 2 * RECONCILED_PER_STEP_MAX + 5 }, (_, index) => ({
      task_id: { value: `t${index}` },
    }));
    const call = { framework_id, type: "RECONCILE", reconcile: { tasks } } as const;
    const ask = () =>
      statuses({ kind: "schedulerCall", requestId: 1, call, streamId, principal: undefined });
    const goOn = () => statuses({ kind: "timer", timer: { kind: "reconcile" } });
    expect([ask(), goOn(), goOn(), goOn()]).toEqual([
      RECONCILED_PER_STEP_MAX,
      RECONCILED_PER_STEP_MAX,
      5,
      0,
    ]);
    expect(ask()).toBe(RECONCILED_PER_STEP_MAX);
    core.step({ kind: "streamClosed", streamId }, world.nowMs);
    expect(goOn()).toBe(0);
    expect(world.state.reconciliations).toEqual([]);
  });

  test("an empty list names every task that is not completed, without uuid [semantics 10.51]", () => {
    const { world, agent, stream } = scene();
    agent.update(stream, "t", "TASK_RUNNING", { healthy: true });
    world.call(stream, { type: "REVIVE" });
    world.launch(stream, lastOffer(stream), taskFor(lastOffer(stream), "u"));
    agent.work();
    agent.update(stream, "u", "TASK_FINISHED");
    forget(stream);
    world.call(stream, { type: "RECONCILE", reconcile: {} });
    expect(statusesOf(stream)).toMatchObject([
      {
        task_id: { value: "t" },
        state: "TASK_RUNNING",
        reason: "REASON_RECONCILIATION",
        healthy: true,
      },
      { task_id: { value: "u" }, state: "TASK_FINISHED", source: "SOURCE_MASTER" },
    ]);
    expect(statusesOf(stream).every(({ uuid }) => uuid === undefined)).toBe(true);
  });

  for (const [info, isAware] of [
    [{}, false],
    [PARTITION_AWARE, true],
  ] as const) {
    const who = isAware ? "partition-aware" : "other";
    test(`unknown tasks are judged by their agent for ${who} frameworks [semantics 10.50, 6.5]`, () => {
      const registry = emptyRegistry();
      const infoOf = (id: string) => ({ hostname: id, id: { value: id } });
      registry.unreachable.set("away", {
        info: infoOf("away"),
        sinceMs: 1_699_999_999_000,
        isDeactivated: false,
      });
      registry.gone.set("gone", { sinceMs: 1_699_999_999_000 });
      const world = new World({}, registry);
      const agent = world.addAgent();
      const stream = world.subscribe(info);
      const ask = (agentId: string | undefined) => {
        const agent_id = agentId === undefined ? {} : { agent_id: { value: agentId } };
        const tasks = [{ task_id: { value: "x" }, ...agent_id }];
        world.call(stream, { type: "RECONCILE", reconcile: { tasks } });
        return lastStatus(stream);
      };
      const state = (aware: string) => (isAware ? aware : "TASK_LOST");
      expect(ask(agent.id ?? "")).toMatchObject({
        state: state("TASK_GONE"),
        reason: "REASON_RECONCILIATION",
      });
      expect(ask("away")).toMatchObject({
        state: state("TASK_UNREACHABLE"),
        unreachable_time: { nanoseconds: 1_699_999_999_000_000_000 },
      });
      expect(ask("gone")).toMatchObject({ state: state("TASK_GONE_BY_OPERATOR") });
      expect(ask("never-seen")).toMatchObject({ state: state("TASK_UNKNOWN") });
      expect(ask(undefined)).toMatchObject({ state: state("TASK_UNKNOWN") });
    });
  }

  test("while an agent may still come back there is no answer [semantics 6.5 rule 2]", () => {
    const registry = emptyRegistry();
    registry.admitted.set("r", {
      info: { hostname: "h", id: { value: "r" } },
      isDeactivated: false,
    });
    const world = new World({}, registry);
    const stream = world.subscribe();
    const task_id = { value: "x" };
    const tasks = [{ task_id, agent_id: { value: "r" } }, { task_id }];
    world.call(stream, { type: "RECONCILE", reconcile: { tasks } });
    world.call(stream, { type: "KILL", kill: { task_id } });
    expect(statusesOf(stream)).toEqual([]);
  });

  test("operations are unknown, whatever is asked [semantics 5]", () => {
    const { world, stream } = scene();
    forget(stream);
    const operations = [{ operation_id: { value: "o" } }];
    const call = { type: "RECONCILE_OPERATIONS", reconcile_operations: { operations } } as const;
    expect(world.call(stream, call)).toEqual(SUCCESS);
    expect(stream.events.map((event) => event.update_operation_status?.status.state)).toEqual([
      "OPERATION_UNKNOWN",
    ]);
  });

  test("many operations are answered for in several steps [semantics 5]", () => {
    const { world, stream } = scene();
    const operations = Array.from({ length: RECONCILED_PER_STEP_MAX + 1 }, (_, index) => ({
      operation_id: { value: `o${index}` },
    }));
    const framework_id = { value: stream.frameworkId };
    const reconcile_operations = { operations };
    const call = { framework_id, type: "RECONCILE_OPERATIONS", reconcile_operations } as const;
    // Past the harness, which lets timers fire at once.
    const ids = (input: MasterInput) =>
      world.core.step(input, world.nowMs).flatMap((effect) => {
        if (effect.kind !== "sendEvent") return [];
        return effect.event.update_operation_status?.status.operation_id?.value ?? [];
      });
    const { id: streamId } = stream;
    expect(
      ids({ kind: "schedulerCall", requestId: 1, call, streamId, principal: undefined }),
    ).toHaveLength(RECONCILED_PER_STEP_MAX);
    expect(ids({ kind: "timer", timer: { kind: "reconcile" } })).toEqual([
      `o${RECONCILED_PER_STEP_MAX}`,
    ]);
  });
});

describe("kill", () => {
  test("a kill reaches the agent with its policy [semantics 6.6]", () => {
    const { world, agent, stream } = scene();
    const kill_policy = { grace_period: { nanoseconds: 5 } };
    world.call(stream, { type: "KILL", kill: { task_id: { value: "t" }, kill_policy } });
    expect(agent.orders("killTask")).toEqual([
      { kind: "killTask", frameworkId: stream.frameworkId, taskId: "t", killPolicy: kill_policy },
    ]);
  });

  test("a kill that names another agent is ignored [semantics 6.5]", () => {
    const { world, agent, stream } = scene();
    const kill = { task_id: { value: "t" }, agent_id: { value: "x" } };
    world.call(stream, { type: "KILL", kill });
    expect(agent.orders("killTask")).toEqual([]);
  });

  test("a kill of an unknown task is a question about it [semantics 6.5]", () => {
    const { world, stream } = scene(PARTITION_AWARE);
    world.call(stream, { type: "KILL", kill: { task_id: { value: "x" } } });
    expect(lastStatus(stream)).toMatchObject({
      state: "TASK_UNKNOWN",
      reason: "REASON_RECONCILIATION",
    });
  });

  test("a kill waits for an agent that is away [semantics 6.6]", () => {
    const { world, agent, stream } = scene();
    agent.disconnect();
    world.call(stream, { type: "KILL", kill: { task_id: { value: "t" } } });
    agent.connect();
    expect(agent.orders("killTask")).toHaveLength(1);
  });

  test("an operator ends a task by its id alone when it is the only one", () => {
    const { world, agent, stream } = scene();
    expect(world.operatorKill("t", undefined, 1500)).toEqual(SUCCESS);
    expect(agent.orders("killTask")[0]?.killPolicy?.grace_period?.nanoseconds).toBe(1_500_000_000);
    expect(world.operatorKill("x")).toMatchObject({ error: { code: "notFound" } });
    const other = world.subscribe();
    world.launch(other, lastOffer(other), taskFor(lastOffer(other), "t"));
    world.call(stream, { type: "SUPPRESS" });
    world.advance(10_000);
    world.launch(other, lastOffer(other), taskFor(lastOffer(other), "t"));
    expect(world.operatorKill("t")).toMatchObject({ error: { code: "conflict" } });
    expect(world.operatorKill("t", other.frameworkId)).toEqual(SUCCESS);
  });

  test("SHUTDOWN of an unknown executor is ignored [http-api 4.2]", () => {
    const { world, agent, stream } = scene();
    const shutdown = { executor_id: { value: "e" }, agent_id: { value: agent.id ?? "" } };
    expect(world.call(stream, { type: "SHUTDOWN", shutdown })).toEqual(SUCCESS);
    expect(agent.orders("shutdownExecutor")).toEqual([]);
  });
});
