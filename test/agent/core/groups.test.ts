/** Task groups of the built-in default executor: a container per task, one fate per group. */
import { describe, expect, test } from "bun:test";
import type { ExecutorInfo, FrameworkInfo, Resource } from "../../../src/protocol/v1/types.ts";
import { AgentHarness, commandTask, framework } from "./agent-harness.ts";

const F = "f";
const EXECUTOR: ExecutorInfo = {
  type: "DEFAULT",
  executor_id: { value: "e" },
  framework_id: { value: F },
  resources: [{ name: "cpus", type: "SCALAR", scalar: { value: 0.1 } }],
};

function launch(
  agent: AgentHarness,
  ids: readonly string[],
  launchesExecutor = true,
  changes: Partial<FrameworkInfo> = {},
): void {
  const tasks = ids.map((id) => commandTask(id, { executor: EXECUTOR }));
  agent.command({
    kind: "runTaskGroup",
    framework: framework(F, changes),
    executor: EXECUTOR,
    taskGroup: { tasks },
    launchesExecutor,
  });
}

/** All of a group run, and the framework knows it. */
function running(...ids: string[]): AgentHarness {
  const agent = AgentHarness.registered();
  launch(agent, ids);
  for (const id of ids) {
    agent.launched(F, `e/${id}`);
    agent.update(F, id, "TASK_RUNNING", { executorId: `e/${id}` });
    agent.acknowledge(F, id);
  }
  agent.take();
  return agent;
}

const end = (agent: AgentHarness, id: string, state: "TASK_FINISHED" | "TASK_FAILED"): void => {
  agent.update(F, id, state, { executorId: `e/${id}` });
  agent.terminated(F, `e/${id}`, state === "TASK_FINISHED" ? 0 : 1);
};

