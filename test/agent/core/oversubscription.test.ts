/** More than the agent has: what is estimated, told and taken back. */
import { describe, expect, test } from "bun:test";
import type { ContainerTermination } from "../../../src/agent/core/container-termination.ts";
import {
  fixedEstimator,
  oversubscribedBy,
  usageEstimator,
} from "../../../src/agent/core/oversubscription/estimators.ts";
import {
  loadController,
  pressureController,
} from "../../../src/agent/core/oversubscription/qos-controllers.ts";
import {
  type ContainerUse,
  given,
  type Usage,
} from "../../../src/agent/core/oversubscription/usage.ts";
import { agentMetrics } from "../../../src/agent/core/views/metrics.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import type { ExecutorInfo, Resource, TaskInfo } from "../../../src/protocol/v1/types.ts";
import {
  AgentHarness,
  agentOptions,
  commandTask,
  framework,
  PARTITION_AWARE,
} from "./agent-harness.ts";

const F = "f";

function cpus(value: number): Resource {
  return { name: "cpus", type: "SCALAR", scalar: { value } };
}

function revocable(value: number): Resource {
  return { ...cpus(value), revocable: {} };
}

function use(id: string, resources: readonly Resource[], cpuSeconds?: number): ContainerUse {
  return { containerId: brand<ContainerId>(id), resources, cpuSeconds };
}

function usage(containers: readonly ContainerUse[], changes: Partial<Usage> = {}): Usage {
  const load = { fiveMinutes: 0, fifteenMinutes: 0 };
  const inUse = containers
    .flatMap(({ resources }) => resources)
    .filter(({ revocable: mark }) => mark !== undefined);
  return { atMs: 0, containers, inUse, load, pressure: undefined, ...changes };
}

function amountOf(resources: readonly Resource[]): number {
  return resources.reduce((sum, { scalar }) => sum + (scalar?.value ?? 0), 0);
}

function memory(value: number): Resource {
  return { name: "mem", type: "SCALAR", scalar: { value } };
}

/** A QoS controller wants the container of that executor to end. */
function correct(agent: AgentHarness, executorId: string): void {
  const containerIds = [brand<ContainerId>(agent.containerOf(F, executorId))];
  agent.input({ kind: "qosCorrections", containerIds });
}

/** Its container was destroyed. */
function killed(agent: AgentHarness, executorId: string): void {
  const containerId = brand<ContainerId>(agent.containerOf(F, executorId));
  const termination = { exit: { kind: "signaled", signal: 9 } } as const;
  agent.input({ kind: "containerTerminated", containerId, termination });
}

function runGroup(agent: AgentHarness, executor: ExecutorInfo, tasks: readonly TaskInfo[]): void {
  agent.command({
    kind: "runTaskGroup",
    framework: framework(F),
    executor,
    taskGroup: { tasks },
    launchesExecutor: true,
  });
}

