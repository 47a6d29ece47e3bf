/** Scripts for the agent core: one behaviour each, read off the transcript of effects. */
import { describe, expect, test } from "bun:test";
import type { AgentOptions } from "../../../src/agent/core/agent-options.ts";
import { brand } from "../../../src/base/ids.ts";
import {
  AGENT_ID,
  AgentHarness,
  agentOptions,
  commandTask,
  customExecutor,
  EPOCH,
  framework,
  PARTITION_AWARE,
} from "./agent-harness.ts";

const F = "fw-1";

describe("registration", () => {
  test("an agent registers on each link and keeps the id it was given [semantics 2.3]", () => {
    const agent = new AgentHarness();
    agent.recover();
    expect(agent.take()).toEqual([]);
    agent.connect();
    expect(agent.take()).toEqual(["register tasks=[] last=0"]);
    expect(agent.disk.agentInfo?.id?.value).toBe(AGENT_ID);
    expect(agent.core.state.phase).toBe("running");
    agent.crash();
    agent.recover();
    agent.connect();
    const [register] = agent.sent();
    expect(register).toMatchObject({ kind: "register", agentInfo: { id: { value: AGENT_ID } } });
  });

  test("registration is repeated after 15 s, 30 s, 60 s until answered [semantics 2.3]", () => {
    const agent = new AgentHarness();
    agent.recover();
    agent.input({ kind: "linkUp", epoch: "m" });
    const times = [];
    for (let second = 0; second < 200; second++) {
      if (agent.take().length > 0) times.push(second);
      agent.advance(1000);
    }
    expect(times).toEqual([0, 15, 45, 105, 165]);
  });

  test("another id in the acknowledgement ends the process [semantics 2.3.6]", () => {
    const agent = AgentHarness.registered();
    agent.input({
      kind: "masterMessage",
      message: { kind: "registered", agentId: "X", totalPingTimeoutMs: 1, isReregistration: true },
    });
    expect(agent.take()).toEqual([
      `exit the master registered this agent as X, but it is ${AGENT_ID}`,
    ]);
  });

  test("silence for 75 s makes the agent look for the master anew [semantics 2.5]", () => {
    const agent = AgentHarness.registered();
    agent.advance(60_000);
    agent.input({ kind: "masterMessage", message: { kind: "ping", number: 1, connected: true } });
    agent.advance(74_999);
    expect(agent.take()).toEqual(["pong"]);
    agent.advance(1);
    expect(agent.take()).toEqual(["reconnect the master did not ping for 75000 ms"]);
    expect(agent.core.state.phase).toBe("disconnected");
  });

  test("a ping that says disconnected makes a running agent register again [semantics 2.5]", () => {
    const agent = AgentHarness.registered();
    agent.input({ kind: "masterMessage", message: { kind: "ping", number: 7, connected: false } });
    expect(agent.take()).toEqual([
      "pong",
      "reconnect the master does not count this agent as registered",
    ]);
  });

  test("shutdown ends all executors, then the process [semantics 2.8]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.input({ kind: "masterMessage", message: { kind: "shutdown", message: "gone" } });
    expect(agent.take()).toEqual(["event t SHUTDOWN"]);
    agent.terminated(F, "t", 0);
    expect(agent.take()).toEqual(["cleanup", "exit all executors of the shut down agent are over"]);
    expect(agent.disk.tasks.size).toBe(0);
  });
});

describe("commands", () => {
  test("a command that was carried out is only confirmed again [link-frames]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    expect(agent.take()).toEqual(["launch t"]);
    agent.command(
      { kind: "runTask", framework: framework(F), task: commandTask("t"), launchesExecutor: false },
      1,
    );
    expect(agent.sent()).toEqual([{ kind: "commandDone", number: 1 }]);
    expect(agent.disk.lastCommand).toBe(1);
  });

  test("a missing command makes the agent register anew [link-frames]", () => {
    const agent = AgentHarness.registered();
    agent.command(
      { kind: "runTask", framework: framework(F), task: commandTask("t"), launchesExecutor: false },
      2,
    );
    expect(agent.take()).toEqual(["reconnect command 1 is missing before command 2"]);
  });

  test("numbers of another epoch start again [link-frames]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.input({ kind: "linkDown" });
    agent.take();
    agent.connect("master-2");
    expect(agent.take()[0]).toEqual("register tasks=[t:TASK_STAGING:TASK_STAGING] last=0");
    agent.command(
      { kind: "runTask", framework: framework(F), task: commandTask("u"), launchesExecutor: false },
      1,
    );
    expect(agent.take()).toEqual(["launch u"]);
    expect(agent.disk).toMatchObject({ epoch: "master-2", lastCommand: 1 });
  });
});

