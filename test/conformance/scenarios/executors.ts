/** What agents do with tasks and executors: lines 52, 54 to 57, 59, 63 to 65, 69. */
import { expect } from "bun:test";
import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { makeWorkDir, removeWorkDir, startAllot } from "../../harness/allot-process.ts";
import { BUSYBOX, docker, findPrivateEngine, whyNoEngine } from "../../harness/docker-engine.ts";
import type { Status } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import { accept, launchOf, launchRunning, statusOf, take, task } from "../requests.ts";
import type { Scenario, SceneAgent } from "../scene.ts";
import { isOver, launch, own } from "./own-agent.ts";

const MIB = 1024 * 1024;
const GRACE_MS = 3000;

export const EXECUTOR_SCENARIOS: readonly Scenario[] = [
  {
    lines: [52],
    title: "a kill is TERM, and KILL after three seconds; it is KILLED however the task ends",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const stubborn = "trap '' TERM; while :; do sleep 0.1; done";
      const polite = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
      await launch(framework, "stubborn", { command: { value: stubborn } });
      await launch(framework, "polite", { command: { value: polite } });
      for (const id of ["stubborn", "polite"]) await framework.status(id, "TASK_RUNNING");
      // The shells have to come to their traps.
      await Bun.sleep(500);
      const killedMs = performance.now();
      for (const id of ["stubborn", "polite"]) {
        await framework.call("KILL", { kill: { task_id: { value: id } } });
      }
      expect(await framework.status("polite", "TASK_KILLED")).toMatchObject({
        message: "Command exited with status 0",
      });
      expect(await framework.status("stubborn", "TASK_KILLED")).toMatchObject({
        message: "Command terminated with signal Killed",
      });
      expect(performance.now() - killedMs).toBeGreaterThan(GRACE_MS - 100);
    },
  },
  {
    lines: [54],
    title: "a task that takes longer than it may fails",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      await launch(framework, "t", { max_completion_time: { nanoseconds: 1e9 } });
      expect(await statusOf(framework, "t", isOver)).toMatchObject({
        state: "TASK_FAILED",
        reason: "REASON_MAX_COMPLETION_TIME_REACHED",
      });
      expect(framework.states("t")).not.toContain("TASK_KILLING");
    },
  },
  {
    lines: [55],
    title: "three failed health checks are told and kill; those in the grace period do not count",
    isSlice: true,
    isLong: true,
    note: "with a grace period of 2 s",
    run: async (scene) => {
      const framework = await scene.subscribe();
      await launch(framework, "t", {
        health_check: {
          type: "COMMAND",
          command: { value: "exit 1" },
          delay_seconds: 0,
          interval_seconds: 0.5,
          grace_period_seconds: 2,
        },
      });
      const startMs = (await statusOf(framework, "t", ({ state }) => state === "TASK_RUNNING"))
        .timestamp;
      const end = await statusOf(framework, "t", isOver);
      expect(end).toMatchObject({ state: "TASK_KILLED", healthy: false });
      const failures = framework.updates.filter(
        ({ state, healthy }) => state === "TASK_RUNNING" && healthy === false,
      );
      expect(new Set(failures.map(({ uuid }) => uuid)).size).toBe(3);
      expect((failures[0]?.timestamp ?? 0) - (startMs ?? 0)).toBeGreaterThan(1.5);
    },
  },
  {
    lines: [56],
    title: "an HTTP health check takes 200 to 399 for good",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      let status = 399;
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => new Response("", { status }),
      });
      scene.atEnd(() => server.stop(true));
      const http = { port: server.port, scheme: "http", path: "/" };
      const times = { delay_seconds: 0, interval_seconds: 0.2, grace_period_seconds: 0 };
      await launch(framework, "t", { health_check: { type: "HTTP", http, ...times } });
      await statusOf(framework, "t", ({ healthy }) => healthy === true);
      status = 200;
      await Bun.sleep(1000);
      status = 400;
      await statusOf(framework, "t", ({ healthy }) => healthy === false);
      expect(await statusOf(framework, "t", isOver)).toMatchObject({ state: "TASK_KILLED" });
    },
  },
  {
    lines: [57],
    title: "an executor that does not subscribe in time fails its task",
    note: "within 2 s; within a minute in test/agent/core",
    run: async (scene) => {
      const { framework } = await own(scene, "--executor_registration_timeout=2secs");
      const offer = await framework.offer();
      const executor = {
        executor_id: { value: "e" },
        command: { value: "sleep 1000" },
        resources: take(offer, { cpus: 0.1, mem: 32 }),
      };
      const changes = { command: undefined, executor };
      await accept(framework, [offer], [launchOf({ ...task(offer, "t"), ...changes })]);
      expect(await statusOf(framework, "t")).toMatchObject({
        state: "TASK_FAILED",
        reason: "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        source: "SOURCE_AGENT",
      });
    },
  },
  {
    lines: [59],
    title: "an agent with less does not start; one with more keeps its id where that is allowed",
    run: async (scene) => {
      const master = await scene.startMaster();
      const sized = (cpus: number): string => `cpus:${cpus};mem:512;disk:64;ports:[1-2]`;
      const first = await scene.startAgent(master, { resources: sized(4) });
      const framework = await scene.subscribe({
        master: master.url,
        info: { roles: ["own"], checkpoint: true },
      });
      await launchRunning(framework, "t");
      const ids = await scene.agentIds(master.url);
      await first.end("SIGKILL");
      const { workDir } = first;
      const again = (cpus: number, ...flags: string[]): Promise<SceneAgent> =>
        scene.startAgent(master, { workDir, resources: sized(cpus), flags });
      // It may have ended before it is seen to be ready, or after.
      const refusal = async (cpus: number, ...flags: string[]): Promise<string> => {
        try {
          const refused = await again(cpus, ...flags);
          await until("the agent to end", () => !refused.isRunning());
          return refused.stderr();
        } catch (error) {
          return String(error);
        }
      };
      for (const [cpus, ...flags] of [
        [2],
        [8],
        [2, "--reconfiguration_policy=additive"],
      ] as const) {
        expect(await refusal(cpus, ...flags)).toMatch(/resources|cpus/);
      }
      // All of it is told, not the first of it.
      expect(await refusal(2, "--attributes=rack:a;row:b")).toContain(
        "resource cpus changed from 4 to 2, attribute rack is new, attribute row is new, which",
      );
      const grown = await again(8, "--reconfiguration_policy=additive");
      await until("the agent to be back with more", async () => {
        const [agent] = await scene.agents(master.url);
        return agent?.active === true && JSON.stringify(agent).includes('"value":8');
      });
      expect(await scene.agentIds(master.url)).toEqual(ids);
      // A policy of ours: less is right as long as what runs fits.
      await grown.end("SIGKILL");
      const unfit = await refusal(0.05, "--reconfiguration_policy=fitting");
      expect(unfit).toContain("task t of framework");
      await again(1, "--reconfiguration_policy=fitting");
      await until("the agent to be back with less", async () => {
        const [agent] = await scene.agents(master.url);
        return agent?.active === true && JSON.stringify(agent).includes('"value":1}');
      });
      expect(framework.states("t").at(-1)).toBe("TASK_RUNNING");
      await framework.call("KILL", { kill: { task_id: { value: "t" } } });
      await framework.status("t", "TASK_KILLED");
    },
  },
  {
    lines: [63],
    title: "an archive is extracted unless it is to be executable",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const folder = makeWorkDir();
      scene.atEnd(() => removeWorkDir(folder));
      await Bun.write(`${folder}/word`, "fetched\n");
      const archive = `${folder}/a.tar.gz`;
      await Bun.$`tar -czf ${archive} -C ${folder} word`.quiet();
      const offer = await framework.offer();
      const value = "cat word; stat -c %a run/a.tar.gz; ls run";
      const uris = [
        { value: `file://${archive}` },
        { value: archive, executable: true, output_file: "run/a.tar.gz" },
      ];
      const command = { value: `${value} > ${folder}/out; cat ${folder}/out`, uris };
      await accept(framework, [offer], [launchOf({ ...task(offer, "t"), command })]);
      expect(await statusOf(framework, "t", isOver)).toMatchObject({ state: "TASK_FINISHED" });
      expect(readFileSync(`${folder}/out`, "utf8")).toContain("a.tar.gz");
    },
  },
  {
    lines: [64],
    title: "a Docker task has its container's name, its sandbox and the host's network",
    obstacle: whyNoEngine(undefined),
    isLong: true,
    run: async (scene) => {
      const engine = await findPrivateEngine("conformance line 64");
      if (engine === undefined) throw new Error("the Docker Engine did not start");
      scene.atEnd(() => engine.stop());
      const flags = [`--docker_socket=${engine.socketPath}`, "--docker_remove_delay=0ns"];
      const { framework } = await own(scene, "--containerizers=mesos,docker", ...flags);
      const container = { type: "DOCKER", docker: { image: BUSYBOX } };
      await launch(framework, "t", { container });
      const status: Status & { container_status?: { container_id: { value: string } } } =
        await framework.status("t", "TASK_RUNNING");
      const name = `mesos-${status.container_status?.container_id.value}`;
      const text = await docker(engine.socketPath, "inspect", name);
      const [inspected] = JSON.parse(text) as {
        HostConfig: { NetworkMode: string };
        Mounts: { Destination: string }[];
      }[];
      expect(inspected?.HostConfig.NetworkMode).toBe("host");
      expect(inspected?.Mounts.map(({ Destination }) => Destination)).toContain(
        "/mnt/mesos/sandbox",
      );
      await framework.call("KILL", { kill: { task_id: { value: "t" } } });
      await framework.status("t", "TASK_KILLED");
    },
  },
  {
    lines: [65],
    title: "a task that fails takes its group along, other groups of its executor go on",
    isSlice: true,
    run: async (scene) => {
      const framework = await scene.subscribe();
      const offer = await framework.offer();
      const executor = {
        type: "DEFAULT",
        executor_id: { value: "pod" },
        framework_id: { value: framework.id },
        resources: take(offer, { cpus: 0.1, mem: 32, disk: 1 }),
      };
      const group = (...tasks: object[]): object => ({
        type: "LAUNCH_GROUP",
        launch_group: { executor, task_group: { tasks } },
      });
      const frail = task(offer, "frail", { command: { value: "sleep 1; exit 7" } });
      const groups = [group(frail, task(offer, "sibling")), group(task(offer, "other"))];
      await accept(framework, [offer], groups);
      expect(await statusOf(framework, "frail", isOver)).toMatchObject({ state: "TASK_FAILED" });
      expect(await statusOf(framework, "sibling", isOver)).toMatchObject({ state: "TASK_KILLED" });
      await Bun.sleep(1000);
      expect(framework.states("other").at(-1)).toBe("TASK_RUNNING");
    },
  },
  {
    lines: [69],
    title: "an agent that is not told finds out what it has",
    isOnce: true,
    run: async (scene) => {
      const master = await scene.startMaster();
      const workDir = makeWorkDir();
      const flags = [`--master=${new URL(master.url).host}`];
      const agent = await startAllot({ role: "agent", workDir, flags });
      scene.atEnd(async () => {
        await agent.end("SIGKILL");
        await removeWorkDir(workDir);
      });
      const framework = await scene.subscribe({ master: master.url, info: { roles: ["own"] } });
      const offer = await framework.offer();
      const amount = (name: string): number =>
        offer.resources.find((one) => one.name === name)?.scalar?.value ?? 0;
      const ports = offer.resources.find(({ name }) => name === "ports")?.ranges?.range;
      expect(ports?.map(({ begin, end }) => [Number(begin), Number(end)])).toEqual([
        [31_000, 32_000],
      ]);
      expect(amount("cpus")).toBeGreaterThanOrEqual(1);
      expect(amount("cpus")).toBeLessThanOrEqual(availableParallelism());
      const memMb = totalmem() / MIB;
      expect(amount("mem")).toBeGreaterThan(0);
      expect(amount("mem")).toBeLessThanOrEqual(memMb >= 2048 ? memMb - 1024 : memMb / 2);
      const { blocks, bsize } = statfsSync(workDir);
      const diskMb = (blocks * bsize) / MIB;
      const expectedMb = diskMb >= 10_240 ? diskMb - 5120 : diskMb / 2;
      expect(Math.abs(amount("disk") - expectedMb)).toBeLessThan(2);
    },
  },
];