describe("estimators", () => {
  test("a fixed amount less what is in use; never below nothing [semantics 8.1]", () => {
    const estimate = fixedEstimator([cpus(4)]);
    expect(estimate(usage([]))).toMatchObject([{ name: "cpus", scalar: { value: 4 } }]);
    expect(estimate(usage([]))[0]?.revocable).toBeDefined();
    expect(amountOf(estimate(usage([use("a", [revocable(1.5)]), use("b", [cpus(3)])])))).toBe(2.5);
    expect(estimate(usage([use("a", [revocable(9)])]))).toEqual([]);
  });

  test("with what is in use by the same look are all there is [semantics 8.1]", () => {
    const estimate = fixedEstimator([cpus(4)]);
    expect(amountOf(oversubscribedBy(estimate, usage([use("a", [revocable(1.5)])])))).toBe(4);
    expect(amountOf(oversubscribedBy(estimate, usage([use("a", [revocable(5)])])))).toBe(5);
  });

  test("see what a default executor holds once, however many tasks it has", () => {
    const agent = AgentHarness.registered();
    const executor = {
      type: "DEFAULT",
      executor_id: { value: "e" },
      resources: [revocable(0.5), memory(32)],
    } as const;
    const tasks = ["a", "b"].map((id) =>
      commandTask(id, { executor, resources: [revocable(1), memory(8)] }),
    );
    runGroup(agent, executor, tasks);
    const { containers, inUse } = given(agent.core.state.containers.values());
    expect(amountOf(inUse)).toBe(2.5);
    expect(containers.map(({ resources }) => amountOf(resources))).toEqual([41.5, 9]);
  });

  test("processors that were given and idle at the busiest moment of the window", () => {
    const estimate = usageEstimator();
    expect(estimate(usage([use("a", [cpus(4)], 0)]))).toEqual([]);
    // 4 given, a fifth of it kept, 1 used.
    const idle = usage([use("a", [cpus(4)], 10)], { atMs: 10_000 });
    expect(amountOf(estimate(idle))).toBe(2.2);
    const busy = usage([use("a", [cpus(4)], 30)], { atMs: 20_000 });
    expect(amountOf(estimate(busy))).toBe(1.2);
    const quiet = usage([use("a", [cpus(4)], 30)], { atMs: 30_000 });
    expect(amountOf(estimate(quiet))).toBe(1.2);
    const later = usage([use("a", [cpus(4)], 30)], { atMs: 400_000 });
    expect(amountOf(estimate(later))).toBe(3.2);
  });

  test("what is given already is not given twice; what is not measured counts as busy", () => {
    const estimate = usageEstimator();
    const given = [use("a", [cpus(4)], 0), use("r", [revocable(2)], 0), use("b", [cpus(8)])];
    estimate(usage(given));
    expect(amountOf(estimate(usage(given, { atMs: 1000 })))).toBe(1.2);
  });
});

describe("QoS controllers", () => {
  const containers = [use("a", [revocable(1)]), use("b", [cpus(1)]), use("c", [revocable(1)])];

  test("load above a threshold ends all on revocable resources [semantics 8.4]", () => {
    const correct = loadController({ fiveMinutes: 4, fifteenMinutes: undefined });
    const at = (fiveMinutes: number): readonly string[] =>
      correct(usage(containers, { load: { fiveMinutes, fifteenMinutes: 99 } }));
    expect(at(4)).toEqual([]);
    expect(at(4.1)).toEqual(["a", "c"]);
  });

  test("pressure ends the newest; where it is unknown nobody", () => {
    const correct = pressureController({ cpu: 50, memory: 10 });
    const at = (pressure: Usage["pressure"]): readonly string[] =>
      correct(usage(containers, { pressure }));
    expect(at({ cpu: 51, memory: 0 })).toEqual(["c"]);
    expect(at({ cpu: 0, memory: 11 })).toEqual(["c"]);
    expect(at({ cpu: 50, memory: 10 })).toEqual([]);
    expect(at(undefined)).toEqual([]);
  });
});

