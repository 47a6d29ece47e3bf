/**
 * Goal: restarts and kills of allot.service and of the Docker daemon at random instants cost no task
 * its report: each is told once, as what it was, and nothing of any is left. Method: the installed
 * units in the test machine, an agent of them under a master beside it, native and Docker tasks.
 */
import { afterAll, expect } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../build/tools.mjs";
import { isAbsence } from "../../src/containerizer/system-errors.ts";
import { roomyOffer } from "../e2e/native-scene.ts";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { isAppliance, testNeeding } from "../harness/needs.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 540_000;
/** Of one wait in it: a Docker daemon starts in twelve seconds. */
const PATIENCE_MS = 180_000;
const IMAGE = "restarts-busybox";
const TASKS_CGROUP = "/sys/fs/cgroup/allot.slice/allot-tasks.service";
const DOCKER_CGROUPS = "0::/allot.slice/allot-docker.slice/";
const DOCKER = { container: { type: "DOCKER", docker: { image: IMAGE, network: "HOST" } } };

let master: AllotProcess | undefined;
const masterDir = makeWorkDir();
afterAll(async () => {
  // An agent that looks for its master for ever would slow down all that follows.
  if (isAppliance) await runProgram("sh", [join(ROOT, "install.sh"), "--uninstall", "--purge"]);
  await master?.end("SIGKILL");
  await removeWorkDir(masterDir);
}, PATIENCE_MS);

testNeeding(
  "appliance",
  "root",
  "systemd",
  "cgroups2",
  "docker",
)(
  "tasks under restarts of allot.service and of Docker are told once and right [issue 4]",
  async () => {
    expect(await docker("import", "/usr/share/appliance/busybox.tar", IMAGE)).toMatchObject({
      code: 0,
    });
    master = await startAllot({ role: "master", workDir: masterDir });
    const address = new URL(master.url).host;
    mkdirSync("/etc/allot", { recursive: true });
    writeFileSync(
      "/etc/allot/allot.conf",
      [
        "role=agent",
        "ip=127.0.0.1",
        "work_dir=/var/lib/allot",
        `master=${address}`,
        "containerizers=mesos,docker",
        "docker_remove_delay=0ns",
        "resources=cpus:100;mem:10000;disk:10000",
        "",
      ].join("\n"),
    );
    expect(await runProgram("sh", [join(ROOT, "install.sh")])).toMatchObject({ code: 0 });
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    const expected = new Map<string, RegExp>();
    const stops = [
      ["allot", () => systemctl("restart", "allot.service")],
      ["allot", () => systemctl("kill", "--kill-whom=main", "--signal=KILL", "allot.service")],
      ["docker", () => systemctl("restart", "docker.service")],
      ["allot", () => systemctl("restart", "allot.service")],
    ] as const;
    for (const [round, [stopped, stop]] of stops.entries()) {
      const offer = await roomyOffer(framework);
      const lastings = [`native-lasting-${round}`, `docker-lasting-${round}`];
      const ends = [`native-end-${round}`, `native-signal-${round}`, `docker-end-${round}`];
      // Docker's own restart ends its containers.
      for (const id of lastings) expected.set(id, /^TASK_(?:RUNNING|FAILED)$/);
      expected.set(`native-lasting-${round}`, /^TASK_RUNNING$/);
      expected.set(ends[0] ?? "", /^TASK_FINISHED$/);
      expected.set(ends[1] ?? "", /^TASK_FAILED$/);
      expected.set(ends[2] ?? "", /^TASK_F(?:INISHED|AILED)$/);
      await framework.launch(offer, [
        { id: lastings[0] ?? "", command: "exec sleep 1000" },
        { id: lastings[1] ?? "", command: "exec sleep 1000", mem: 32, extra: DOCKER },
        { id: ends[0] ?? "", command: "sleep 1" },
        { id: ends[1] ?? "", command: "sleep 1; kill -9 $$" },
        { id: ends[2] ?? "", command: "sleep 3", mem: 32, extra: DOCKER },
      ]);
      for (const id of lastings) {
        await until(`${id} to run`, () => hasBegun(framework, id), PATIENCE_MS);
      }
      const cgroups = await cgroupsOfDocker();
      if (!isOver(framework, `docker-lasting-${round}`)) expect(cgroups).not.toBeEmpty();
      for (const cgroup of cgroups) expect(cgroup).toStartWith(DOCKER_CGROUPS);
      await sleep(Math.random() * 4000);
      const beforeSeconds = await lastReturn(address);
      await stop();
      await until(
        "the agent to be back",
        async () => {
          const seconds = await lastReturn(address);
          // Not only active, which the master may still take the one before for: its offers end.
          return stopped === "allot" ? seconds > beforeSeconds : seconds >= beforeSeconds;
        },
        PATIENCE_MS,
      );
      await until("the ends", () => ends.every((id) => isOver(framework, id)), PATIENCE_MS);
    }
    for (const [id, state] of expected) {
      expect([id, framework.states(id).at(-1)]).toEqual([id, expect.stringMatching(state)]);
      expect([id, terminalUuids(framework, id).size <= 1]).toEqual([id, true]);
    }
    for (const id of expected.keys()) {
      if (isOver(framework, id)) continue;
      await framework.call("KILL", { kill: { task_id: { value: id } } });
      await framework.status(id, "TASK_KILLED", PATIENCE_MS);
      expect(terminalUuids(framework, id).size).toBe(1);
    }
    await until("no cgroup to be left", () => cgroupsOfContainers().length === 0);
    // The unit of the tasks ends all of them, Docker's too, and its agent tells.
    const offer = await roomyOffer(framework);
    await framework.launch(offer, [
      { id: "docker-last", command: "exec sleep 1000", mem: 32, extra: DOCKER },
    ]);
    await until("docker-last to run", () => hasBegun(framework, "docker-last"), PATIENCE_MS);
    await systemctl("stop", "allot-tasks.service");
    await framework.status("docker-last", "TASK_FAILED", PATIENCE_MS);
    await framework.teardown();
    await until("no container of Docker to be left", async () => {
      return (await docker("ps", "--all", "--quiet")).stdout.trim() === "";
    });
    expect(
      await runProgram("sh", [join(ROOT, "install.sh"), "--uninstall", "--purge"]),
    ).toMatchObject({ code: 0 });
  },
  TIMEOUT_MS,
);