describe("a group of the default executor", () => {
  test("gets a container for each task, all of one executor to the outside [semantics 7.2]", () => {
    const agent = AgentHarness.registered();
    launch(agent, ["a", "b"]);
    const launches = agent
      .takeEffects()
      .flatMap((effect) => (effect.kind === "launchContainer" ? [effect.launch] : []));
    expect(launches.map(({ commandTask: task }) => task?.task_id.value)).toEqual(["a", "b"]);
    const runs = "/work/slaves/master-1-S0/frameworks/f/executors/e/runs";
    const parents = launches.map(({ directory, containerId, executor }) => {
      expect(executor.executor_id.value).toBe("e");
      expect(directory).toEndWith(`/containers/${containerId}`);
      return directory.slice(0, -`/containers/${containerId}`.length);
    });
    expect(parents[0]).toStartWith(`${runs}/`);
    expect(parents[1]).toBe(parents[0]);
    agent.launched(F, "e/a");
    agent.update(F, "a", "TASK_RUNNING", { executorId: "e/a" });
    const [status] = agent.core.state.streams.get(`${F}/a`)?.pending ?? [];
    expect(status?.status.executor_id).toEqual({ value: "e" });
    expect(status?.status.container_status?.container_id).toEqual({
      value: agent.containerOf(F, "e/a"),
      parent: { value: parents[0]?.slice(runs.length + 1) ?? "" },
    });
  });

  test("gives what its executor asked for to one container alone, but what is shared to each [semantics 7.2]", () => {
    const scalar = (name: string, value: number): Resource => ({
      name,
      type: "SCALAR",
      scalar: { value },
    });
    const ports: Resource = {
      name: "ports",
      type: "RANGES",
      ranges: { range: [{ begin: 31000, end: 31001 }] },
    };
    const own = [scalar("cpus", 0.1), scalar("mem", 32), scalar("gpus", 1)];
    const shared = [scalar("disk", 10), ports];
    const executor = { ...EXECUTOR, resources: [...own, ...shared] };
    const given = (
      agent: AgentHarness,
      ids: readonly string[],
      share_cgroups: boolean,
    ): unknown[] => {
      const container = { type: "MESOS" as const, linux_info: { share_cgroups } };
      const tasks = ids.map((id) =>
        commandTask(id, { executor, container, resources: [scalar("cpus", 1)] }),
      );
      agent.command({
        kind: "runTaskGroup",
        framework: framework(F),
        executor,
        taskGroup: { tasks },
        launchesExecutor: agent.core.state.containers.size === 0,
      });
      return agent
        .takeEffects()
        .flatMap((effect) => (effect.kind === "launchContainer" ? [effect.launch.resources] : []));
    };
    const agent = AgentHarness.registered();
    expect(given(agent, ["a", "b"], true)).toEqual([
      [...own, ...shared, scalar("cpus", 1)],
      [...shared, scalar("cpus", 1)],
    ]);
    expect(given(agent, ["c"], true)).toEqual([[...shared, scalar("cpus", 1)]]);
    // With cgroups of its own a task has what it asked for; devices are not theirs.
    expect(given(AgentHarness.registered(), ["a", "b"], false)).toEqual([
      [scalar("gpus", 1), ...shared, scalar("cpus", 1)],
      [...shared, scalar("cpus", 1)],
    ]);
  });

  test("is killed as a whole when one of its tasks fails [semantics 10.65]", () => {
    const agent = running("a", "b", "c");
    end(agent, "b", "TASK_FAILED");
    expect(agent.take()).toEqual([
      "update b TASK_FAILED SOURCE_EXECUTOR",
      "event e/a KILL",
      "event e/c KILL",
    ]);
  });

  test("goes on when one of its tasks is done [semantics 7.2]", () => {
    const agent = running("a", "b");
    end(agent, "a", "TASK_FINISHED");
    expect(agent.take()).toEqual(["update a TASK_FINISHED SOURCE_EXECUTOR"]);
  });

  test("does not touch other groups of its executor [semantics 10.65]", () => {
    const agent = running("a", "b");
    launch(agent, ["c"], false);
    agent.launched(F, "e/c");
    agent.take();
    end(agent, "a", "TASK_FAILED");
    expect(agent.take()).toEqual(["update a TASK_FAILED SOURCE_EXECUTOR", "event e/b KILL"]);
  });

  test("is killed as a whole with one task, also before it runs [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    launch(agent, ["a", "b"]);
    agent.take();
    agent.command({ kind: "killTask", frameworkId: F, taskId: "a" });
    expect(agent.take()).toEqual(["event e/a KILL", "destroy"]);
    agent.terminated(F, "e/a", 0);
    expect(agent.take()).toEqual([
      "update a TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH",
      "event e/b KILL",
      "destroy",
    ]);
  });

  test("ends its executor with its last container, once [semantics 7.2]", () => {
    const agent = running("a", "b");
    end(agent, "a", "TASK_FINISHED");
    expect(agent.take()).not.toContain("executorExited");
    end(agent, "b", "TASK_FINISHED");
    expect(agent.take()).toContain("executorExited");
    agent.acknowledge(F, "a");
    agent.acknowledge(F, "b");
    expect(agent.core.state.frameworks.size).toBe(0);
    launch(agent, ["c"], false);
    expect(agent.take()).toContain("update c TASK_LOST SOURCE_AGENT REASON_EXECUTOR_TERMINATED");
  });

  test("is shut down by its executor's id [http-api 4.2]", () => {
    const agent = running("a", "b");
    agent.command({ kind: "shutdownExecutor", frameworkId: F, executorId: "e" });
    expect(agent.take()).toEqual(["event e/a SHUTDOWN", "event e/b SHUTDOWN"]);
  });

  test("is told to a master as one executor with its tasks [semantics 2.3]", () => {
    const agent = running("a", "b");
    agent.input({ kind: "linkDown" });
    agent.connect("master-2");
    const [register] = agent.sent();
    if (register?.kind !== "register") throw new Error("a registration is expected");
    expect(register.executors).toEqual([{ frameworkId: F, executorInfo: EXECUTOR }]);
    expect(register.tasks.map(({ task }) => [task.task_id.value, task.executor_id?.value])).toEqual(
      [
        ["a", "e"],
        ["b", "e"],
      ],
    );
  });

  test("outlives the agent, and still shares one fate afterwards [semantics 7.7]", () => {
    const agent = running("a", "b");
    const alive = [agent.containerOf(F, "e/a"), agent.containerOf(F, "e/b")];
    agent.crash();
    agent.recover(alive);
    agent.connect();
    expect(agent.take()).toEqual([
      "adopt e/a running=true",
      "adopt e/b running=true",
      "register tasks=[a:TASK_RUNNING:TASK_RUNNING b:TASK_RUNNING:TASK_RUNNING] last=3",
    ]);
    end(agent, "a", "TASK_FAILED");
    expect(agent.take()).toEqual(["update a TASK_FAILED SOURCE_EXECUTOR", "event e/b KILL"]);
  });

  test("whose container cannot be launched fails as a whole [semantics 7.2]", () => {
    const agent = AgentHarness.registered();
    launch(agent, ["a", "b"]);
    agent.launched(F, "e/b");
    agent.take();
    const containerId = agent.containerOf(F, "e/a") as never;
    agent.input({ kind: "containerLaunchFailed", containerId, message: "no such user" });
    expect(agent.take()).toEqual([
      "update a TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED",
      "event e/b KILL",
    ]);
  });
});
