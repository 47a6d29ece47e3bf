/**
 * An agent that can open nothing any more, since its descriptors are used up: what runs runs on, what
 * ends meanwhile is told as what it was once that can be read, kills are carried out, and all goes on
 * by itself when there are descriptors again. Its limit is lowered below what it has open while it
 * runs, and raised again. Source: issue 4.
 */
import { afterEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  HIERARCHY,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { freePort } from "../harness/free-port.ts";
import { type TaskOptions, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { cgroupsIn } from "./native-scene.ts";

const TIMEOUT_MS = 240_000;
/** Longer than the agent's slowest look at its containers. */
const SHORTAGE_MS = 8000;
/** Too few for a life, and some that are just enough. */
const FEW = [16, 20, 22, 24, 26, 28, 30, 34];
const SHORT_LIFE_MS = 700;
const BURST = 100;
/** Of one processor, of an agent that can do nothing. */
const IDLE_SHARE_MAX = 0.5;
const TICKS_PER_MS = 0.1;
const INFO = {
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
};

const folders: string[] = [];
const processes: AllotProcess[] = [];
afterEach(async () => {
  for (const running of processes.splice(0)) if (running.isRunning()) await running.end("SIGKILL");
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
  await removeCgroupRoots();
});

function folder(): string {
  const made = makeWorkDir();
  folders.push(made);
  return made;
}

/** Of both kinds, where this machine has both. */
const LAUNCHERS = OBSTACLE === undefined ? (["posix", "linux"] as const) : (["posix"] as const);

for (const launcher of LAUNCHERS) {
  test(
    `no descriptors with the ${launcher} launcher: nothing wrong is told, and it recovers unaided [issue 4]`,
    async () => {
      const workDir = folder();
      const cgroupRoot = newCgroupRoot();
      const master = await startAllot({ role: "master", workDir: folder() });
      const flags = [
        `--master=${new URL(master.url).host}`,
        "--resources=cpus:8;mem:4096;disk:1000",
        `--launcher=${launcher}`,
        ...(launcher === "linux"
          ? [`--cgroups_hierarchy=${HIERARCHY}`, `--cgroups_root=${cgroupRoot}`]
          : []),
      ];
      const agent = await startAllot({ role: "agent", workDir, flags });
      processes.push(master, agent);
      const framework = await TestFramework.subscribe({ master: master.url, info: INFO });
      const checked = checksOf(Number(new URL(master.url).port));
      await framework.launch(await framework.offer(), [
        ...checked,
        { id: "runs", command: "sleep 1000" },
        { id: "ends", command: "sleep 3; exit 7" },
        { id: "killed", command: "exec sleep 1000" },
        { id: "stubborn", command: "trap '' TERM; while :; do sleep 1; done" },
      ]);
      for (const id of ["runs", "ends", "killed", "stubborn"]) {
        await framework.status(id, "TASK_RUNNING");
      }
      for (const { id } of checked) {
        await until(`${id} is healthy`, () => healthOf(framework, id).includes(true));
      }

      const limit = limitOf(agent.pid);
      setLimit(agent.pid, "3");
      const ticks = ticksOf(agent.pid);
      await framework.launch(await framework.offer(), [{ id: "late", command: "true" }]);
      for (const id of ["killed", "stubborn"]) {
        const kill_policy = { grace_period: { nanoseconds: 0.5e9 } };
        await framework.call("KILL", { kill: { task_id: { value: id }, kill_policy } });
      }
      await sleep(SHORTAGE_MS);
      expect(agent.isRunning()).toBe(true);
      const share = (ticksOf(agent.pid) - ticks) / TICKS_PER_MS / SHORTAGE_MS;
      expect(share).toBeLessThan(IDLE_SHARE_MAX);
      expect(framework.states("runs").at(-1)).toBe("TASK_RUNNING");

      setLimit(agent.pid, limit);
      for (const { id } of checked) expect([id, healthOf(framework, id)]).toEqual([id, [true]]);
      const ended = await framework.status("ends", "TASK_FAILED");
      expect(ended["message"]).toBe("Command exited with status 7");
      await framework.status("killed", "TASK_KILLED");
      await framework.status("stubborn", "TASK_KILLED");
      const late = await until("the late task to be over", () =>
        framework.updates.find(({ task_id, state }) => {
          return task_id.value === "late" && /FINISHED|FAILED|DROPPED/.test(state);
        }),
      );
      if (late.state !== "TASK_FINISHED") expect(late.message).toMatch(/EMFILE|descriptors/);
      await framework.launch(await framework.offer(), [{ id: "again", command: "true" }]);
      await framework.status("again", "TASK_FINISHED");
      expect(framework.states("runs").at(-1)).toBe("TASK_RUNNING");
      for (const id of ["ends", "killed", "stubborn", "late"]) {
        const ends = framework.updates.filter(({ task_id, state }) => {
          return task_id.value === id && /FINISHED|FAILED|KILLED|DROPPED|LOST/.test(state);
        });
        expect([id, new Set(ends.map(({ uuid }) => uuid)).size]).toEqual([id, 1]);
      }
      for (const { id } of [{ id: "runs" }, ...checked]) {
        await framework.call("KILL", { kill: { task_id: { value: id } } });
        await framework.status(id, "TASK_KILLED");
      }
      await until("nothing to be left", () =>
        ["containers", "exits"].every(
          (name) => readdirSync(join(workDir, "runtime", name)).length === 0,
        ),
      );
      await until("no cgroup to be left", () => cgroupsIn(cgroupRoot).length === 0);
      await until("no keeper to be left", () => processesBelow(workDir).length === 1);
      await framework.teardown();
    },
    TIMEOUT_MS,
  );
}

test(
  "too few descriptors for a recovery: the agent ends or recovers, and nothing wrong is told [issue 4]",
  async () => {
    const workDir = folder();
    const master = await startAllot({ role: "master", workDir: folder() });
    const flags = [
      `--master=${new URL(master.url).host}`,
      `--port=${await freePort()}`,
      "--resources=cpus:8;mem:4096;disk:1000",
      "--launcher=posix",
    ];
    const options = { role: "agent", workDir, flags } as const;
    const agent = await startAllot(options);
    processes.push(master, agent);
    const framework = await TestFramework.subscribe({ master: master.url, info: INFO });
    await framework.launch(await framework.offer(), [
      { id: "runs", command: "exec sleep 1000" },
      { id: "ends", command: `while [ ! -e ${join(workDir, "go")} ]; do sleep 0.1; done; exit 7` },
    ]);
    for (const id of ["runs", "ends"]) await framework.status(id, "TASK_RUNNING");
    await agent.end("SIGKILL");
    writeFileSync(join(workDir, "go"), "");
    for (const few of FEW) {
      const command = ["prlimit", `--nofile=${few}:${few}`, BINARY] as const;
      const short = await startAllot({ ...options, command }).catch(() => undefined);
      if (short === undefined) continue;
      processes.push(short);
      await sleep(SHORT_LIFE_MS);
      if (short.isRunning()) await short.end("SIGKILL");
    }
    processes.push(await startAllot(options));
    const ended = await framework.status("ends", "TASK_FAILED");
    expect(ended["message"]).toBe("Command exited with status 7");
    expect(framework.states("ends").at(-1)).toBe("TASK_FAILED");
    await framework.call("KILL", { kill: { task_id: { value: "runs" } } });
    await framework.status("runs", "TASK_KILLED");
    for (const id of ["runs", "ends"]) {
      const states = ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED", "TASK_FAILED"];
      expect(framework.states(id).filter((state) => !states.includes(state))).toEqual([]);
    }
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "more launches than there are descriptors for: each task runs or says why not [issue 4]",
  async () => {
    const workDir = folder();
    const master = await startAllot({ role: "master", workDir: folder() });
    const flags = [`--master=${new URL(master.url).host}`, "--resources=cpus:8;mem:4096;disk:1000"];
    const command = ["prlimit", "--nofile=60:60", BINARY] as const;
    const agent = await startAllot({ role: "agent", workDir, flags, command });
    processes.push(master, agent);
    const framework = await TestFramework.subscribe({ master: master.url, info: INFO });
    const ids = Array.from({ length: BURST }, (_, index) => `burst-${index}`);
    await framework.launch(
      await framework.offer(),
      ids.map((id) => ({ id, command: "exit 5" })),
    );
    for (const id of ids) {
      const told = await framework.status(id, "TASK_FAILED");
      if (told.message !== "Command exited with status 5") console.log(told);
      expect(told.message).toMatch(/^Command exited with status 5$|EMFILE/);
    }
    await until("nothing to be left", () => {
      return readdirSync(join(workDir, "runtime", "containers")).length === 0;
    });
    await framework.teardown();
  },
  TIMEOUT_MS,
);

/** Tasks that are looked at all the time, in each way, and are well as long as the master is. */
function checksOf(port: number): TaskOptions[] {
  const often = { delay_seconds: 0, interval_seconds: 0.2, grace_period_seconds: 0 };
  const checks = [
    { type: "COMMAND", command: { value: "true" } },
    { type: "HTTP", http: { port, path: "/health" } },
    { type: "TCP", tcp: { port } },
  ];
  return checks.map((check) => ({
    id: `checked-${check.type}`,
    command: "exec sleep 1000",
    extra: { health_check: { ...often, consecutive_failures: 2, ...check } },
  }));
}

/** What was told of a task's health, in order. */
function healthOf({ updates }: TestFramework, id: string): unknown[] {
  return updates
    .filter(({ task_id, healthy }) => task_id.value === id && healthy !== undefined)
    .map(({ healthy }) => healthy);
}

/** Soft limit of open files. */
function limitOf(pid: number): string {
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  return /^Max open files +(\d+)/m.exec(limits)?.[1] ?? "";
}

function setLimit(pid: number, soft: string): void {
  execFileSync("prlimit", [`--pid=${pid}`, `--nofile=${soft}:`]);
}

/** Processor time so far, hundredths of a second. */
function ticksOf(pid: number): number {
  if (!existsSync(`/proc/${pid}`)) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