describe("command tasks", () => {
  test("a task runs, ends and leaves nothing behind once acknowledged [semantics 6.4]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_STARTING");
    agent.update(F, "t", "TASK_RUNNING");
    expect(agent.take()).toEqual(["launch t", "update t TASK_STARTING SOURCE_EXECUTOR"]);
    agent.acknowledge(F, "t");
    expect(agent.take()).toEqual(["update t TASK_RUNNING SOURCE_EXECUTOR"]);
    agent.acknowledge(F, "t");
    agent.update(F, "t", "TASK_FINISHED", { message: "Command exited with status 0" });
    agent.terminated(F, "t", 0);
    expect(agent.take()).toEqual(["update t TASK_FINISHED SOURCE_EXECUTOR"]);
    agent.acknowledge(F, "t");
    expect(agent.take()).toEqual(["cleanup"]);
    const { disk } = agent;
    expect(
      [disk.frameworks, disk.executors, disk.tasks, disk.updates].map((map) => map.size),
    ).toEqual([0, 0, 0, 0]);
    expect(agent.core.state.completedFrameworks[0]?.executors[0]?.tasks[0]?.state).toBe(
      "TASK_FINISHED",
    );
  });

  test("the sandbox lies in the Mesos layout and the executor is generated [semantics 7.2, 7.5]", () => {
    const agent = AgentHarness.registered();
    const task = commandTask("t", { command: { value: "sleep 1000000000" } });
    agent.run(framework(F), task);
    const [effect] = agent.takeEffects();
    if (effect?.kind !== "launchContainer") throw new Error("no launch");
    const { launch } = effect;
    expect(launch.directory).toBe(
      `/work/slaves/${AGENT_ID}/frameworks/fw-1/executors/t/runs/${launch.containerId}`,
    );
    expect(launch.executor.name).toBe(
      "Command Executor (Task: t) (Command: sh -c 'sleep 100000...')",
    );
    expect(launch.executor.source).toBe("t");
    expect(launch.commandTask).toEqual(task);
    expect(launch.user).toBeUndefined();
  });

  test("the agent fills in what the executor cannot know [semantics 6.2]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.takeEffects();
    agent.update(F, "t", "TASK_RUNNING", { timestamp: 12.5 });
    const update = agent.sent().find((message) => message.kind === "statusUpdate");
    expect(update).toMatchObject({
      frameworkId: F,
      latestState: "TASK_RUNNING",
      status: {
        source: "SOURCE_EXECUTOR",
        agent_id: { value: AGENT_ID },
        executor_id: { value: "t" },
        timestamp: 12.5,
        container_status: {
          container_id: { value: agent.containerOf(F, "t") },
          executor_pid: 4242,
          network_infos: [{ ip_addresses: [{ ip_address: "127.0.0.1" }] }],
        },
      },
    });
  });

  test("a launch that fails is TASK_FAILED with CONTAINER_LAUNCH_FAILED [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.take();
    const containerId = agent.containerOf(F, "t") as never;
    agent.input({ kind: "containerLaunchFailed", containerId, message: "unknown user bob" });
    expect(agent.take()).toEqual([
      "update t TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED",
    ]);
    agent.acknowledge(F, "t");
    expect(agent.take()).toEqual(["cleanup"]);
  });

  test("a type of container that nobody runs is EXECUTOR_TERMINATED [semantics 7.10]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.take();
    const containerId = agent.containerOf(F, "t") as never;
    const message = "nobody runs it";
    agent.input({ kind: "containerLaunchFailed", containerId, message, isUnsupported: true });
    expect(agent.take()).toEqual(["update t TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED"]);
  });

  test("an isolator's verdict becomes the reason of the end [semantics 6.3, item 60]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.input({
      kind: "containerTerminated",
      containerId: agent.containerOf(F, "t") as never,
      termination: {
        exit: { kind: "signaled", signal: 9 },
        limitation: {
          reason: "REASON_CONTAINER_LIMITATION_MEMORY",
          message: "out of memory",
          resources: [{ name: "mem", type: "SCALAR", scalar: { value: 32 } }],
        },
      },
    });
    const [message] = agent.sent();
    expect(message).toMatchObject({
      status: {
        state: "TASK_FAILED",
        reason: "REASON_CONTAINER_LIMITATION_MEMORY",
        limitation: { resources: [{ name: "mem" }] },
      },
    });
  });

  test("an executor that dies without a word fails its task [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.input({
      kind: "containerTerminated",
      containerId: agent.containerOf(F, "t") as never,
      termination: { exit: { kind: "unknown", message: "keeper was killed" } },
    });
    expect(agent.take()).toEqual(["update t TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED"]);
  });

  test("a task with limits is refused where nothing enforces them [semantics 6.3, 6.7]", () => {
    const agent = AgentHarness.registered();
    const task = commandTask("t", { limits: { cpus: { value: 2 } } });
    agent.run(framework(F, PARTITION_AWARE), task);
    expect(agent.take()).toEqual(["update t TASK_DROPPED SOURCE_AGENT REASON_GC_ERROR"]);
    expect(agent.disk.frameworks.size).toBe(0);
    agent.acknowledge(F, "t");
    expect(agent.disk.updates.size).toBe(0);
  });

  test("a command task may not take the id of an executor [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.run(
      framework(F),
      commandTask("a", { executor: customExecutor("t"), command: undefined }),
    );
    agent.run(framework(F), commandTask("t"));
    expect(agent.take()).toEqual([
      "launch t",
      "update t TASK_LOST SOURCE_AGENT REASON_TASK_INVALID",
    ]);
  });
});

