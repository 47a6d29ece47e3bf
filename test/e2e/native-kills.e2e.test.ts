/**
 * kill -9 of the agent at random instants while native tasks are launched, killed and end: each task
 * is reported once, as what it was, and nothing of any is left. `KILLS` sets how many instants, a
 * fault prints the seed, which is taken from `KILLS_SEED`. Needs root and cgroups v2.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newCgroupRoot, OBSTACLE, removeCgroupRoots } from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { isAppliance } from "../harness/needs.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { cgroupsIn, nativeFlags, roomyOffer } from "./native-scene.ts";

const ROUNDS = Number(process.env["KILLS"] ?? 20);
const SECONDS_PER_ROUND_MAX = 30;
/** How a task ends that nobody interferes with, and one that has begun and is killed. */
const ENDS = [
  {
    command: "(setsid sleep 1000 &); sleep 0.2; exit 0",
    state: "TASK_FINISHED",
    message: "Command exited with status 0",
  },
  { command: "sleep 0.1; exit 3", state: "TASK_FAILED", message: "Command exited with status 3" },
  {
    command: "sleep 0.1; kill -9 $$",
    state: "TASK_FAILED",
    message: "Command terminated with signal Killed",
  },
  {
    command: "(setsid sleep 1000 &); exec sleep 1000",
    state: "TASK_KILLED",
    message: expect.any(String),
  },
  {
    command: "trap '' TERM; while :; do sleep 1; done",
    state: "TASK_KILLED",
    message: expect.any(String),
  },
] as const;

const seed = Number(process.env["KILLS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const folders: string[] = [];
const processes: AllotProcess[] = [];

afterEach(async () => {
  for (const running of processes.splice(0)) if (running.isRunning()) await running.end("SIGKILL");
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
  await removeCgroupRoots();
});

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;

test.skipIf(OBSTACLE !== undefined)(
  `native tasks under ${ROUNDS} kills of the agent (seed ${seed}) [issue 4]${reason}`,
  async () => {
    const roll = dice();
    const [masterDir, agentDir, notes] = [makeWorkDir(), makeWorkDir(), makeWorkDir()];
    folders.push(masterDir, agentDir, notes);
    const cgroupRoot = newCgroupRoot();
    const master = await start("master", masterDir, []);
    const flags = nativeFlags(master, cgroupRoot);
    let agent = await start("agent", agentDir, flags);
    const again = [...flags, `--port=${new URL(agent.url).port}`];
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    const tasks: { readonly id: string; readonly end: (typeof ENDS)[number] }[] = [];
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const made = ENDS.map((end, index) => ({ id: `r${round}-${index}`, end }));
      tasks.push(...made);
      const offer = await roomyOffer(framework);
      const infos = made.map(({ id, end }) => ({
        id,
        command: `echo x >>${join(notes, id)}; ${end.command}`,
        extra: { kill_policy: { grace_period: { nanoseconds: 0.1e9 } } },
      }));
      await framework.launch(offer, infos);
      // Launches, ends and kills are under way when it strikes.
      await sleep(roll() * (isAppliance ? 3000 : 1200));
      await kill(framework, `r${round}-3`);
      if (round > 0) await kill(framework, `r${round - 1}-4`);
      await sleep(roll() * 200);
      for (const pid of processesBelow(agentDir)) addNamespaces(seen, pid);
      await agent.end("SIGKILL");
      await sleep(roll() * 300);
      agent = await start("agent", agentDir, again);
    }
    const terminal = (id: string) =>
      framework.updates.filter(({ task_id, state }) => task_id.value === id && isOver(state));
    for (const { id, end } of tasks) {
      await until(`${id} to be over`, async () => {
        if (terminal(id).length > 0) return true;
        if (end.state === "TASK_KILLED") await kill(framework, id);
        await framework.send("RECONCILE", { reconcile: { tasks: [{ task_id: { value: id } }] } });
        await sleep(200);
        return false;
      });
    }
    for (const { id, end } of tasks) {
      // Repeats of one update have its uuid, and answers to RECONCILE have none.
      const told = terminal(id).map(({ state, message, uuid }) => ({ id, state, message, uuid }));
      const updates = told.filter(({ uuid }) => uuid !== undefined);
      expect([id, new Set(told.map(({ state }) => state)).size]).toEqual([id, 1]);
      expect([id, new Set(updates.map(({ uuid }) => uuid)).size > 1]).toEqual([id, false]);
      const note = join(notes, id);
      if (existsSync(note)) {
        // A kill may strike while the line is being written.
        const text = end.state === "TASK_KILLED" ? /^(?:x\n)?$/ : /^x\n$/;
        expect([id, readFileSync(note, "utf8")]).toEqual([id, expect.stringMatching(text)]);
        expect(updates[0]).toMatchObject({ id, state: end.state, message: end.message });
      } else {
        // One that had not begun when the agent died never ran, which is said as such.
        const state = expect.stringMatching(/DROPPED|LOST|FAILED|KILLED/);
        expect(told[0]).toMatchObject({ id, state });
      }
    }
    // Most have to have begun, or this tests nothing.
    expect(readdirSync(notes).length).toBeGreaterThan(tasks.length / 4);
    await framework.teardown();
    await until("all cgroups of containers to be gone", () => cgroupsIn(cgroupRoot).length === 0);
    await agent.end("SIGKILL");
    await until("every keeper to be gone", () => processesBelow(agentDir).length === 0);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(agentDir);
    // Numbers of namespaces are used again, which only in a machine of our own nobody else does.
    if (isAppliance) expect(namespacesOfAll().filter((link) => seen.has(link))).toEqual([]);
  },
  ROUNDS * SECONDS_PER_ROUND_MAX * 1000,
);

async function start(
  role: "master" | "agent",
  workDir: string,
  flags: readonly string[],
): Promise<AllotProcess> {
  const started = await startAllot({ role, workDir, flags });
  processes.push(started);
  return started;
}

async function kill(framework: TestFramework, id: string): Promise<void> {
  await framework.send("KILL", { kill: { task_id: { value: id } } });
}

/** Numbers in [0, 1) that follow from the seed. */
function dice(): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

function isOver(state: string): boolean {
  return /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE/.test(state);
}

/** Adds the namespaces of a process that are not this one's. */
function addNamespaces(seen: Set<string>, pid: number): void {
  const own = namespacesOf("self");
  for (const link of namespacesOf(String(pid))) if (!own.includes(link)) seen.add(link);
}

function namespacesOf(pid: string): string[] {
  try {
    return ["mnt", "pid", "ipc", "cgroup"].map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));
  } catch {
    // It has ended.
    return [];
  }
}

function namespacesOfAll(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => namespacesOf(pid));
}
