/**
 * Many native containers on one agent: how long until all run and until all are gone with their
 * cgroups, what each costs beside the task itself, and how soon an agent that was killed has its
 * tasks back. Beside it stands what the machine needs for starting a plain process, as launching is
 * little else. A host whose cgroups have no controllers, since they are kept for cgroups v1, runs it
 * with those laid around each container too; and then all of it in the counted machine, which is
 * several times as slow: once with controllers and once without. `BENCH_CONTAINERS=host` leaves that
 * out.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  HIERARCHY,
  LIMITS_OBSTACLE,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import { cgroupsIn } from "../e2e/native-scene.ts";
import { type AllotProcess, pssBytes, startAllot } from "../harness/allot-process.ts";
import { isAppliance } from "../harness/needs.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { type Figure, FigureSet } from "./figures.ts";
import { runInMachine } from "./in-machine.ts";
import { ownBinary, pssBelow, WIDE_AGENT, withAllot, withWorkDir } from "./processes.ts";
import { launchAll, offersFor, reached, SLEEPER_COMMAND, sleeper } from "./tasks.ts";
import { V1_OBSTACLE, V1Controllers } from "./v1-controllers.ts";

const SETTLE_MS = 3000;
const TIMEOUT_MS = 900_000;
const RECOVERED_TASKS = 100;
const PLAIN_PROCESSES = 200;
const MS_PER_SECOND = 1000;
const BYTES_PER_KB = 1000;
/** Of the counted machine: its disk is in it, and a thousand tasks with their keepers. */
const MEMORY_MIB = 6144;
const WALL_MS_MAX = 5_400_000;
const WITHOUT_CONTROLLERS = ["cgroup_disable=cpu,cpuset,memory,pids,io"];
const LASTING = { checkpoint: true, failover_timeout: 3600 };

const where =
  (isAppliance ? "counted machine, " : "") +
  (LIMITS_OBSTACLE === undefined ? "with controllers" : "cgroups without controllers");

export const containersBench: Bench = {
  name: "containers",
  summary: "1,000 native containers on one agent, launched and destroyed; recovery of 100",
  needsBinary: true,
  defaultRuns: 3,
  run: async (context) => {
    const figures = OBSTACLE === undefined ? await onThisHost(context) : [];
    if (OBSTACLE !== undefined) console.error(`bench: containers: not on this host: ${OBSTACLE}`);
    const isHostEnough = LIMITS_OBSTACLE === undefined || isAppliance;
    if (isHostEnough || process.env["BENCH_CONTAINERS"] === "host") return figures;
    const machine = { name: "containers", memoryMib: MEMORY_MIB, wallMsMax: WALL_MS_MAX };
    for (const kernelWords of [[], WITHOUT_CONTROLLERS]) {
      figures.push(...(await runInMachine(context, { ...machine, kernelWords })));
    }
    return figures;
  },
};

async function onThisHost({ runs, size, progress }: BenchContext): Promise<Figure[]> {
  const count = size(1000, 100);
  const set = new FigureSet();
  for (let run = 1; run <= runs; run += 1) {
    progress(`run ${run} of ${runs}`);
    set.add(`containers, a plain process from start to end (${where})`, "ms", plainProcessMs());
    await withCluster(async (cluster) => launchAndDestroy(cluster, count, set));
    if (LIMITS_OBSTACLE !== undefined && V1_OBSTACLE === undefined) {
      await withCluster(async (cluster) => launchAndDestroyInV1(cluster, count, set));
    }
    await withCluster(async (cluster) => recover(cluster, set));
    await removeCgroupRoots();
  }
  return set.figures();
}

interface Cluster {
  readonly framework: TestFramework;
  readonly master: AllotProcess;
  readonly agentDir: string;
  readonly cgroupRoot: string;
  /** Starts the agent's process. */
  start(port?: string): Promise<AllotProcess>;
}

async function withCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cgroupRoot = newCgroupRoot();
  await withWorkDir((masterDir) =>
    withAllot({ role: "master", workDir: masterDir }, (master) =>
      withWorkDir(async (agentDir) => {
        const command = [ownBinary(agentDir)] as const;
        const flags = [
          ...WIDE_AGENT,
          `--master=${new URL(master.url).host}`,
          "--launcher=linux",
          `--cgroups_hierarchy=${HIERARCHY}`,
          `--cgroups_root=${cgroupRoot}`,
        ];
        const start = (port = "0"): Promise<AllotProcess> =>
          startAllot({
            role: "agent",
            workDir: agentDir,
            command,
            flags: [...flags, `--port=${port}`],
          });
        const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
        await work({ framework, master, agentDir, cgroupRoot, start });
      }),
    ),
  );
}

