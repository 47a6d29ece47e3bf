/**
 * One master with as many agents, tasks and frameworks as a datacenter has, on emulated agents in
 * processes of their own: registration, memory, steady state, a restart of the master, tasks per
 * second, and subscribers by the thousand.
 */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../harness/wait.ts";
import { type Bench, type BenchContext, perSecond } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { withWorkDir } from "./processes.ts";
import { Cluster } from "./scale/cluster.ts";
import { LoadFramework } from "./scale/load-framework.ts";
import { RawHttp } from "./scale/raw-http.ts";
import { Subscriber } from "./scale/subscriber.ts";

const TASKS_PER_AGENT = 10;
/** Room for ten tasks, and none left over to be offered. */
const AGENT = "cpus:4;mem:4000";
const TASK = { cpus: 0.4, mem: 400 } as const;
/** Connections of all frameworks together; each has one call under way. */
const SOCKETS = 64;
const HEARTBEAT_MS = 15_000;
/** Each round is about 100 KB of events. */
const FLOOD_ROUNDS_MAX = 2000;
const SETTLE_MS = 2000;
const PATIENCE_MS = 600_000;
/** Files a process has open besides the sockets of agents. */
const SPARE_FILES = 300;

export const scaleBench: Bench = {
  name: "scale",
  summary: "one master at the size of a datacenter, on emulated agents",
  needsBinary: true,
  defaultRuns: 1,
  run: async (context) => {
    const set = new FigureSet();
    for (let run = 1; run <= context.runs; run += 1) {
      const parts = process.env["BENCH_SCALE"]?.split(",") ?? [
        "cluster",
        "throughput",
        "frameworks",
        "registrations",
      ];
      if (parts.includes("cluster")) await measureCluster(context, set);
      if (parts.includes("throughput")) await measureThroughput(context, set);
      if (parts.includes("frameworks")) await measureFrameworks(context, set);
      if (parts.includes("registrations")) await measureRegistrations(context, set);
    }
    return set.figures();
  },
};

/** Agents that this machine lets one process have connections with. */
function agentCount({ size }: BenchContext): number {
  const limit = Number(spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout);
  return Math.min(
    Number(process.env["BENCH_AGENTS"] ?? size(20_000, 1000)),
    Number.isNaN(limit) ? 20_000 : limit - SPARE_FILES,
  );
}

async function measureCluster(context: BenchContext, set: FigureSet): Promise<void> {
  const agents = agentCount(context);
  const tasks = agents * TASKS_PER_AGENT;
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      const empty = await memory(cluster);
      context.progress(`registering ${agents} agents`);
      const registration = await cluster.watched(set, "registration", () =>
        cluster.addAgents(agents, { resources: AGENT }),
      );
      set.add("registration", "agents/s", perSecond(agents, registration.elapsedMs));
      set.add(
        "registration, master's cpu",
        "agents/s",
        perSecond(agents, registration.masterCpuMs),
      );
      await sleep(2000);
      const withAgents = await memory(cluster);
      set.add("memory per agent, process", "bytes", (withAgents.bytes - empty.bytes) / agents);
      set.add("memory per agent, heap", "bytes", (withAgents.heap - empty.heap) / agents);
      console.error(withAgents.types.slice(0, 14).join(" "));

      context.progress(`launching ${tasks} tasks`);
      const framework = await LoadFramework.subscribe({
        ...TASK,
        master: cluster.master.url,
        name: "filler",
        command: "run for ever",
        tasksPerOffer: TASKS_PER_AGENT,
        budget: { left: tasks },
        sockets: SOCKETS,
      });
      const launch = await cluster.watched(set, "launch", async () => {
        await until(
          "all tasks to run",
          async () => {
            context.progress(`${framework.count("TASK_RUNNING")} of ${tasks} run`);
            await sleep(100);
            return framework.count("TASK_RUNNING") >= tasks;
          },
          PATIENCE_MS,
        );
      });
      set.add("launch", "tasks/s", perSecond(tasks, launch.elapsedMs));
      await sleep(2000);
      const withTasks = await memory(cluster);
      set.add("memory per task, process", "bytes", (withTasks.bytes - withAgents.bytes) / tasks);
      set.add("memory per task, heap", "bytes", (withTasks.heap - withAgents.heap) / tasks);
      console.error(withTasks.types.slice(0, 14).join(" "));

      const steadyMs = context.size(20_000, 2000);
      const steady = await cluster.watched(set, "steady", () => sleep(steadyMs));
      set.add("steady, master's cpu", "%", (steady.masterCpuMs / steady.elapsedMs) * 100);

      framework.disconnect();
      context.progress("restarting the master");
      await cluster.master.restart();
      const emptyAgain = await memory(cluster);
      const back = await cluster.watched(set, "re-registration", () =>
        cluster.untilRegistered(agents),
      );
      set.add("re-registration", "agents/s", perSecond(agents, back.elapsedMs));
      set.add("re-registration, master's cpu", "agents/s", perSecond(agents, back.masterCpuMs));
      set.add("re-registration, agents' cpu", "agents/s", perSecond(agents, back.agentsCpuMs));
      await sleep(2000);
      const again = await memory(cluster);
      const wanted = agents * 6000 + tasks * 1500;
      const used = again.bytes - emptyAgain.bytes;
      set.add("memory after re-registration, of what is allowed", "%", (used / wanted) * 100);
      const heapUsed = again.heap - emptyAgain.heap;
      set.add("heap after re-registration, of what is allowed", "%", (heapUsed / wanted) * 100);
      console.error(again.types.slice(0, 14).join(" "));
    }),
  );
}