describe("updates", () => {
  test("an unacknowledged update is sent again after 10 s, 20 s, … 10 min, with the same uuid [item 47]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_RUNNING");
    const times: number[] = [];
    const uuids = new Set<string | undefined>();
    for (let second = 0; second <= 2000; second++) {
      if (second % 50 === 0) {
        agent.input({
          kind: "masterMessage",
          message: { kind: "ping", number: 1, connected: true },
        });
      }
      for (const message of agent.sent()) {
        if (message.kind !== "statusUpdate") continue;
        times.push(second);
        uuids.add(message.status.uuid);
      }
      agent.advance(1000);
    }
    expect(times).toEqual([0, 10, 30, 70, 150, 310, 630, 1230, 1830]);
    expect(uuids.size).toBe(1);
  });

  test("the second update waits for the first one's acknowledgement [item 48]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_RUNNING");
    agent.update(F, "t", "TASK_FINISHED");
    agent.terminated(F, "t", 0);
    expect(agent.take()).toEqual(["launch t", "update t TASK_RUNNING SOURCE_EXECUTOR"]);
    agent.advance(10_000);
    const [again] = agent.sent();
    expect(again).toMatchObject({
      latestState: "TASK_FINISHED",
      status: { state: "TASK_RUNNING" },
    });
    agent.acknowledge(F, "t");
    expect(agent.take()).toEqual(["update t TASK_FINISHED SOURCE_EXECUTOR"]);
  });

  test("a new head starts with the first delay again [semantics 6.4]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_STARTING");
    agent.update(F, "t", "TASK_RUNNING");
    agent.advance(35_000);
    agent.acknowledge(F, "t");
    agent.take();
    agent.advance(9_999);
    expect(agent.take()).toEqual([]);
    agent.advance(1);
    expect(agent.take()).toEqual(["update t TASK_RUNNING SOURCE_EXECUTOR"]);
  });

  test("heads wait while disconnected and all leave at registration [semantics 6.4]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("a"));
    agent.runToRunning(framework(F), commandTask("b"));
    agent.input({ kind: "linkDown" });
    for (const id of ["a", "b"]) {
      agent.update(F, id, "TASK_FINISHED");
      agent.terminated(F, id, 0);
    }
    agent.advance(100_000);
    expect(agent.take()).toEqual([]);
    agent.connect();
    expect(agent.take()).toEqual([
      "register tasks=[a:TASK_FINISHED:TASK_FINISHED b:TASK_FINISHED:TASK_FINISHED] last=4",
      "update a TASK_FINISHED SOURCE_EXECUTOR",
      "update b TASK_FINISHED SOURCE_EXECUTOR",
    ]);
  });

  test("an acknowledgement with another uuid changes nothing [semantics 6.4.2]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_RUNNING");
    agent.command({ kind: "acknowledgeUpdate", frameworkId: F, taskId: "t", uuid: "AAAA" });
    expect(agent.core.state.streams.get(`${F}/t`)?.pending.length).toBe(1);
  });

  test("a repeated update is acknowledged to the executor but not reported [semantics 6.4.2]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    const uuid = "AAAAAAAAAAAAAAAAAAAAAA==";
    agent.update(F, "t", "TASK_RUNNING", { uuid });
    agent.update(F, "t", "TASK_RUNNING", { uuid });
    agent.acknowledge(F, "t");
    agent.update(F, "t", "TASK_RUNNING", { uuid });
    const effects = agent.takeEffects();
    const events = effects.filter((effect) => effect.kind === "executorEvent");
    expect(events.length).toBe(3);
    expect(agent.core.state.streams.get(`${F}/t`)?.pending.length).toBe(0);
  });

  test("nothing follows a terminal update [semantics 6.1]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.update(F, "t", "TASK_FINISHED");
    agent.update(F, "t", "TASK_FAILED");
    agent.terminated(F, "t", 1);
    expect(agent.take()).toEqual(["update t TASK_FINISHED SOURCE_EXECUTOR"]);
    expect(agent.core.state.streams.get(`${F}/t`)?.pending.length).toBe(1);
  });

  test("a task nobody acknowledges keeps a bounded number of updates [limits]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    for (let count = 0; count < 1000; count++) {
      agent.update(F, "t", "TASK_RUNNING", { healthy: count % 2 === 0 });
    }
    agent.update(F, "t", "TASK_FINISHED");
    expect(agent.disk.updates.size).toBe(256);
    expect(
      [...agent.disk.updates.values()].map(({ sequence }) => sequence).sort((a, b) => a - b)[0],
    ).toBe(0);
  });
});

describe("kill", () => {
  test("a kill before the launch is told when the container is over, not while it may start [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.command({ kind: "killTask", frameworkId: F, taskId: "t" });
    expect(agent.take()).toEqual(["launch t", "event t KILL", "destroy"]);
    agent.launched(F, "t");
    expect(agent.take()).toEqual(["destroy"]);
    agent.terminated(F, "t", 0);
    expect(agent.take()).toEqual([
      "update t TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH",
    ]);
    agent.acknowledge(F, "t");
    expect(agent.take()).toEqual(["cleanup"]);
  });

  test("the grace is the call's, else the task's, else 3 s, or 5 s in Docker; later kills only shorten it [item 52]", () => {
    const agent = AgentHarness.registered();
    const policy = (seconds: number) => ({ grace_period: { nanoseconds: seconds * 1e9 } });
    agent.runToRunning(framework(F), commandTask("a"));
    agent.runToRunning(framework(F), commandTask("b", { kill_policy: policy(10) }));
    const docker = { container: { type: "DOCKER", docker: { image: "busybox" } } } as const;
    agent.runToRunning(framework(F), commandTask("c", docker));
    for (const taskId of ["a", "b", "c"]) {
      agent.command({ kind: "killTask", frameworkId: F, taskId });
    }
    expect(agent.take()).toEqual(["event a KILL", "event b KILL", "event c KILL"]);
    expect(agent.disk.tasks.get(`${F}/c`)?.kill?.graceMs).toBe(5000);
    expect(agent.disk.tasks.get(`${F}/a`)?.kill?.graceMs).toBe(3000);
    expect(agent.disk.tasks.get(`${F}/b`)?.kill?.graceMs).toBe(10_000);
    agent.command({ kind: "killTask", frameworkId: F, taskId: "b", killPolicy: policy(60) });
    expect(agent.disk.tasks.get(`${F}/b`)?.kill?.graceMs).toBe(10_000);
    agent.command({ kind: "killTask", frameworkId: F, taskId: "b", killPolicy: policy(1) });
    expect(agent.disk.tasks.get(`${F}/b`)?.kill?.graceMs).toBe(1000);
  });

  test("a kill of a task the agent lost is answered with EXECUTOR_TERMINATED [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F, PARTITION_AWARE), commandTask("t"));
    agent.command({ kind: "killTask", frameworkId: F, taskId: "other" });
    expect(agent.take()).toEqual([
      "update other TASK_DROPPED SOURCE_AGENT REASON_EXECUTOR_TERMINATED",
    ]);
  });
});

