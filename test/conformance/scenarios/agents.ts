/** Agents that fall silent, return, drain, go: lines 10 to 17, 58, 68. */
import { expect } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BINARY, makeWorkDir, removeWorkDir } from "../../harness/allot-process.ts";
import { runProgram } from "../../harness/run-program.ts";
import type { Status, TestFramework } from "../../harness/test-framework.ts";
import { until } from "../../harness/wait.ts";
import { World } from "../../master/core/harness.ts";
import { decline, eventOf, launchRunning, statusOf } from "../requests.ts";
import type { Scenario, Scene } from "../scene.ts";

const NOT_PARTITION_AWARE = ["MULTI_ROLE", "RESERVATION_REFINEMENT"];
const PING_MS = 2000;
const FAST_PINGS = `--agent_ping_timeout=${PING_MS / 1000}secs`;
const SLICES = "cpus(aware):2;mem(aware):128;cpus(plain):2;mem(plain):128;disk:8;ports:[1-2]";

/** A partition-aware framework and a plain one, each with a task on the one agent. */
async function pair(
  scene: Scene,
  master: string,
  info: Record<string, unknown> = {},
): Promise<{ aware: TestFramework; plain: TestFramework }> {
  const aware = await scene.subscribe({ master, info: { roles: ["aware"], ...info } });
  const plain = await scene.subscribe({
    master,
    capabilities: NOT_PARTITION_AWARE,
    info: { roles: ["plain"], ...info },
  });
  await launchRunning(aware, "aware");
  await launchRunning(plain, "plain");
  return { aware, plain };
}

/** The status of a task that is over, or out of reach. */
const ending = (framework: TestFramework, id: string): Promise<Status> =>
  statusOf(framework, id, ({ state }) => !/STAGING|STARTING|RUNNING|KILLING/.test(state));

async function agentId(scene: Scene, master: string): Promise<{ value: string }> {
  const [value] = await scene.agentIds(master);
  return { value: value ?? "" };
}