async function launchAndDestroy(cluster: Cluster, count: number, set: FigureSet): Promise<void> {
  const { framework, agentDir, cgroupRoot } = cluster;
  const agent = await cluster.start();
  const offers = await offersFor(framework, count);
  await sleep(SETTLE_MS);
  const idleBytes = pssBytes(agent.pid);
  const ids = idsOf(count);
  const launchMs = await timed(async () => {
    await launchAll(framework, offers, ids.map(sleeper));
    await reached(framework, ids, "TASK_RUNNING", TIMEOUT_MS);
  });
  set.add(`containers, ${count} launched (${where})`, "s", launchMs / MS_PER_SECOND);
  await sleep(SETTLE_MS);
  const { bytes } = pssBelow(agentDir, SLEEPER_COMMAND);
  const eachBytes = (bytes - idleBytes) / count;
  set.add(`containers, memory of each beside its task (${where})`, "kB", eachBytes / BYTES_PER_KB);
  const destroyMs = await timed(async () => {
    await framework.teardown();
    await until("all cgroups to be gone", () => cgroupsIn(cgroupRoot).length === 0, TIMEOUT_MS);
  });
  set.add(`containers, ${count} destroyed (${where})`, "s", destroyMs / MS_PER_SECOND);
  await agent.end("SIGTERM");
}

/** The same with controllers of cgroups v1 around each container, and till those have it or are gone. */
async function launchAndDestroyInV1(
  { framework, cgroupRoot, start }: Cluster,
  count: number,
  set: FigureSet,
): Promise<void> {
  const agent = await start();
  const controllers = new V1Controllers(cgroupRoot);
  try {
    controllers.hold(agent.pid);
    const offers = await offersFor(framework, count);
    await sleep(SETTLE_MS);
    const ids = idsOf(count);
    const launchMs = await timed(async () => {
      await launchAll(framework, offers, ids.map(sleeper));
      await reached(framework, ids, "TASK_RUNNING", TIMEOUT_MS);
      await until("all to be held", () => controllers.settled() === count, TIMEOUT_MS);
    });
    const around = "controllers of cgroups v1 around each";
    set.add(`containers, ${count} launched (${around})`, "s", launchMs / MS_PER_SECOND);
    await sleep(SETTLE_MS);
    const destroyMs = await timed(async () => {
      await framework.teardown();
      const areGone = () => cgroupsIn(cgroupRoot).length === 0 && controllers.isEmpty;
      await until("all cgroups to be gone", areGone, TIMEOUT_MS);
    });
    set.add(`containers, ${count} destroyed (${around})`, "s", destroyMs / MS_PER_SECOND);
    await agent.end("SIGTERM");
  } finally {
    await controllers.close();
  }
}

/** From the start of the process until the master has the agent back with its tasks. */
async function recover(cluster: Cluster, set: FigureSet): Promise<void> {
  const { framework, master } = cluster;
  const agent = await cluster.start();
  const ids = idsOf(RECOVERED_TASKS);
  await launchAll(framework, await offersFor(framework, RECOVERED_TASKS), ids.map(sleeper));
  await reached(framework, ids, "TASK_RUNNING", TIMEOUT_MS);
  await agent.end("SIGKILL");
  await until("the agent to be missed", async () => !(await isActive(master)));
  let again: AllotProcess | undefined;
  const recoverMs = await timed(async () => {
    again = await cluster.start(new URL(agent.url).port);
    await until("the agent to be back", () => isActive(master), TIMEOUT_MS);
  });
  const name = `containers, ${RECOVERED_TASKS} recovered after kill -9 (${where})`;
  set.add(name, "s", recoverMs / MS_PER_SECOND);
  if (framework.updates.some(({ state }) => state !== "TASK_STARTING" && state !== "TASK_RUNNING"))
    throw new Error("a task did not outlive its agent");
  await framework.teardown();
  await until("all cgroups to be gone", () => cgroupsIn(cluster.cgroupRoot).length === 0);
  await again?.end("SIGTERM");
}

async function isActive({ url }: AllotProcess): Promise<boolean> {
  const { slaves } = (await (await fetch(`${url}/slaves`)).json()) as {
    readonly slaves: readonly { readonly active: boolean }[];
  };
  return slaves.some(({ active }) => active);
}

function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `sleeper-${index}`);
}

/** One after the other, by one shell. */
function plainProcessMs(): number {
  const loop = `i=0; while [ $i -lt ${PLAIN_PROCESSES} ]; do /bin/true; i=$((i + 1)); done`;
  const startMs = performance.now();
  spawnSync("/bin/sh", ["-c", loop]);
  return (performance.now() - startMs) / PLAIN_PROCESSES;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