describe("frameworks", () => {
  test("a removed framework's executors get their grace and its updates are dropped [semantics 2.4]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.command({ kind: "shutdownFramework", frameworkId: F });
    expect(agent.take()).toEqual(["event t SHUTDOWN"]);
    agent.advance(5000);
    expect(agent.take()).toEqual(["destroy"]);
    agent.update(F, "t", "TASK_KILLED");
    agent.terminated(F, "t", 0);
    expect(agent.take()).toEqual(["cleanup"]);
    expect(agent.disk.frameworks.size + agent.disk.tasks.size + agent.disk.updates.size).toBe(0);
  });

  test("answers for tasks of a removed framework are not repeated for ever [semantics 2.4]", () => {
    const agent = AgentHarness.registered();
    const tasks = [{ frameworkId: F, taskId: "x", isPartitionAware: false }];
    agent.command({ kind: "reconcileTasks", tasks });
    agent.command({ kind: "shutdownFramework", frameworkId: F });
    agent.take();
    agent.advance(70_000);
    expect(agent.take()).toEqual([]);
    expect(agent.disk.updates.size).toBe(0);
  });

  test("a removed framework's ended tasks do not wait for acknowledgements [semantics 6.4.6]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.update(F, "t", "TASK_FINISHED");
    agent.terminated(F, "t", 0);
    agent.take();
    agent.command({ kind: "shutdownFramework", frameworkId: F });
    expect(agent.take()).toEqual(["cleanup"]);
    expect(agent.core.state.frameworks.size + agent.core.state.streams.size).toBe(0);
    expect(agent.disk.frameworks.size + agent.disk.tasks.size + agent.disk.updates.size).toBe(0);
  });

  test("unknown tasks of a reconciliation are answered reliably, known ones not [semantics 2.4]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.command({
      kind: "reconcileTasks",
      tasks: [
        { frameworkId: F, taskId: "t", isPartitionAware: false },
        { frameworkId: F, taskId: "x", isPartitionAware: false },
        { frameworkId: "fw-2", taskId: "y", isPartitionAware: true },
      ],
    });
    const expected = [
      "update x TASK_LOST SOURCE_AGENT REASON_RECONCILIATION",
      "update y TASK_DROPPED SOURCE_AGENT REASON_RECONCILIATION",
    ];
    expect(agent.take()).toEqual(expected);
    agent.advance(10_000);
    expect(agent.take()).toEqual(expected);
    agent.acknowledge("fw-2", "y");
    agent.advance(20_000);
    expect(agent.take()).toEqual(expected.slice(0, 1));
  });

  test("a task whose id was answered for as unknown begins anew [semantics 6.4]", () => {
    const agent = AgentHarness.registered();
    const tasks = [{ frameworkId: F, taskId: "t", isPartitionAware: false }];
    agent.command({ kind: "reconcileTasks", tasks });
    const [answered] = agent.core.state.streams.values();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.take();
    agent.update(F, "t", "TASK_RUNNING");
    expect(agent.take()).toEqual(["update t TASK_RUNNING SOURCE_EXECUTOR"]);
    const uuid = answered?.pending[0]?.status.uuid ?? "";
    agent.command({ kind: "acknowledgeUpdate", frameworkId: F, taskId: "t", uuid });
    expect(agent.core.state.frameworks.get(F)?.tasks.get("t")?.state).toBe("TASK_RUNNING");
    expect(agent.disk.updates.size).toBe(1);
  });

  test("tasks of one framework do not mix with those of another of the same id", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework("fw-1"), commandTask("t"));
    agent.runToRunning(framework("fw-2"), commandTask("t"));
    agent.update("fw-2", "t", "TASK_FAILED");
    expect(agent.core.state.frameworks.get("fw-1")?.tasks.get("t")?.state).toBe("TASK_RUNNING");
  });
});