async function measureThroughput(context: BenchContext, set: FigureSet): Promise<void> {
  const agents = context.size(1000, 200);
  const tasks = context.size(30_000, 5000);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      await cluster.addAgents(agents, { resources: AGENT });
      for (const count of [1, 50]) {
        const budget = { left: tasks };
        const frameworks: LoadFramework[] = [];
        for (let index = 0; index < count; index += 1) {
          const framework = await LoadFramework.subscribe({
            ...TASK,
            master: cluster.master.url,
            name: `load-${count}-${index}`,
            command: "true",
            tasksPerOffer: TASKS_PER_AGENT,
            budget,
            sockets: Math.ceil(SOCKETS / count),
          });
          frameworks.push(framework);
        }
        const finished = (): number =>
          frameworks.reduce((sum, framework) => sum + framework.count("TASK_FINISHED"), 0);
        const name = `throughput, ${count} frameworks`;
        const run = await cluster.watched(set, name, async () => {
          await until("all tasks to finish", () => finished() >= tasks, PATIENCE_MS);
        });
        set.add(name, "tasks/s", perSecond(tasks, run.elapsedMs));
        set.add(`${name}, master's cpu`, "tasks/s", perSecond(tasks, run.masterCpuMs));
        set.add(`${name}, agents' cpu`, "tasks/s", perSecond(tasks, run.agentsCpuMs));
        for (const framework of frameworks) await framework.teardown();
      }
    }),
  );
}

/** Subscribers by the thousand, and one among them that stops reading while events keep coming. */
async function measureFrameworks(context: BenchContext, set: FigureSet): Promise<void> {
  const count = context.size(1000, 200);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      const { url } = cluster.master;
      const first = await Subscriber.open(url, "first");
      const before = await memory(cluster);
      const subscribers: Subscriber[] = [];
      for (let index = 0; index < count; index += 1) {
        subscribers.push(await Subscriber.open(url, `subscriber-${index}`));
      }
      const after = await memory(cluster);
      set.add("subscriber, memory", "bytes", (after.bytes - before.bytes) / count);
      set.add("subscriber, heap", "bytes", (after.heap - before.heap) / count);
      await cluster.watched(set, `${count} subscribers`, () =>
        sleep(context.size(HEARTBEAT_MS + 5000, 1000)),
      );
      const lazy = subscribers[0];
      if (lazy === undefined) throw new Error("there are no subscribers");
      lazy.stopReading();
      let gained = 0;
      await cluster.watched(set, "a subscriber stops reading", async () => {
        const start = cluster.master.anonymousBytes();
        await flood(url, lazy, () => {
          gained = Math.max(gained, cluster.master.anonymousBytes() - start);
        });
      });
      set.add("a subscriber stops reading, memory until it is cut", "bytes", gained);
      const alive = subscribers.slice(1).filter(({ isOver }) => !isOver).length;
      set.add("a subscriber stops reading, others that are cut", "", count - 1 - alive);
      for (const subscriber of [first, ...subscribers]) subscriber.close();
    }),
  );
}

/** Asks for the states of tasks that do not exist, in the name of one that does not read. */
async function flood(url: string, lazy: Subscriber, look: () => void): Promise<void> {
  const http = await RawHttp.connect(url, 1);
  const { header, id } = lazy.credentials;
  const tasks = Array.from({ length: 500 }, (_, index) => {
    return { task_id: { value: `unknown-${index}` }, agent_id: { value: "nowhere" } };
  });
  const call = { framework_id: { value: id }, type: "RECONCILE", reconcile: { tasks } };
  for (let round = 0; round < FLOOD_ROUNDS_MAX; round += 1) {
    const { status } = await http.post("/api/v1/scheduler", header, JSON.stringify(call));
    look();
    if (status !== 202) break;
    if (round === FLOOD_ROUNDS_MAX - 1)
      throw new Error("a subscriber that does not read is not cut");
  }
  http.close();
}

/**
 * More agents than one process may have connections with: they register in parts, each part before
 * the next one begins, and all of them stay registered.
 */
async function measureRegistrations(context: BenchContext, set: FigureSet): Promise<void> {
  const total = context.size(50_000, 2000);
  const part = Math.min(agentCount(context), total / 2);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, ["--agent_reregister_timeout=1hrs"], async (cluster) => {
      const before = await memory(cluster);
      for (let first = 0; first < total; first += part) {
        context.progress(`${first} of ${total} agents are registered`);
        const count = Math.min(part, total - first);
        await cluster.addAgents(count, { resources: AGENT, firstIndex: first });
        await cluster.endAgents();
        await cluster.master.settled("master/slaves_connected", 0);
      }
      const known = await cluster.master.metric("master/slaves_disconnected");
      const after = await memory(cluster);
      set.add("registered, connected or not", "agents", known);
      set.add("registered, memory per agent", "bytes", (after.bytes - before.bytes) / known);
    }),
  );
}

async function memory(
  cluster: Cluster,
): Promise<{ bytes: number; heap: number; types: readonly (readonly [string, number])[] }> {
  await cluster.master.heap();
  // What was freed goes back to the system a little later.
  await sleep(SETTLE_MS);
  const { heapBytes, extraBytes, types } = await cluster.master.heap();
  const bytes = cluster.master.anonymousBytes();
  console.error(`memory ${bytes} heap ${heapBytes} extra ${extraBytes}`);
  return { bytes, heap: heapBytes, types };
}
