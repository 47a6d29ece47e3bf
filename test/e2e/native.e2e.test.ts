/**
 * Native containers through the compiled program: limits of tasks, kills of the agent at any moment,
 * and that nothing of ours is left. Needs root and cgroups v2; limits need controllers too.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  HIERARCHY,
  LIMITS_OBSTACLE,
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
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";

setDefaultTimeout(PATIENCE_MS * 4);

const CAPABILITIES = [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }];
const LASTING = { checkpoint: true, failover_timeout: 3600, capabilities: CAPABILITIES };
const MANY = "--resources=cpus:100;mem:10000;disk:10000;ports:[31000-32000]";
const MEBIBYTE = 1024 * 1024;

const folders: string[] = [];
const processes: AllotProcess[] = [];

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
  await removeCgroupRoots();
});

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;
const limitsReason = LIMITS_OBSTACLE === undefined ? "" : ` (skipped: ${LIMITS_OBSTACLE})`;

describe.skipIf(OBSTACLE !== undefined)(`native tasks${reason}`, () => {
  test("kill -9 of the agent at any moment under load: each task ends once as what it was, nothing is left [issue 4]", async () => {
    const { master, agentFlags, agentDir, cgroupRoot, start } = await machine();
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    let agent = await start();
    const flags = [...agentFlags, `--port=${new URL(agent.url).port}`];
    const ends = new Map<string, string>();
    const rounds = Number(process.env["KILLS"] ?? 6);
    for (let round = 0; round < rounds; round += 1) {
      const offer = await framework.offer();
      const tasks = Array.from({ length: 6 }, (_, index) => {
        const id = `r${round}-${index}`;
        const state = index % 3 === 0 ? "TASK_FINISHED" : index % 3 === 1 ? "TASK_FAILED" : "any";
        ends.set(id, state);
        const command =
          index % 3 === 0
            ? "(setsid sleep 1000 &); sleep 0.2; exit 0"
            : index % 3 === 1
              ? "sleep 0.1; kill -9 $$"
              : "(setsid sleep 1000 &); exec sleep 1000";
        return { id, command };
      });
      await framework.launch(offer, tasks);
      // Launches, ends and kills are under way when it strikes.
      await sleep(Math.random() * 1200);
      const kill = { task_id: { value: `r${round}-2` } };
      await framework.send("KILL", { kill });
      await sleep(Math.random() * 200);
      await agent.end("SIGKILL");
      // What was offered in the agent's earlier life is withdrawn.
      framework.offers.splice(0);
      agent = await start(flags);
    }
    for (const [id, state] of ends) {
      if (state !== "any") continue;
      await until(`${id} to be over`, async () => {
        if (framework.states(id).some(isOver)) return true;
        await framework.send("KILL", { kill: { task_id: { value: id } } });
        await framework.send("RECONCILE", { reconcile: { tasks: [{ task_id: { value: id } }] } });
        await sleep(200);
        return false;
      });
    }
    for (const [id, state] of ends) {
      await until(`${id} to be over`, () => framework.states(id).some(isOver));
      const last = framework.states(id).filter(isOver);
      expect({ id, states: new Set(last).size }).toEqual({ id, states: 1 });
      // One that had not begun when the agent died never ran, which is said as such.
      if (state !== "any") expect([state, "TASK_FAILED", "TASK_DROPPED"]).toContain(last[0] ?? "");
    }
    await framework.teardown();
    await until("all cgroups of containers to be gone", () => cgroupsIn(cgroupRoot).length === 0);
    await agent.end("SIGKILL");
    await until("every keeper to be gone", () => processesBelow(agentDir).length === 0);
  });

  test("execute runs its command in a cgroup and namespaces of its own [semantics 7.10]", async () => {
    const { master, start } = await machine();
    await start();
    const result = await runProgram(BINARY, [
      "execute",
      `--master=${new URL(master.url).host}`,
      "--name=alone",
      "--resources=cpus:0.1;mem:32",
      "--command=grep 0:: /proc/self/cgroup; readlink /proc/self; exit 7",
    ]);
    expect(result.code).toBe(7);
    const [cgroup, pid] = result.stdout.trim().split("\n").slice(-2);
    expect(cgroup).toBe("0::/");
    expect(Number(pid)).toBeLessThan(20);
  });
});

describe.skipIf(LIMITS_OBSTACLE !== undefined)(`limits of native tasks${limitsReason}`, () => {
  test("a task's limits are enforced, and what ended it is told with its resources [semantics 7.12]", async () => {
    const { master, start, cgroupRoot } = await machine();
    await start();
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    const extra = { limits: { mem: { value: 64 }, cpus: { value: 2 } } };
    const limited = { id: "limited", command: "exec sleep 1000", mem: 40, extra };
    const hog = { id: "hog", command: "tail /dev/zero", mem: 32, extra };
    await framework.launch(await framework.offer(), [limited, hog]);
    const failed = (await framework.status("hog", "TASK_FAILED")) as unknown as {
      reason: string;
      limitation: { resources: { name: string; scalar: { value: number } }[] };
    };
    expect(failed.reason).toBe("REASON_CONTAINER_LIMITATION_MEMORY");
    expect(failed.limitation.resources).toMatchObject([{ name: "mem", scalar: { value: 64 } }]);
    await framework.status("limited", "TASK_RUNNING");
    const [folder = ""] = cgroupsIn(cgroupRoot).filter((path) => existsSync(join(path, "leaf")));
    expect(readFileSync(join(folder, "memory.max"), "utf8")).toBe(`${64 * MEBIBYTE}\n`);
    expect(readFileSync(join(folder, "cpu.max"), "utf8")).toBe("200000 100000\n");
    await framework.teardown();
    await until("all cgroups of containers to be gone", () => cgroupsIn(cgroupRoot).length === 0);
  });
});

interface Machine {
  readonly master: AllotProcess;
  readonly agentDir: string;
  readonly agentFlags: readonly string[];
  readonly cgroupRoot: string;
  /** Starts the agent. */
  start(flags?: readonly string[]): Promise<AllotProcess>;
}

async function machine(): Promise<Machine> {
  const [masterDir, agentDir] = [makeWorkDir(), makeWorkDir()];
  folders.push(masterDir, agentDir);
  const cgroupRoot = newCgroupRoot();
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  const agentFlags = [
    `--master=${new URL(master.url).host}`,
    MANY,
    "--launcher=linux",
    `--cgroups_hierarchy=${HIERARCHY}`,
    `--cgroups_root=${cgroupRoot}`,
  ];
  const start = async (flags: readonly string[] = agentFlags): Promise<AllotProcess> => {
    const agent = await startAllot({ role: "agent", workDir: agentDir, flags });
    processes.push(agent);
    return agent;
  };
  return { master, agentDir, agentFlags, cgroupRoot, start };
}

/** Cgroups of containers below the root. */
function cgroupsIn(cgroupRoot: string): string[] {
  const root = join(HIERARCHY, cgroupRoot);
  return foldersIn(root)
    .flatMap((mark) => foldersIn(mark))
    .filter((path) => !path.endsWith("/-keepers"));
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}

function isOver(state: string): boolean {
  return /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE/.test(state);
}