describe("custom executors", () => {
  const info = customExecutor("e");
  const task = (id: string) => commandTask(id, { executor: info, command: undefined });

  /** Runs these under one executor. */
  function withTasks(ids: readonly string[]): AgentHarness {
    const agent = AgentHarness.registered();
    for (const id of ids) agent.run(framework(F), task(id));
    agent.launched(F, "e");
    agent.call(F, "e", { type: "SUBSCRIBE", subscribe: {} });
    agent.take();
    return agent;
  }

  test("what they say at length does not grow with the history that a registration tells", () => {
    const agent = withTasks(["a"]);
    const long = "x".repeat(1_000_000);
    const labels = { labels: [{ key: long, value: long }] };
    const container_status = { network_infos: [{ name: long }] };
    const more = { executorId: "e", message: long, labels, container_status };
    for (let count = 0; count < 20; count++) {
      agent.update(F, "a", "TASK_STARTING", more);
      agent.update(F, "a", "TASK_RUNNING", more);
      agent.acknowledge(F, "a");
      agent.acknowledge(F, "a");
    }
    agent.takeEffects();
    agent.input({ kind: "linkDown" });
    agent.input({ kind: "linkUp", epoch: EPOCH });
    const [registration] = agent.sent();
    expect(registration?.kind).toBe("register");
    expect(JSON.stringify(registration).length).toBeLessThan(300_000);
  });

  test("a timestamp that is no moment is refused, as a restarted agent could not tell it", () => {
    const agent = withTasks(["a"]);
    for (const timestamp of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      agent.update(F, "a", "TASK_RUNNING", { executorId: "e", timestamp });
    }
    const refused = "refused 'timestamp' must be a finite number";
    expect(agent.take()).toEqual([refused, refused]);
    expect(agent.disk.updates.size).toBe(0);
  });

  test("what one task has to tell and nobody acknowledges is bounded in bytes [limits]", () => {
    const agent = withTasks(["a"]);
    const data = "x".repeat(10_000_000);
    for (let count = 0; count < 50; count++) {
      agent.update(F, "a", "TASK_RUNNING", { executorId: "e", data });
    }
    agent.update(F, "a", "TASK_FINISHED", { executorId: "e", data });
    const kept = [...agent.disk.updates.values()];
    expect(kept.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual([0, 49, 50]);
    expect(kept.some(({ status }) => status.state === "TASK_FINISHED")).toBe(true);
  });

  test("large updates that wait for acknowledgement do not follow a registration all at once", () => {
    const ids = ["a", "b", "c", "d", "e1", "f"];
    const agent = withTasks(ids);
    const data = "x".repeat(15_000_000);
    for (const id of ids) agent.update(F, id, "TASK_RUNNING", { executorId: "e", data });
    agent.input({ kind: "linkDown" });
    agent.take();
    agent.connect();
    const updates = () => agent.take().filter((line) => line.startsWith("update"));
    expect(updates().length).toBe(2);
    agent.advance(9_000);
    expect(updates().length).toBe(1);
    agent.advance(20_000);
    expect(new Set(updates()).size).toBe(ids.length);
  });

  test("tasks wait for the subscription and are then launched in order [semantics 7.1]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.run(framework(F), task("b"));
    agent.launched(F, "e");
    expect(agent.take()).toEqual(["launch e"]);
    agent.call(F, "e", { type: "SUBSCRIBE" });
    agent.run(framework(F), task("c"));
    expect(agent.take()).toEqual([
      "event e SUBSCRIBED",
      "event e LAUNCH",
      "event e LAUNCH",
      "event e LAUNCH",
    ]);
  });

  test("one that does not subscribe within a minute is destroyed and its tasks fail [item 57]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.launched(F, "e");
    agent.take();
    agent.advance(59_999);
    expect(agent.take()).toEqual([]);
    agent.advance(1);
    expect(agent.take()).toEqual(["destroy"]);
    agent.terminated(F, "e", 0);
    expect(agent.take()).toEqual([
      "update a TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_REGISTRATION_TIMEOUT",
      "executorExited",
    ]);
  });

  test("a call before SUBSCRIBE is refused [http-api 5]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.take();
    agent.update(F, "a", "TASK_RUNNING", { executorId: "e" });
    expect(agent.take()).toEqual(["refused Executor is not subscribed"]);
  });

  test("one that subscribes after all its tasks were killed is shut down [semantics 7.1]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.launched(F, "e");
    agent.command({ kind: "killTask", frameworkId: F, taskId: "a" });
    agent.acknowledge(F, "a");
    agent.take();
    agent.call(F, "e", { type: "SUBSCRIBE" });
    expect(agent.take()).toEqual(["event e SUBSCRIBED", "event e SHUTDOWN"]);
  });

  test("one that sends TASK_STAGING is shut down [semantics 6.1]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.call(F, "e", { type: "SUBSCRIBE" });
    agent.take();
    agent.update(F, "a", "TASK_STAGING", { executorId: "e" });
    expect(agent.take()).toEqual([
      "event e SHUTDOWN",
      "refused An executor must not send TASK_STAGING",
    ]);
  });

  test("after a restart the agent registers once it is back or given up [semantics 7.7.4]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F, PARTITION_AWARE), task("a"));
    agent.call(F, "e", { type: "SUBSCRIBE" });
    agent.update(F, "a", "TASK_RUNNING", { executorId: "e" });
    agent.acknowledge(F, "a");
    const container = agent.containerOf(F, "e");
    agent.crash();
    agent.recover([container]);
    agent.input({ kind: "linkUp", epoch: "master-1" });
    expect(agent.take()).toEqual(["adopt e running=true"]);
    agent.advance(2000);
    expect(agent.take()).toEqual([
      "destroy",
      "register tasks=[a:TASK_RUNNING:TASK_RUNNING] last=2",
    ]);
    agent.terminated(F, "e", 0);
    const stream = agent.core.state.streams.get(`${F}/a`);
    expect(stream?.pending[0]?.status).toMatchObject({
      state: "TASK_GONE",
      reason: "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
    });
  });

  test("what it says again after a restart, though acknowledged, is no news [semantics 6.4.2]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.call(F, "e", { type: "SUBSCRIBE" });
    const uuid = "AAAAAAAAAAAAAAAAAAAAAA==";
    agent.update(F, "a", "TASK_RUNNING", { executorId: "e", uuid });
    agent.acknowledge(F, "a");
    agent.update(F, "a", "TASK_KILLING", { executorId: "e" });
    const container = agent.containerOf(F, "e");
    agent.crash();
    agent.recover([container]);
    const status = {
      uuid,
      task_id: { value: "a" },
      state: "TASK_RUNNING",
      source: "SOURCE_EXECUTOR",
    } as const;
    const subscribe = { unacknowledged_updates: [{ status }] };
    agent.call(F, "e", { type: "SUBSCRIBE", subscribe });
    expect(agent.core.state.frameworks.get(F)?.tasks.get("a")?.state).toBe("TASK_KILLING");
    const stream = agent.core.state.streams.get(`${F}/a`);
    expect(stream?.pending.map((update) => update.status.state)).toEqual(["TASK_KILLING"]);
    // Nothing of it stays on disk once the task is over.
    agent.connect();
    agent.acknowledge(F, "a");
    agent.update(F, "a", "TASK_KILLED", { executorId: "e" });
    agent.acknowledge(F, "a");
    expect(agent.disk.load().updates).toEqual([]);
  });

  test("a kill that it did not hear of is repeated when it subscribes again", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.call(F, "e", { type: "SUBSCRIBE" });
    agent.update(F, "a", "TASK_RUNNING", { executorId: "e" });
    const killPolicy = { grace_period: { nanoseconds: 10e9 } };
    agent.command({ kind: "killTask", frameworkId: F, taskId: "a", killPolicy });
    agent.take();
    agent.advance(4000);
    agent.takeEffects();
    agent.call(F, "e", { type: "SUBSCRIBE" });
    const events = agent.takeEffects().flatMap((effect) => {
      return effect.kind === "executorEvent" ? [effect.event] : [];
    });
    expect(events).toMatchObject([
      { type: "SUBSCRIBED" },
      { type: "KILL", kill: { kill_policy: { grace_period: { nanoseconds: 6e9 } } } },
    ]);
  });

  test("its container has what it and its live tasks need [semantics 7.1]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), task("a"));
    agent.launched(F, "e");
    agent.call(F, "e", { type: "SUBSCRIBE" });
    agent.run(framework(F), task("b"));
    agent.update(F, "a", "TASK_FINISHED", { executorId: "e" });
    const sizes = agent
      .takeEffects()
      .flatMap((effect) => (effect.kind === "updateContainer" ? [effect.resources.length] : []));
    expect(sizes).toEqual([2, 1]);
    const containerId = brand<"" & never>(agent.containerOf(F, "e"));
    agent.input({ kind: "containerUpdateFailed", containerId, message: "no memory" });
    expect(agent.take()).toEqual(["destroy"]);
    agent.terminated(F, "e", 0);
    expect(agent.take()).toContain(
      "update b TASK_LOST SOURCE_AGENT REASON_CONTAINER_UPDATE_FAILED",
    );
  });

  test("a group is launched and killed during launch as one [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    const taskGroup = { tasks: [commandTask("a"), commandTask("b")] };
    agent.command({
      kind: "runTaskGroup",
      framework: framework(F),
      executor: info,
      taskGroup,
      launchesExecutor: true,
    });
    agent.command({ kind: "killTask", frameworkId: F, taskId: "a" });
    expect(agent.take()).toEqual([
      "launch e",
      "update a TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH",
      "update b TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH",
    ]);
  });
});

