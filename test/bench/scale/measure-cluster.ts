/**
 * The life of a large cluster: all agents register, each gets its tasks, nothing happens for a
 * while, and the master is killed and started again. Memory is told per agent and per task.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../harness/wait.ts";
import { type BenchContext, perSecond } from "../bench.ts";
import type { FigureSet } from "../figures.ts";
import { withWorkDir } from "../processes.ts";
import { Cluster, type Memory } from "./cluster.ts";
import { LoadFramework } from "./load-framework.ts";
import {
  AGENT_RESOURCES,
  agentCount,
  PATIENCE_MS,
  SMALL_WINDOW_LENGTH,
  TASK,
  TASKS_PER_AGENT,
} from "./sizes.ts";

/** What a master may take, bytes. */
const AGENT_BYTES = 6000;
const TASK_BYTES = 1500;

interface Stage {
  readonly context: BenchContext;
  readonly set: FigureSet;
  readonly cluster: Cluster;
  readonly agents: number;
  readonly tasks: number;
}

export async function measureCluster(context: BenchContext, set: FigureSet): Promise<void> {
  const agents = agentCount(context);
  const tasks = agents * TASKS_PER_AGENT;
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      const stage = { context, set, cluster, agents, tasks };
      const empty = await cluster.memory();
      const withAgents = await register(stage, empty);
      const framework = await launch(stage, withAgents);
      const steadyMs = context.size(20_000, 2000);
      const steady = await cluster.watched(set, "steady", () => sleep(steadyMs));
      set.add("steady, master's cpu", "%", (steady.masterCpuMs / steady.elapsedMs) * 100);
      framework.disconnect();
      await registerAgain(stage, empty);
    }),
  );
}

async function register({ context, set, cluster, agents }: Stage, empty: Memory): Promise<Memory> {
  context.progress(`registering ${agents} agents`);
  const seen = await cluster.watched(set, "registration", () =>
    cluster.addAgents(agents, { resources: AGENT_RESOURCES }),
  );
  set.add("registration", "agents/s", perSecond(agents, seen.elapsedMs));
  set.add(
    "registration, per second of master's cpu",
    "agents",
    perSecond(agents, seen.masterCpuMs),
  );
  const memory = await cluster.memory();
  set.add("memory per agent, process", "bytes", (memory.bytes - empty.bytes) / agents);
  set.add("memory per agent, heap", "bytes", (memory.heapBytes - empty.heapBytes) / agents);
  return memory;
}

async function launch(stage: Stage, before: Memory): Promise<LoadFramework> {
  const { context, set, cluster, tasks } = stage;
  const framework = await LoadFramework.subscribe({
    ...TASK,
    master: cluster.master.url,
    name: "filler",
    command: "run for ever",
    tasksPerOffer: TASKS_PER_AGENT,
    budget: { left: tasks },
    windowLength: SMALL_WINDOW_LENGTH,
  });
  const seen = await cluster.watched(set, "launch", async () => {
    await until(
      "all tasks to run",
      () => {
        context.progress(`${framework.count("TASK_RUNNING")} of ${tasks} tasks run`);
        return framework.count("TASK_RUNNING") >= tasks;
      },
      PATIENCE_MS,
    );
  });
  set.add("launch", "tasks/s", perSecond(tasks, seen.elapsedMs));
  set.add("launch, per second of master's cpu", "tasks", perSecond(tasks, seen.masterCpuMs));
  const memory = await cluster.memory();
  set.add("memory per task, process", "bytes", (memory.bytes - before.bytes) / tasks);
  set.add("memory per task, heap", "bytes", (memory.heapBytes - before.heapBytes) / tasks);
  return framework;
}

async function registerAgain(stage: Stage, empty: Memory): Promise<void> {
  const { context, set, cluster, agents, tasks } = stage;
  context.progress("restarting the master");
  await cluster.master.restart();
  const name = "re-registration";
  const seen = await cluster.watched(set, name, () => cluster.untilRegistered(agents));
  set.add(name, "agents/s", perSecond(agents, seen.elapsedMs));
  set.add(`${name}, per second of master's cpu`, "agents", perSecond(agents, seen.masterCpuMs));
  set.add(`${name}, per second of agents' cpu`, "agents", perSecond(agents, seen.agentsCpuMs));
  const asked = await cluster.master.metric("master/messages_reregister_slave");
  set.add(`${name}, messages per agent`, "", asked / agents);
  const memory = await cluster.memory();
  const allowed = agents * AGENT_BYTES + tasks * TASK_BYTES;
  const ofAllowed = (bytes: number): number => (bytes / allowed) * 100;
  set.add(`memory after ${name}, of what is allowed`, "%", ofAllowed(memory.bytes - empty.bytes));
  const heapBytes = memory.heapBytes - empty.heapBytes;
  set.add(`heap after ${name}, of what is allowed`, "%", ofAllowed(heapBytes));
}