describe("an agent that gives more than it has", () => {
  test("tells its master what is in use and what is left, when that changed [semantics 8.1]", () => {
    const agent = AgentHarness.registered();
    agent.input({ kind: "oversubscribable", resources: [revocable(2), revocable(1)] });
    const [told, ...others] = agent.sent();
    expect(told).toMatchObject({ kind: "oversubscribedChanged" });
    expect(others).toEqual([]);
    expect(amountOf(agent.core.state.oversubscribed)).toBe(3);
    agent.input({ kind: "oversubscribable", resources: [revocable(3)] });
    expect(agent.sent()).toEqual([]);
  });

  test("tells what it found while it waited for the answer to its registration", () => {
    const agent = new AgentHarness();
    agent.recover();
    agent.input({ kind: "linkUp", epoch: "m" });
    agent.input({ kind: "oversubscribable", resources: [revocable(2)] });
    expect(agent.sent().map(({ kind }) => kind)).toEqual(["register"]);
    const message = { agentId: "a", totalPingTimeoutMs: 75_000, isReregistration: false };
    agent.input({ kind: "masterMessage", message: { kind: "registered", ...message } });
    const changes = agent.sent().filter(({ kind }) => kind === "oversubscribedChanged");
    expect(changes).toMatchObject([{ resources: [{ scalar: { value: 2 } }] }]);
  });

  test("tells it again with the next registration", () => {
    const agent = AgentHarness.registered();
    agent.input({ kind: "linkDown" });
    agent.input({ kind: "oversubscribable", resources: [revocable(2)] });
    expect(agent.sent()).toEqual([]);
    agent.connect();
    const registration = agent.sent().find((message) => message.kind === "register");
    expect(amountOf(registration?.oversubscribedResources ?? [])).toBe(2);
  });

  test("preempts what runs on revocable resources and nothing else [semantics 8.4]", () => {
    const agent = AgentHarness.registered();
    const info = framework(F, PARTITION_AWARE);
    agent.runToRunning(info, commandTask("r", { resources: [revocable(1)] }));
    agent.runToRunning(info, commandTask("t"));
    const containerIds = ["r", "t"].map((id) => brand<ContainerId>(agent.containerOf(F, id)));
    agent.input({ kind: "qosCorrections", containerIds });
    expect(agent.take()).toEqual(["destroy"]);
    agent.input({ kind: "qosCorrections", containerIds });
    expect(agent.take()).toEqual([]);
    // The built-in executor sees nothing but a process that was killed.
    agent.update(F, "r", "TASK_FAILED", { reason: "REASON_COMMAND_EXECUTOR_FAILED" });
    expect(agent.take()).toEqual([]);
    agent.terminated(F, "r", 9);
    expect(agent.take()).toContain("update r TASK_GONE SOURCE_AGENT REASON_CONTAINER_PREEMPTED");
    expect(agent.core.state.counters["slave/executors_preempted"]).toBe(1);
  });

  test("believes a task that was done before it could be preempted", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("r", { resources: [revocable(1)] }));
    const containerIds = [brand<ContainerId>(agent.containerOf(F, "r"))];
    agent.input({ kind: "qosCorrections", containerIds });
    agent.update(F, "r", "TASK_FINISHED");
    expect(agent.take()).toContain("update r TASK_FINISHED SOURCE_EXECUTOR");
  });

  test("ends a default executor as a whole, at once and for one reason [semantics 8.4]", () => {
    const agent = AgentHarness.registered();
    const executor = { type: "DEFAULT", executor_id: { value: "e" } } as const;
    const ids = ["r", "s", "other"];
    const [r, s, other] = ids.map((id) =>
      commandTask(id, { executor, resources: [id === "r" ? revocable(1) : memory(8)] }),
    );
    runGroup(
      agent,
      executor,
      [r, s].filter((task) => task !== undefined),
    );
    runGroup(
      agent,
      executor,
      [other].filter((task) => task !== undefined),
    );
    for (const id of ids) agent.launched(F, `e/${id}`);
    agent.take();
    correct(agent, "e/r");
    expect(agent.take()).toEqual(["destroy", "destroy", "destroy"]);
    for (const id of ids) killed(agent, `e/${id}`);
    const preempted = "TASK_LOST SOURCE_AGENT REASON_CONTAINER_PREEMPTED";
    expect(agent.take()).toEqual([
      ...ids.map((id) => `update ${id} ${preempted}`),
      "executorExited",
    ]);
    expect(agent.core.state.counters["slave/executors_preempted"]).toBe(1);
  });

  test("takes no more tasks for an executor that it preempts [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    const executor = { type: "DEFAULT", executor_id: { value: "e" } } as const;
    const [r, late] = ["r", "late"].map((id) =>
      commandTask(id, { executor, resources: [revocable(1)] }),
    );
    runGroup(
      agent,
      executor,
      [r].filter((task) => task !== undefined),
    );
    agent.launched(F, "e/r");
    correct(agent, "e/r");
    agent.take();
    const group = { tasks: [late].filter((task) => task !== undefined) };
    agent.command({
      kind: "runTaskGroup",
      framework: framework(F),
      executor,
      taskGroup: group,
      launchesExecutor: false,
    });
    expect(agent.take()).toEqual(["update late TASK_LOST SOURCE_AGENT REASON_EXECUTOR_TERMINATED"]);
  });
});