describe("what the master believes of an executor", () => {
  const info = customExecutor("e");
  const task = { ...commandTask("t"), command: undefined, executor: info };

  test("tasks for one that is over are dropped, because nothing is set aside for it [semantics 7.1]", () => {
    const agent = AgentHarness.registered();
    agent.command({ kind: "runTask", framework: framework(F), task, launchesExecutor: false });
    expect(agent.take()).toEqual(["update t TASK_LOST SOURCE_AGENT REASON_EXECUTOR_TERMINATED"]);
  });

  test("one that is not launched is told to have exited [semantics 7.1]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("busy"));
    agent.command({ kind: "drain", config: {} });
    agent.take();
    agent.command({ kind: "runTask", framework: framework(F), task, launchesExecutor: true });
    expect(agent.take()).toEqual([
      "update t TASK_LOST SOURCE_AGENT REASON_AGENT_DRAINING",
      "executorExited",
    ]);
  });
});

describe("draining", () => {
  test("is told with each registration until it is over", () => {
    const agent = AgentHarness.registered();
    const draining = (): unknown[] =>
      agent.sent().flatMap((one) => (one.kind === "register" ? [one.isDraining] : []));
    agent.runToRunning(framework(F), commandTask("t"));
    for (const config of [{}, undefined]) {
      agent.command({ kind: "drain", config });
      agent.input({ kind: "linkDown" });
      agent.connect();
    }
    expect(draining().slice(-2)).toEqual([true, undefined]);
  });
});

