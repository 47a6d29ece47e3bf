/**
 * Quotas of persistent volumes through the compiled program, by walks and by XFS: what ends a task says
 * which volume it was, and operators read the figures of each. Walks need nothing of the machine.
 */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { testNeeding } from "../harness/needs.ts";
import { type Offer, TestFramework, taskInfo } from "../harness/test-framework.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { type MountedXfs, mountXfs } from "../harness/xfs.ts";

setDefaultTimeout(PATIENCE_MS * 4);

const MEGABYTE = 1024 * 1024;
const INFO = {
  roles: ["db"],
  principal: "ops",
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
};
const persistence = { id: "data", principal: "ops" };
const reserved = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 8 },
  reservations: [{ type: "DYNAMIC", role: "db", principal: "ops" }],
};
const volume = {
  ...reserved,
  disk: { persistence, volume: { container_path: "data", mode: "RW" } },
};
/** Waits for a word in the sandbox. */
const WAITING = "touch data/x; until test -e go; do sleep 0.1; done;";

const folders: string[] = [];
const processes: AllotProcess[] = [];
let mounted: MountedXfs | undefined;

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const folder of folders.splice(0)) await removeWorkDir(folder);
  mounted?.remove();
  mounted = undefined;
});

test("disk/du: a task that holds more in its volume than that has is ended, also by an agent that came back [semantics 7.13, 7.14]", async () => {
  const workDir = makeWorkDir();
  folders.push(workDir);
  await volumeScene(
    workDir,
    ["--isolation=posix/cpu,posix/mem,disk/du"],
    [
      { persistence, limit_bytes: 8 * MEGABYTE, used_bytes: expect.any(Number) },
      { limit_bytes: 20 * MEGABYTE, used_bytes: expect.any(Number) },
    ],
  );
});

test("disk/du: so is a standalone container that holds more than it may, by an agent that came back [semantics 7.14]", async () => {
  const [masterDir, workDir, runtimeDir] = [makeWorkDir(), makeWorkDir(), makeWorkDir()];
  folders.push(masterDir, workDir, runtimeDir);
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  const start = async (): Promise<AllotProcess> => {
    const flags = [
      `--master=${new URL(master.url).host}`,
      `--runtime_dir=${runtimeDir}`,
      ...["--launcher=posix", "--isolation=posix/cpu,posix/mem,disk/du"],
      ...["--enforce_container_disk_quota", "--container_disk_watch_interval=1secs"],
    ];
    const agent = await startAllot({ role: "agent", workDir, flags });
    processes.push(agent);
    return agent;
  };
  const call = async (agent: AllotProcess, type: string, more: object): Promise<unknown> => {
    const answer = await fetch(`${agent.url}/slave(1)/api/v1`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ type, [type.toLowerCase()]: more }),
    });
    const text = await answer.text();
    expect([answer.status, text]).toEqual([200, expect.any(String)]);
    return text === "" ? undefined : JSON.parse(text);
  };
  const container_id = { value: "lone" };
  const first = await start();
  const framework = await TestFramework.subscribe({ master: master.url, info: INFO });
  await framework.offer();
  const value = `touch "${workDir}/begun"; until test -e go; do sleep 0.1; done; head -c 12000000 /dev/zero >big; exec sleep 1000`;
  await call(first, "LAUNCH_CONTAINER", {
    container_id,
    command: { value },
    resources: [{ name: "disk", type: "SCALAR", scalar: { value: 8 } }],
  });
  await until("it to begin", () => existsSync(join(workDir, "begun")));
  await first.end("SIGKILL");
  const second = await start();
  const [stdout = ""] = [
    ...new Bun.Glob("**/lone/stdout").scanSync({ cwd: workDir, absolute: true }),
  ];
  writeFileSync(join(stdout, "../go"), "");
  expect(await call(second, "WAIT_CONTAINER", { container_id })).toMatchObject({
    wait_container: {
      reason: "REASON_CONTAINER_LIMITATION_DISK",
      message: expect.stringMatching(/^Disk usage \([\d.]+MB\) exceeds quota \(8MB\)$/),
    },
  });
});