describe("an agent that dies between a preemption and the container's end [semantics 8.4]", () => {
  const PREEMPTED = "update r TASK_LOST SOURCE_AGENT REASON_CONTAINER_PREEMPTED";

  /** The agent process is gone just after it decided. */
  function crashed(): { readonly agent: AgentHarness; readonly container: string } {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("r", { resources: [revocable(1)] }));
    const container = agent.containerOf(F, "r");
    correct(agent, "r");
    agent.crash();
    return { agent, container };
  }

  /** It starts again and finds that the container ended so. */
  function restarted(exit: ContainerTermination["exit"]): string[] {
    const { agent, container } = crashed();
    agent.recover([], new Map([[container, { exit }]]));
    agent.connect();
    return agent.take();
  }

  test("says why the task ended, once it is back", () => {
    expect(restarted({ kind: "signaled", signal: 9 })).toContain(PREEMPTED);
    expect(restarted({ kind: "unknown", message: "nobody saw it" })).toContain(PREEMPTED);
  });

  test("ends a container that still runs, and says why", () => {
    const { agent, container } = crashed();
    agent.recover([container]);
    agent.connect();
    expect(agent.take()).toContain("destroy");
    // Its executor, which is new, sees nothing but a process that was killed.
    agent.update(F, "r", "TASK_FAILED", { reason: "REASON_COMMAND_EXECUTOR_FAILED" });
    killed(agent, "r");
    expect(agent.take()).toEqual([PREEMPTED]);
  });

  test("believes a task that was done before it could be preempted", () => {
    const lines = restarted({ kind: "exited", code: 0 });
    expect(lines).toContain("update r TASK_FINISHED SOURCE_EXECUTOR");
  });

  test("says so too of one that was never seen to run", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("r", { resources: [revocable(1)] }));
    correct(agent, "r");
    agent.crash();
    agent.recover();
    agent.connect();
    expect(agent.take()).toContain(PREEMPTED);
  });
});

test("what runs beyond an agent's own resources need not fit into them [semantics 7.7]", () => {
  const agent = AgentHarness.registered();
  agent.runToRunning(framework(F), commandTask("r", { resources: [revocable(1)] }));
  const next = new AgentHarness(agentOptions({ reconfigurationPolicy: "fitting" }));
  next.input({
    kind: "recovered",
    checkpoint: agent.disk.load(),
    bootId: agent.bootId,
    alive: new Set([agent.containerOf(F, "r")]),
    terminations: new Map(),
  });
  expect(next.take()).toEqual(["adopt r running=true"]);
});

test("figures tell what there is beyond the agent's own, and what of it is used [metrics.json]", () => {
  const agent = AgentHarness.registered();
  const figures = (name: string): readonly (number | undefined)[] => {
    const metrics = agentMetrics(agent.core.state, 0);
    return ["total", "used", "percent"].map((what) => metrics[`slave/${name}_${what}`]);
  };
  expect(figures("cpus_revocable")).toEqual([0, 0, 0]);
  agent.input({ kind: "oversubscribable", resources: [revocable(1.5), revocable(0.5)] });
  agent.runToRunning(framework(F), commandTask("r", { resources: [revocable(0.5), memory(8)] }));
  expect(figures("cpus_revocable")).toEqual([2, 0.5, 0.25]);
  expect(figures("cpus")).toEqual([4, 0, 0]);
  expect(figures("mem_revocable")).toEqual([0, 0, 0]);
  expect(figures("mem")).toEqual([1024, 8, 8 / 1024]);
});