describe("recovery", () => {
  test("a running task goes on without a word [item 58]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([container]);
    agent.connect();
    expect(agent.take()).toEqual([
      "adopt t running=true",
      "register tasks=[t:TASK_RUNNING:TASK_RUNNING] last=2",
    ]);
    agent.update(F, "t", "TASK_FINISHED");
    expect(agent.take()).toEqual(["update t TASK_FINISHED SOURCE_EXECUTOR"]);
  });

  test.each([
    [0, "TASK_FINISHED"],
    [3, "TASK_FAILED"],
  ])("a task that ended with status %d meanwhile is %s [semantics 7.7]", (code, state) => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([], new Map([[container, { exit: { kind: "exited", code } }]]));
    agent.connect();
    expect(agent.take()[1]).toBe(`update t ${state} SOURCE_EXECUTOR`);
    const status = agent.core.state.streams.get(`${F}/t`)?.pending[0]?.status;
    expect(status?.message).toBe(`Command exited with status ${code}`);
  });

  test("a task killed before the restart ends as TASK_KILLED whatever its status [item 52]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.command({ kind: "killTask", frameworkId: F, taskId: "t" });
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([], new Map([[container, { exit: { kind: "exited", code: 0 } }]]));
    agent.connect();
    expect(agent.take()[1]).toBe("update t TASK_KILLED SOURCE_EXECUTOR");
  });

  test("a kill under way goes on with the grace that is left [semantics 6.6]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    agent.command({ kind: "killTask", frameworkId: F, taskId: "t" });
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([container]);
    expect(agent.take()).toEqual(["adopt t running=true kill=3000"]);
  });

  test.each([
    [true, "TASK_DROPPED"],
    [false, "TASK_LOST"],
  ])(
    "a task that was never launched is reported so (partition aware %p) [semantics 6.3]",
    (isAware, state) => {
      const agent = AgentHarness.registered();
      agent.run(framework(F, isAware ? PARTITION_AWARE : {}), commandTask("t"));
      agent.crash();
      agent.recover();
      agent.connect();
      expect(agent.take()).toEqual(
        [
          "cleanup",
          `register tasks=[t:${state}:${state}] last=1`,
          `update t ${state} SOURCE_AGENT REASON_AGENT_RESTARTED`,
        ].slice(1),
      );
      agent.acknowledge(F, "t");
      expect(agent.take()).toEqual(["cleanup"]);
    },
  );

  test("a task whose end nobody saw is not said to have never begun when it had [semantics 6.3]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F, PARTITION_AWARE), commandTask("t"));
    const container = agent.containerOf(F, "t");
    agent.crash();
    const exit = { kind: "unknown", message: "keeper was killed", hasBegun: true } as const;
    agent.recover([], new Map([[container, { exit }]]));
    agent.connect();
    expect(agent.take()).toEqual([
      "register tasks=[t:TASK_FAILED:TASK_FAILED] last=1",
      "update t TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED",
    ]);
  });

  test("an update that was not acknowledged is sent again with its uuid [semantics 6.4]", () => {
    const agent = AgentHarness.registered();
    agent.run(framework(F), commandTask("t"));
    agent.launched(F, "t");
    agent.update(F, "t", "TASK_RUNNING");
    const [before] = agent.sent().filter((message) => message.kind === "statusUpdate");
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.recover([container]);
    agent.connect();
    const [after] = agent.sent().filter((message) => message.kind === "statusUpdate");
    expect(after).toEqual(before);
  });

  test("a new master learns the last status of a task, though it was acknowledged [semantics 6.5]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    const container = agent.containerOf(F, "t");
    const told = agent.core.state.frameworks.get(F)?.tasks.get("t")?.statuses.at(-1);
    agent.crash();
    agent.recover([container]);
    agent.connect();
    const [registration] = agent.sent().filter((message) => message.kind === "register");
    const task = registration?.tasks[0]?.task;
    expect(told?.container_status?.container_id?.value).toBe(container);
    expect(task?.statuses?.map((status) => status)).toEqual(told === undefined ? [] : [told]);
    expect(task?.status_update_uuid).toBe(told?.uuid);
  });

  test("tasks of a framework that does not checkpoint end with the agent [item 58]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F, { checkpoint: false }), commandTask("t"));
    expect(agent.disk.frameworks.size + agent.disk.executors.size + agent.disk.tasks.size).toBe(0);
    agent.crash();
    agent.recover();
    agent.connect();
    expect(agent.take()).toEqual(["register tasks=[] last=2"]);
  });

  test("after a reboot nothing is alive, the id stays, and tasks that ran have failed [semantics 7.7.3]", () => {
    const agent = AgentHarness.registered();
    agent.runToRunning(framework(F), commandTask("t"));
    const container = agent.containerOf(F, "t");
    agent.crash();
    agent.bootId = "boot-2";
    agent.recover([container]);
    agent.connect();
    expect(agent.take().slice(0, 2)).toEqual([
      "register tasks=[t:TASK_FAILED:TASK_FAILED] last=2",
      "update t TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED",
    ]);
    expect(agent.disk).toMatchObject({ bootId: "boot-2", agentInfo: { id: { value: AGENT_ID } } });
  });

  test("an agent that starts anew after a reboot does not inherit command numbers [link-frames]", () => {
    const old = AgentHarness.registered();
    old.runToRunning(framework(F), commandTask("t"));
    const base = agentOptions();
    const agent = new AgentHarness(agentOptions({ info: { ...base.info, hostname: "other" } }));
    agent.disk.apply([
      { kind: "putAgent", agentInfo: old.disk.agentInfo ?? base.info, bootId: "boot-0" },
      { kind: "putCommand", epoch: "master-1", number: old.disk.lastCommand },
      ...[...old.disk.tasks.values()].map((task) => ({ kind: "putTask", task }) as const),
    ]);
    agent.recover();
    agent.input({ kind: "linkUp", epoch: "master-1" });
    expect(agent.sent()).toMatchObject([{ agentInfo: { hostname: "other" }, tasks: [] }]);
    agent.connect();
    agent.crash();
    agent.recover();
    agent.input({ kind: "linkUp", epoch: "master-1" });
    expect(agent.sent()).toMatchObject([{ lastCommand: 0, tasks: [] }]);
    expect(agent.disk.tasks.size).toBe(0);
  });

  test("fewer cpus than before stop the start, more are fine when additive [item 59]", () => {
    const cpus = (value: number) => [
      { name: "cpus", type: "SCALAR" as const, scalar: { value }, role: "*" },
    ];
    const start = (before: number, after: number, policy: "equal" | "additive") => {
      const base = agentOptions();
      const agent = AgentHarness.registered(
        agentOptions({ info: { ...base.info, resources: cpus(before) } }),
      );
      const next = new AgentHarness(
        agentOptions({
          info: { ...base.info, resources: cpus(after) },
          reconfigurationPolicy: policy,
        }),
      );
      next.disk.agentInfo = agent.disk.agentInfo;
      next.disk.bootId = agent.disk.bootId;
      next.recover();
      return next.take()[0]?.startsWith("exit resource cpus changed") === true ? "refused" : "ok";
    };
    expect(start(4, 2, "equal")).toBe("refused");
    expect(start(4, 8, "equal")).toBe("refused");
    expect(start(4, 2, "additive")).toBe("refused");
    expect(start(4, 8, "additive")).toBe("ok");
    expect(start(4, 4, "equal")).toBe("ok");
  });

  test("all that the policy forbids is told at once [semantics 7.7.2]", () => {
    const base = agentOptions();
    const scalar = (name: string, value: number) =>
      ({ name, type: "SCALAR", scalar: { value }, role: "*" }) as const;
    const ports = (...range: { begin: number; end: number }[]) =>
      ({ name: "ports", type: "RANGES", ranges: { range }, role: "*" }) as const;
    const text = (name: string, value: string) =>
      ({ name, type: "TEXT", text: { value } }) as const;
    const before = {
      hostname: "host-1",
      resources: [scalar("cpus", 4), scalar("mem", 64), ports({ begin: 1, end: 9 })],
      attributes: [text("rack", "r1"), text("row", "a")],
    };
    const after = {
      hostname: "host-2",
      domain: { fault_domain: { region: { name: "r" }, zone: { name: "z" } } },
      resources: [scalar("cpus", 2), ports({ begin: 1, end: 5 }, { begin: 7, end: 9 })],
      attributes: [text("rack", "r2"), text("site", "s")],
    };
    const refusalOf = (reconfigurationPolicy: AgentOptions["reconfigurationPolicy"]): string => {
      const start = (info: object): AgentHarness =>
        new AgentHarness(agentOptions({ info: { ...base.info, ...info }, reconfigurationPolicy }));
      const agent = AgentHarness.registered(agentOptions({ info: { ...base.info, ...before } }));
      const next = start(after);
      next.disk.agentInfo = agent.disk.agentInfo;
      next.disk.bootId = agent.disk.bootId;
      next.recover();
      return next.take()[0] ?? "";
    };
    const host = "exit hostname changed from host-1 to host-2";
    const values = [
      "resource cpus changed from 4 to 2",
      "resource mem is gone",
      "resource ports changed from [1-9] to [1-5,7-9]",
      "attribute rack changed from r1 to r2",
      "attribute row is gone",
    ];
    const news = ["attribute site is new", "which --reconfiguration_policy=equal does not allow"];
    expect(refusalOf("equal")).toStartWith([host, "domain changed", ...values, ...news].join(", "));
    expect(refusalOf("additive")).toStartWith(
      [host, ...values, "which --reconfiguration_policy=additive"].join(", "),
    );
  });

  test("with `fitting` may change as long as what runs fits, and says what does not", () => {
    const base = agentOptions();
    const sized = (value: number): AgentOptions =>
      agentOptions({
        info: {
          ...base.info,
          resources: [{ name: "cpus", type: "SCALAR", scalar: { value }, role: "*" }],
        },
        reconfigurationPolicy: "fitting",
      });
    const agent = AgentHarness.registered(sized(4));
    agent.runToRunning(framework(F), commandTask("small"));
    const resources = [{ name: "cpus", type: "SCALAR", scalar: { value: 2 } }] as const;
    agent.runToRunning(framework(F), commandTask("large", { resources }));
    const alive = ["small", "large"].map((id) => agent.containerOf(F, id));
    const start = (cpus: number, living: readonly string[]): string => {
      const next = new AgentHarness(sized(cpus));
      const copy = agent.disk.load();
      next.disk.apply(copy.tasks.map((task) => ({ kind: "putTask", task })));
      next.input({
        kind: "recovered",
        checkpoint: copy,
        bootId: agent.bootId,
        alive: new Set(living),
        terminations: new Map(),
      });
      return next.take().find((line) => line.startsWith("exit")) ?? "ok";
    };
    expect(start(2.1, alive)).toBe("ok");
    expect(start(2, alive)).toContain(`task large of framework ${F} with cpus:2`);
    expect(start(2, alive)).not.toContain("small");
    expect(start(0.05, alive)).toMatch(
      /: task small .* with cpus:[^,]+, task large .* with cpus:2;/,
    );
    // What is over needs nothing any more.
    expect(start(0.5, alive.slice(0, 1))).toBe("ok");
    // Beside what runs: what was reserved, and another host.
    agent.disk.resources = ["web", "batch"].map((role) => ({
      name: "cpus",
      type: "SCALAR" as const,
      scalar: { value: 1 },
      reservations: [{ type: "DYNAMIC" as const, role, principal: role }],
    }));
    expect(start(4.1, alive)).toBe("ok");
    agent.disk.agentInfo = { ...base.info, hostname: "before", id: agent.disk.agentInfo?.id };
    const lacking = start(0.5, alive);
    for (const part of [
      "hostname changed from before to ",
      "(cpus(reservations: [(DYNAMIC,web,web)]):1, cpus(reservations: [(DYNAMIC,batch,batch)]):1)",
      "any more: task large of framework",
    ]) {
      expect(lacking).toContain(part);
    }
  });
});
