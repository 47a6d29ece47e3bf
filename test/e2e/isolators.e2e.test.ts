/**
 * Devices, gpus, seccomp profiles and quotas of disk by the flags of the compiled program. Most
 * needs root and cgroups v2; gpus are stood in for by nodes of a harmless device.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seccompObstacle } from "../../src/containerizer/native/seccomp/seccomp-isolator.ts";
import { newCgroupRoot, OBSTACLE, removeCgroupRoots } from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { heldProcesses } from "../harness/held-processes.ts";
import { testNeeding } from "../harness/needs.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework, taskInfo } from "../harness/test-framework.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { mountXfs } from "../harness/xfs.ts";
import { nativeFlags } from "./native-scene.ts";

setDefaultTimeout(PATIENCE_MS * 4);

const folders: string[] = [];
const processes: AllotProcess[] = [];
const nodes: string[] = [];

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
  for (const node of nodes.splice(0)) rmSync(node, { force: true });
  await removeCgroupRoots();
});

const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;
const SECCOMP_OBSTACLE = seccompObstacle();

describe.skipIf(OBSTACLE !== undefined)(`isolators by flags${reason}`, () => {
  test("gpus are offered, given whole to a task that asks and to no other [semantics 7.16]", async () => {
    const { master, start, execute } = await machine();
    standIn("/dev/nvidia94", 5);
    standIn("/dev/nvidia95", 5);
    const agent = await start("--nvidia_gpu_devices=94,95");
    expect(await resourcesOf(agent)).toMatchObject({ gpus: 2 });
    const look = "ls /dev | grep nvidia9 | tr '\\n' ' '";
    const one = await execute(look, "cpus:0.1;mem:32;gpus:1");
    expect(one.stdout).toContain("nvidia94 ");
    expect(one.stdout).not.toContain("nvidia95");
    const none = await execute(`${look}; echo none`, "cpus:0.1;mem:32", "GPU_RESOURCES");
    expect(none.stdout).not.toContain("nvidia9");
    expect(none.stdout).toContain("none\n");
    expect(master.isRunning()).toBe(true);
  });

  test("devices that are allowed are there and those that are not are not [semantics 7.11]", async () => {
    const { start, execute } = await machine();
    standIn("/dev/allot-e2e", 5);
    const access = { read: true, write: true };
    const allowed = { allowed_devices: [{ device: { path: "/dev/allot-e2e" }, access }] };
    await start(`--allowed_devices=${JSON.stringify(allowed)}`);
    const result = await execute(
      "head -c1 /dev/allot-e2e | od -An -tu1; ls -d /dev/loop* /dev/vd* /dev/sd* /dev/kmsg; true",
    );
    expect(result.stdout.trim()).toEndWith("0");
    expect(result.code).toBe(0);
  });

  test.skipIf(SECCOMP_OBSTACLE !== undefined)(
    `the agent's seccomp profile is that of its tasks${SECCOMP_OBSTACLE === undefined ? "" : ` (skipped: ${SECCOMP_OBSTACLE})`} [semantics 7.16]`,
    async () => {
      const { folder, start, execute } = await machine();
      const profiles = join(folder, "profiles");
      mkdirSync(profiles);
      const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
      const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] };
      writeFileSync(join(profiles, "default.json"), JSON.stringify(profile));
      await start(`--seccomp_config_dir=${profiles}`, "--seccomp_profile_name=default.json");
      const result = await execute("mkdir made || exit 7");
      expect(result.code).toBe(7);
    },
  );

  test("flags that cannot be meant are refused with the reason [DESIGN 11]", async () => {
    const { folder, start } = await machine();
    const cases: readonly (readonly [readonly string[], string])[] = [
      [["--nvidia_gpu_devices=97"], "there is no gpu /dev/nvidia97 on this host"],
      [["--isolation=posix/cpu,gpu/nvidia"], "needs cgroups/devices or linux/devices too"],
      [['--allowed_devices={"allowed_devices":[{}]}'], "--allowed_devices: "],
      [
        [
          '--allowed_devices={"allowed_devices":[{"device":{"path":"/etc"},"access":{"read":true}}]}',
        ],
        "/etc is no plain path below /dev",
      ],
      [["--xfs_project_range=[9-5]"], "is no range of project ids such as [5000-10000]"],
      [["--xfs_kill_containers"], "needs disk/xfs in --isolation"],
      [["--isolation=disk/du,disk/xfs"], "disk/xfs and disk/du do the same; list one"],
      [["--isolation=posix/cpu,disk/xfs"], "--isolation=disk/xfs: "],
      [["--seccomp_profile_name=default.json"], "seccomp profiles need --seccomp_config_dir"],
      [["--sandbox_directory=/"], '--sandbox_directory: "/" would cover /.allot in containers'],
      [
        [
          '--effective_capabilities={"capabilities":["NET_RAW"]}',
          '--bounding_capabilities={"capabilities":["CHOWN"]}',
        ],
        "NET_RAW not among --bounding_capabilities",
      ],
      [
        [`--seccomp_config_dir=${folder}`, "--seccomp_profile_name=none.json"],
        "the profile none.json cannot be read",
      ],
    ];
    for (const [flags, message] of cases) {
      const failure = await start(...flags).then(
        () => "it started",
        (error: unknown) => String(error),
      );
      expect(failure).toContain(message);
    }
  });
});

test("an agent that dies while containers end for their disk says why afterwards, in groups too [semantics 7.7, 7.14]", async () => {
  const [masterDir, workDir] = [makeWorkDir(), makeWorkDir()];
  folders.push(masterDir, workDir);
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  const start = async (interval: string): Promise<AllotProcess> => {
    const flags = [
      `--master=${new URL(master.url).host}`,
      "--resources=cpus:4;mem:1000;disk:300",
      "--launcher=posix",
      "--isolation=posix/cpu,posix/mem,disk/du",
      "--enforce_container_disk_quota",
      `--container_disk_watch_interval=${interval}`,
    ];
    const agent = await startAllot({ role: "agent", workDir, flags });
    processes.push(agent);
    return agent;
  };
  const agent = await start("1secs");
  const framework = await TestFramework.subscribe({
    master: master.url,
    info: { checkpoint: true, failover_timeout: 600 },
  });
  const offer = await framework.offer();
  const { allocation_info } = offer.resources[0] ?? {};
  const scalars = (amounts: Readonly<Record<string, number>>): readonly object[] =>
    Object.entries(amounts).map(([name, value]) => {
      return { name, type: "SCALAR", scalar: { value }, allocation_info };
    });
  const sleeperOf = (id: string, seconds: number): Record<string, unknown> =>
    taskInfo(offer, {
      id,
      command: `exec sleep ${seconds}`,
      extra: { resources: scalars({ cpus: 0.1, mem: 32, disk: 2 }) },
    });
  const executor = {
    type: "DEFAULT",
    executor_id: { value: "group" },
    resources: scalars({ cpus: 0.1, mem: 32, disk: 1 }),
  };
  const task_group = { tasks: [sleeperOf("member", 1002)] };
  const operations = [
    { type: "LAUNCH", launch: { task_infos: [sleeperOf("single", 1001)] } },
    { type: "LAUNCH_GROUP", launch_group: { executor, task_group } },
  ];
  await framework.call("ACCEPT", { accept: { offer_ids: [offer.id], operations } });
  const ids = ["single", "member"];
  for (const id of ids) await framework.status(id, "TASK_RUNNING");
  const held = await Promise.all([
    heldProcesses(workDir, ["sleep", "1001"]),
    heldProcesses(workDir, ["sleep", "1002"]),
  ]);
  // Nobody writes down how the tasks end, so that the agent cannot see that they have.
  for (const { keeper } of held) process.kill(keeper, "SIGSTOP");
  for (const { task } of held) {
    writeFileSync(join(readlinkSync(`/proc/${task}/cwd`), "big"), new Uint8Array(4_000_000));
  }
  await until("the tasks to be killed", () => {
    const running = new Set(processesBelow(workDir));
    return held.every(({ task }) => !running.has(task));
  });
  await agent.end("SIGKILL");
  for (const { keeper } of held) process.kill(keeper, "SIGCONT");
  // Nothing is measured any more.
  await start("1hrs");
  for (const id of ids) {
    expect(await framework.status(id, "TASK_FAILED")).toMatchObject({
      reason: "REASON_CONTAINER_LIMITATION_DISK",
      message: expect.stringMatching(/^Disk usage \([\d.]+MB\) exceeds quota \([\d.]+MB\)$/),
      limitation: { resources: [{ name: "disk", type: "SCALAR" }] },
    });
  }
  await framework.teardown();
});

describe("disk/xfs by flags", () => {
  testNeeding("xfs")(
    "the file system takes no more than a task asked for, also after a restart of the agent [semantics 7.14]",
    async () => {
      const mounted = mountXfs();
      try {
        const { master, folder, execute } = await machine();
        const start = async (): Promise<AllotProcess> => {
          const agent = await startAllot({
            role: "agent",
            workDir: join(mounted.path, "work"),
            flags: [
              `--master=${new URL(master.url).host}`,
              `--runtime_dir=${join(folder, "run")}`,
              "--resources=cpus:4;mem:1000;disk:300",
              "--launcher=posix",
              "--isolation=posix/cpu,posix/mem,disk/xfs",
              "--enforce_container_disk_quota",
            ],
          });
          processes.push(agent);
          return agent;
        };
        const fill = "head -c 20000000 /dev/zero >big || exit 7";
        const agent = await start();
        expect((await execute(fill, "cpus:0.1;mem:32;disk:8")).code).toBe(7);
        expect((await execute(fill, "cpus:0.1;mem:32;disk:40")).code).toBe(0);
        await agent.end("SIGKILL");
        const again = await start();
        expect((await execute(fill, "cpus:0.1;mem:32;disk:8")).code).toBe(7);
        await again.end("SIGKILL");
        const ids = join(mounted.path, "work/agent/xfs-projects");
        expect(readdirSync(ids).sort()).toEqual(["5000", "5001", "5002"]);
      } finally {
        for (const running of processes) if (running.isRunning()) await running.end("SIGKILL");
        mounted.remove();
      }
    },
  );
});

function standIn(path: string, minor: number): void {
  rmSync(path, { force: true });
  execFileSync("mknod", ["-m", "0666", path, "c", "1", String(minor)]);
  nodes.push(path);
}

async function resourcesOf(agent: AllotProcess): Promise<unknown> {
  const state = (await (await fetch(`${agent.url}/state`)).json()) as { resources: unknown };
  return state.resources;
}

async function machine(): Promise<{
  readonly master: AllotProcess;
  readonly folder: string;
  start(...flags: string[]): Promise<AllotProcess>;
  execute(command: string, resources?: string, capability?: string): ReturnType<typeof runProgram>;
}> {
  const [masterDir, agentDir] = [makeWorkDir(), makeWorkDir()];
  folders.push(masterDir, agentDir);
  const cgroupRoot = newCgroupRoot();
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  return {
    master,
    folder: masterDir,
    start: async (...flags) => {
      const all = [...nativeFlags(master, cgroupRoot), ...flags];
      const agent = await startAllot({ role: "agent", workDir: agentDir, flags: all });
      processes.push(agent);
      return agent;
    },
    execute: (command, resources = "cpus:0.1;mem:32", capability) =>
      runProgram(BINARY, [
        "execute",
        `--master=${new URL(master.url).host}`,
        "--name=task",
        `--resources=${resources}`,
        `--command=${command}`,
        ...(capability === undefined ? [] : [`--framework_capabilities=${capability}`]),
      ]),
  };
}