export const AGENT_SCENARIOS: readonly Scenario[] = [
  {
    lines: [10, 12],
    title: "five pings without an answer make the agent unreachable; its return shows its tasks",
    isLong: true,
    note: "with pings of 2 s; 75 s in test/master/core/agents.test.ts",
    run: async (scene) => {
      const master = await scene.startMaster(FAST_PINGS);
      const agents = await scene.emulate(master, { count: 1, resources: SLICES });
      const { aware, plain } = await pair(scene, master.url, { checkpoint: true });
      await agents.pause(0);
      const silentMs = performance.now();
      const gone = await ending(aware, "aware");
      expect(performance.now() - silentMs).toBeGreaterThan(3 * PING_MS);
      expect(gone).toMatchObject({
        state: "TASK_UNREACHABLE",
        reason: "REASON_AGENT_REMOVED",
        source: "SOURCE_MASTER",
        unreachable_time: { nanoseconds: expect.anything() },
      });
      expect(await ending(plain, "plain")).toMatchObject({
        state: "TASK_LOST",
        reason: "REASON_AGENT_REMOVED",
        unreachable_time: { nanoseconds: expect.anything() },
      });
      await eventOf(aware, "FAILURE");
      await agents.resume(0);
      for (const [framework, id] of [
        [aware, "aware"],
        [plain, "plain"],
      ] as const) {
        const back = await statusOf(
          framework,
          id,
          ({ reason }) => reason === "REASON_AGENT_REREGISTERED",
        );
        expect(back).toMatchObject({ state: "TASK_RUNNING", source: "SOURCE_MASTER" });
        expect(back.uuid).toBeUndefined();
      }
    },
  },
  {
    lines: [11],
    title: "an agent that answers after its fourth missed ping stays",
    isLong: true,
    note: "with pings of 2 s",
    run: async (scene) => {
      const master = await scene.startMaster(FAST_PINGS);
      const agents = await scene.emulate(master, { count: 1, resources: SLICES });
      const { aware } = await pair(scene, master.url, { checkpoint: true });
      await agents.pause(0);
      // Whenever it began: three or four pings have been missed by now, never five.
      await sleep(4 * PING_MS + PING_MS / 4);
      await agents.resume(0);
      await sleep(3 * PING_MS);
      expect(aware.states("aware").at(-1)).toBe("TASK_RUNNING");
      expect(await scene.agentIds(master.url)).toHaveLength(1);
    },
  },
  {
    lines: [13],
    title: "a shorter re-registration timeout is refused before anything is made",
    isOnce: true,
    run: async () => {
      const workDir = makeWorkDir();
      const { code, stderr } = await runProgram(BINARY, [
        "--role=master",
        "--ip=127.0.0.1",
        "--port=0",
        `--work_dir=${workDir}`,
        "--agent_reregister_timeout=9mins",
      ]);
      expect(code).not.toBe(0);
      expect(stderr).toContain("agent_reregister_timeout");
      await removeWorkDir(workDir);
    },
  },
  {
    lines: [14],
    title: "a recovered agent that stays away is unreachable after 10 min, and no task is told of",
    note: "the master's core in virtual time, as the timeout may not be shorter",
    isOnce: true,
    run: () => {
      const before = new World();
      before.addAgent();
      const world = new World({}, before.registry);
      const stream = world.subscribe();
      world.advance(599_000);
      expect([world.state.recoveredAgents.size, world.state.unreachableAgents.size]).toEqual([
        1, 0,
      ]);
      world.advance(2000);
      expect([world.state.recoveredAgents.size, world.state.unreachableAgents.size]).toEqual([
        0, 1,
      ]);
      const types = stream.events.map(({ type }) => type);
      expect(types).toContain("FAILURE");
      expect(types).not.toContain("UPDATE");
      return Promise.resolve();
    },
  },
  {
    lines: [15, 16],
    title: "an agent marked gone ends, may not return, and its tasks are gone by the operator",
    run: async (scene) => {
      const master = await scene.startMaster();
      const agent = await scene.startAgent(master, { resources: SLICES });
      const { aware, plain } = await pair(scene, master.url, { checkpoint: true });
      const agent_id = await agentId(scene, master.url);
      const mark = (id: object): Promise<{ status: number; text: string }> =>
        scene.operator({ type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id: id } }, master.url);
      expect((await mark({ value: "nobody" })).status).toBe(404);
      expect((await mark(agent_id)).status).toBe(200);
      expect(await ending(aware, "aware")).toMatchObject({
        state: "TASK_GONE_BY_OPERATOR",
        reason: "REASON_AGENT_REMOVED_BY_OPERATOR",
        source: "SOURCE_MASTER",
      });
      expect(await ending(plain, "plain")).toMatchObject({
        state: "TASK_LOST",
        reason: "REASON_AGENT_REMOVED",
      });
      expect((await mark(agent_id)).status).toBe(200);
      await until("the agent to end", () => !agent.isRunning());
      const again = await scene
        .startAgent(master, { resources: SLICES, workDir: agent.workDir })
        .catch(() => undefined);
      await until("the agent to end again", () => again?.isRunning() !== true);
      expect(await scene.agentIds(master.url)).toEqual([]);
    },
  },
  {
    lines: [17],
    title: "draining rescinds offers, kills tasks, and is over when their end is acknowledged",
    run: async (scene) => {
      const master = await scene.startMaster();
      await scene.startAgent(master);
      const framework = await scene.subscribe({
        master: master.url,
        acknowledges: false,
        info: { checkpoint: true },
      });
      const acknowledged = new Set<string>();
      const acknowledge = async (isMeant: (status: Status) => boolean): Promise<void> => {
        for (const status of framework.updates.filter(isMeant)) {
          if (status.uuid === undefined || acknowledged.has(status.uuid)) continue;
          acknowledged.add(status.uuid);
          await framework.acknowledge(status);
        }
      };
      const isLast = ({ state }: Status): boolean => state === "TASK_KILLED";
      const running = launchRunning(framework, "t");
      await until("the task to run", async () => {
        await acknowledge(() => true);
        return framework.states("t").includes("TASK_RUNNING");
      });
      await running;
      const offer = await framework.offer();
      const agent_id = await agentId(scene, master.url);
      const operate = (type: string, payload: object): Promise<{ status: number; text: string }> =>
        scene.operator({ type, [type.toLowerCase()]: { agent_id, ...payload } }, master.url);
      expect((await operate("REACTIVATE_AGENT", {})).status).toBe(400);
      expect((await operate("DRAIN_AGENT", {})).status).toBe(200);
      expect(await eventOf(framework, "RESCIND")).toMatchObject({
        rescind: { offer_id: offer.id },
      });
      const killed = await until("the task's end", async () => {
        await acknowledge((status) => !isLast(status));
        return framework.updates.find(isLast);
      });
      expect(killed).toMatchObject({ reason: "REASON_AGENT_DRAINING" });
      const drainState = async (): Promise<string | undefined> =>
        (await scene.agents(master.url))[0]?.drain_info?.state;
      expect(await drainState()).toBe("DRAINING");
      expect((await operate("REACTIVATE_AGENT", {})).status).toBe(400);
      await acknowledge(isLast);
      await until("the agent to be drained", async () => (await drainState()) === "DRAINED");
      expect((await operate("REACTIVATE_AGENT", {})).status).toBe(200);
      await framework.offer();
    },
  },
  {
    lines: [58],
    title: "an agent's restart is silent for checkpointed tasks; others are lost at once",
    run: async (scene) => {
      const master = await scene.startMaster();
      const agent = await scene.startAgent(master, { resources: SLICES });
      const kept = await scene.subscribe({
        master: master.url,
        info: { roles: ["aware"], checkpoint: true },
      });
      const lost = await scene.subscribe({ master: master.url, info: { roles: ["plain"] } });
      await launchRunning(kept, "kept");
      await launchRunning(lost, "lost");
      const count = kept.updates.length;
      await agent.end("SIGKILL");
      expect(await ending(lost, "lost")).toMatchObject({
        state: "TASK_LOST",
        reason: "REASON_AGENT_DISCONNECTED",
        source: "SOURCE_MASTER",
      });
      await scene.startAgent(master, { resources: SLICES, workDir: agent.workDir });
      await until("the agent to be back", async () => {
        return (await scene.agents(master.url)).some(({ active }) => active);
      });
      await decline(kept, await kept.offer());
      expect(kept.updates).toHaveLength(count);
      await kept.call("RECONCILE", { reconcile: {} });
      const known = await statusOf(kept, "kept", ({ uuid }) => uuid === undefined);
      expect(known).toMatchObject({ state: "TASK_RUNNING", reason: "REASON_RECONCILIATION" });
    },
  },
  {
    lines: [68],
    title: "a machine goes down only by schedule; its agents end and their tasks are lost",
    run: async (scene) => {
      const master = await scene.startMaster();
      const agent = await scene.startAgent(master, { resources: SLICES });
      const { aware } = await pair(scene, master.url, { checkpoint: true });
      const hostname = (await scene.agents(master.url))[0]?.agent_info.hostname;
      const machines = [{ hostname, ip: "127.0.0.1" }];
      const operate = (type: string, payload: object): Promise<{ status: number; text: string }> =>
        scene.operator({ type, [type.toLowerCase()]: payload }, master.url);
      expect((await operate("START_MAINTENANCE", { machines })).status).toBe(400);
      const unavailability = { start: { nanoseconds: 1_700_000_000_000_000_000 } };
      const schedule = { windows: [{ machine_ids: machines, unavailability }] };
      expect((await operate("UPDATE_MAINTENANCE_SCHEDULE", { schedule })).status).toBe(200);
      await eventOf(aware, "INVERSE_OFFERS");
      expect((await operate("START_MAINTENANCE", { machines })).status).toBe(200);
      expect(await ending(aware, "aware")).toMatchObject({
        state: "TASK_LOST",
        reason: "REASON_AGENT_REMOVED",
        source: "SOURCE_MASTER",
      });
      await until("the agent to end", () => !agent.isRunning());
      expect((await operate("START_MAINTENANCE", { machines })).status).toBe(400);
      expect((await operate("STOP_MAINTENANCE", { machines })).status).toBe(200);
      expect((await operate("STOP_MAINTENANCE", { machines })).status).toBe(400);
    },
  },
];