async function systemctl(...words: readonly string[]): Promise<void> {
  expect(await runProgram("systemctl", words)).toMatchObject({ code: 0 });
}

function docker(...words: readonly string[]): Promise<RunResult> {
  return runProgram("docker", words);
}

/** Of what runs in containers of Docker, as the kernel tells; what ends meanwhile may be missing. */
async function cgroupsOfDocker(): Promise<string[]> {
  const ids = (await docker("ps", "--quiet")).stdout.trim().split("\n");
  const inspection = await docker("inspect", "--format={{.State.Pid}}", ...ids);
  return inspection.stdout.trim().split("\n").flatMap(cgroupOf);
}

/** Empty once the process has ended: Docker tells 0 for it, or its folder has just gone. */
function cgroupOf(pid: string): string[] {
  if (pid === "0" || pid === "") return [];
  try {
    return [readFileSync(`/proc/${pid}/cgroup`, "utf8")];
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** When the agent registered last, in seconds; 0 while it is not active. */
async function lastReturn(address: string): Promise<number> {
  const { slaves } = (await (await fetch(`http://${address}/slaves`)).json()) as {
    readonly slaves: readonly {
      readonly active: boolean;
      readonly registered_time: number;
      readonly reregistered_time?: number;
    }[];
  };
  const agent = slaves.find(({ active }) => active);
  return agent?.reregistered_time ?? agent?.registered_time ?? 0;
}

function terminalUuids(framework: TestFramework, id: string): Set<string> {
  const told = framework.updates.filter(({ task_id, state }) => {
    return task_id.value === id && isTerminal(state);
  });
  return new Set(told.flatMap(({ uuid }) => uuid ?? []));
}

function isOver(framework: TestFramework, id: string): boolean {
  return framework.states(id).some(isTerminal);
}

/** Runs or has run, or could not be started: an Engine that is just coming up fails launches. */
function hasBegun(framework: TestFramework, id: string): boolean {
  return framework.states(id).includes("TASK_RUNNING") || isOver(framework, id);
}

function isTerminal(state: string): boolean {
  return /FINISHED|FAILED|KILLED|ERROR|LOST|DROPPED|GONE/.test(state);
}

/** Below each agent's mark, beside its keepers. */
function cgroupsOfContainers(): string[] {
  return foldersIn(TASKS_CGROUP)
    .filter((name) => name !== "holder")
    .flatMap((mark) => foldersIn(join(TASKS_CGROUP, mark)))
    .filter((name) => name !== "-keepers");
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