testNeeding("xfs")(
  "disk/xfs: the same, with --xfs_kill_containers [semantics 7.13, 7.14]",
  async () => {
    mounted = mountXfs();
    const flags = ["--isolation=posix/cpu,posix/mem,disk/xfs", "--xfs_kill_containers"];
    await volumeScene(join(mounted.path, "work"), flags, [
      { persistence, limit_bytes: 8 * MEGABYTE, used_bytes: expect.any(Number) },
    ]);
  },
);

async function volumeScene(
  workDir: string,
  flags: readonly string[],
  statistics: readonly object[],
): Promise<void> {
  const [masterDir, runtimeDir] = [makeWorkDir(), makeWorkDir()];
  folders.push(masterDir, runtimeDir);
  const master = await startAllot({ role: "master", workDir: masterDir });
  processes.push(master);
  const start = async (): Promise<AllotProcess> => {
    const agent = await startAllot({
      role: "agent",
      workDir,
      flags: [
        `--master=${new URL(master.url).host}`,
        `--runtime_dir=${runtimeDir}`,
        "--resources=cpus:4;mem:1000;disk:100",
        "--launcher=posix",
        "--enforce_container_disk_quota",
        "--container_disk_watch_interval=1secs",
        ...flags,
      ],
    });
    processes.push(agent);
    return agent;
  };
  const agent = await start();
  const framework = await TestFramework.subscribe({ master: master.url, info: INFO });
  const offer = await framework.offer();
  const fill = `${WAITING} head -c 12000000 /dev/zero >data/big; exec sleep 1000`;
  await framework.call("ACCEPT", {
    accept: {
      offer_ids: [offer.id],
      operations: [
        { type: "RESERVE", reserve: { resources: [reserved] } },
        { type: "CREATE", create: { volumes: [volume] } },
        { type: "LAUNCH", launch: { task_infos: [filling(offer, fill)] } },
      ],
    },
  });
  await framework.status("filling", "TASK_RUNNING");
  const told = async (): Promise<Figures | undefined> => {
    const answer = await fetch(`${agent.url}/monitor/statistics`);
    const [one] = (await answer.json()) as { statistics: Figures }[];
    const all = one?.statistics.disk_statistics ?? [];
    return all.some((disk) => disk.used_bytes === undefined) ? undefined : one?.statistics;
  };
  const figures = await until("the disks to be measured", told);
  expect(figures).toMatchObject({
    disk_limit_bytes: 20 * MEGABYTE,
    disk_used_bytes: expect.any(Number),
    disk_statistics: statistics,
  });
  await agent.end("SIGKILL");
  await start();
  const sandboxes = new Bun.Glob("slaves/*/frameworks/*/executors/filling/runs/*/stdout");
  const [stdout = ""] = [...sandboxes.scanSync({ cwd: workDir, absolute: true })];
  await Bun.write(join(stdout, "../go"), "");
  const status = await framework.status("filling", "TASK_FAILED");
  expect(status).toMatchObject({
    reason: "REASON_CONTAINER_LIMITATION_DISK",
    message: expect.stringMatching(
      /^Disk usage \([\d.]+MB\) exceeds quota \(8MB\) for volume 'data'$/,
    ),
    limitation: { resources: [{ name: "disk", type: "SCALAR", disk: { persistence } }] },
  });
  await framework.teardown();
  rmSync(join(workDir, "volumes"), { recursive: true });
}

interface Figures {
  readonly disk_statistics?: readonly { readonly used_bytes?: number }[];
}

function filling(offer: Offer, command: string): Record<string, unknown> {
  const { allocation_info } = offer.resources[0] ?? {};
  const scalar = (name: string, value: number): object => {
    return { name, type: "SCALAR", scalar: { value }, allocation_info };
  };
  const resources = [
    scalar("cpus", 0.1),
    scalar("mem", 32),
    scalar("disk", 20),
    { ...volume, allocation_info },
  ];
  return taskInfo(offer, { id: "filling", command, extra: { resources } });
}
