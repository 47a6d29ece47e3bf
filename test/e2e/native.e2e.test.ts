/**
 * Native containers through the compiled program: limits of tasks, kills of the agent at any moment,
 * and that nothing of ours is left. Needs root and cgroups v2; limits need controllers too.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  LIMITS_OBSTACLE,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { cgroupsIn, nativeFlags } from "./native-scene.ts";

setDefaultTimeout(PATIENCE_MS * 4);

const CAPABILITIES = [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }];
const LASTING = { checkpoint: true, failover_timeout: 3600, capabilities: CAPABILITIES };
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
    // First, as the framework below is offered all that is left.
    const executed = await runProgram(BINARY, [
      "execute",
      `--master=${new URL(master.url).host}`,
      "--resources=cpus:0.1;mem:32",
      "--command=tail /dev/zero",
    ]);
    expect(executed.code).toBe(137);
    expect(executed.stderr).toContain("Memory limit exceeded");
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
    // The hog's goes when its end has been told, in parts.
    await until("the hog's cgroup to be gone", () => cgroupsIn(cgroupRoot).length === 1);
    const [folder = ""] = cgroupsIn(cgroupRoot);
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
  const agentFlags = nativeFlags(master, cgroupRoot);
  const start = async (flags: readonly string[] = agentFlags): Promise<AllotProcess> => {
    const agent = await startAllot({ role: "agent", workDir: agentDir, flags });
    processes.push(agent);
    return agent;
  };
  return { master, agentDir, agentFlags, cgroupRoot, start };
}
