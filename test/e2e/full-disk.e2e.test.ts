/**
 * A work folder on a disk that others fill: no new task is taken, what runs runs on and ends as what
 * it was, and all goes on by itself once there is room. Source: DESIGN §9.
 */
import { afterEach, expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { testNeeding } from "../harness/needs.ts";
import { runProgram } from "../harness/run-program.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 240_000;

const folders: string[] = [];
const disks: string[] = [];
const processes: AllotProcess[] = [];

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const mounted of disks.splice(0)) {
    await until("tasks to end", () => {
      const pids = processesBelow(mounted);
      for (const pid of pids) endNow(pid);
      return pids.length === 0;
    });
    execFileSync("umount", [mounted]);
  }
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
});

function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function folder(): string {
  const made = makeWorkDir();
  folders.push(made);
  return made;
}

/** A small disk of its own, mounted. */
function disk(options: string): string {
  const made = folder();
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", made]);
  disks.push(made);
  return made;
}

/** Takes all the space that is left. */
function fillSpace(path: string): void {
  const block = new Uint8Array(1024 * 1024);
  const rest = (): number => statfsSync(path).bavail * statfsSync(path).bsize;
  mkdirSync(join(path, "ballast"));
  for (let file = 0; rest() > 0; file++) {
    const bytes = Math.min(block.length, rest());
    writeFileSync(join(path, "ballast", String(file)), block.subarray(0, bytes));
  }
}

/** Takes all the inodes that are left. */
function fillInodes(path: string): void {
  mkdirSync(join(path, "ballast"));
  for (let file = 0; statfsSync(path).ffree > 0; file++) {
    writeFileSync(join(path, "ballast", String(file)), "");
  }
}

async function shortageOf(agent: AllotProcess): Promise<string | undefined> {
  const state = (await (await fetch(`${agent.url}/state`)).json()) as { disk_shortage?: string };
  return state.disk_shortage;
}

const CASES = [
  { what: "no space", options: "size=64m", fill: fillSpace, told: "disk" },
  { what: "no inodes", options: "size=64m,nr_inodes=800", fill: fillInodes, told: "inodes" },
] as const;

for (const { what, options, fill, told } of CASES) {
  testNeeding("root")(
    `${what} on the agent's disk: nothing is lost, and it recovers unaided [DESIGN 9]`,
    async () => {
      const workDir = disk(options);
      // A master that has not heard of it offers the agent all the same.
      const masterFlags = ["--agent_ping_timeout=15mins"];
      const master = await startAllot({ role: "master", workDir: folder(), flags: masterFlags });
      const flags = [
        `--master=${new URL(master.url).host}`,
        "--resources=cpus:8;mem:4096;disk:1000",
      ];
      const agent = await startAllot({ role: "agent", workDir, flags });
      processes.push(master, agent);
      const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
      await framework.launch(await framework.offer(), [
        { id: "runs", command: "sleep 1000" },
        { id: "ends", command: "read -t 3 line < /dev/zero; sleep 3; exit 7" },
      ]);
      await framework.status("runs", "TASK_RUNNING");
      await framework.status("ends", "TASK_RUNNING");

      fill(workDir);
      await until("the shortage to be seen", async () => (await shortageOf(agent)) !== undefined);
      await framework.launch(await framework.offer(), [{ id: "late", command: "true" }]);
      const refused = await framework.status("late", "TASK_DROPPED");
      expect(refused["message"]).toContain(told);
      const ended = await framework.status("ends", "TASK_FAILED");
      expect(ended["message"]).toBe("Command exited with status 7");
      await framework.call("KILL", { kill: { task_id: { value: "runs" } } });
      await framework.status("runs", "TASK_KILLED");
      expect(agent.isRunning()).toBe(true);

      rmSync(join(workDir, "ballast"), { recursive: true });
      await until("room to be seen", async () => (await shortageOf(agent)) === undefined);
      await framework.launch(await framework.offer(), [{ id: "again", command: "true" }]);
      await framework.status("again", "TASK_FINISHED");
      await framework.teardown();
    },
    TIMEOUT_MS,
  );
}

testNeeding("root")(
  "a full disk is told by the master, and its agent not offered until there is room [DESIGN 9]",
  async () => {
    const workDir = disk("size=64m");
    const masterFlags = ["--agent_ping_timeout=1secs"];
    const master = await startAllot({ role: "master", workDir: folder(), flags: masterFlags });
    const flags = [
      `--master=${new URL(master.url).host}`,
      "--hostname=narrow",
      "--resources=cpus:8;mem:4096;disk:1000",
    ];
    const agent = await startAllot({ role: "agent", workDir, flags });
    processes.push(master, agent);
    const status = async (): Promise<string> =>
      (await runProgram(BINARY, ["status", `--master=${new URL(master.url).host}`])).stdout;
    fillSpace(workDir);
    await until("the shortage to be told", async () => (await status()).includes("No room"));
    expect(await status()).toMatch(/No room: +on narrow: .*the disk is full/);
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    const offer = framework.offer();
    const early = await Promise.race([offer, sleep(5000)]);
    expect(early).toBeUndefined();
    rmSync(join(workDir, "ballast"), { recursive: true });
    await framework.launch(await offer, [{ id: "again", command: "true" }]);
    await framework.status("again", "TASK_FINISHED");
    expect(await status()).not.toContain("No room");
    await framework.teardown();
  },
  TIMEOUT_MS,
);

testNeeding("root")(
  "inodes that garbage holds come back as space does, without waiting for its age [DESIGN 9, semantics 7.6]",
  async () => {
    const workDir = disk("size=64m,nr_inodes=2000");
    const master = await startAllot({ role: "master", workDir: folder() });
    const flags = [
      `--master=${new URL(master.url).host}`,
      "--resources=cpus:8;mem:4096;disk:1000",
      "--disk_watch_interval=1secs",
    ];
    const agent = await startAllot({ role: "agent", workDir, flags });
    processes.push(master, agent);
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    const command = "i=0; while : > file$i; do i=$((i+1)); done";
    await framework.launch(await framework.offer(), [{ id: "many", command }]);
    await framework.status("many", "TASK_FAILED");
    await until("the garbage to go", () => statfsSync(workDir).ffree > 1000);
    await until("room to be seen", async () => (await shortageOf(agent)) === undefined);
    await framework.launch(await framework.offer(), [{ id: "again", command: "true" }]);
    await framework.status("again", "TASK_FINISHED");
    await framework.teardown();
  },
  TIMEOUT_MS,
);
