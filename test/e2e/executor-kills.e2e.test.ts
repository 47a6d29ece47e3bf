/**
 * kill -9 of the agent at random instants while a custom executor's tasks are launched and end: each
 * task ends once, as what it was, and one that is said never to have reached its executor has not.
 * The seed is printed with a fault and taken from KILLS_SEED.
 */
import { afterAll, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { executorInfo, TestExecutor } from "../harness/executor/test-executor.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { PROTOBUF_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 300_000;
const ROUNDS = Number(process.env["KILLS_ROUNDS"] ?? 8);
const TASKS_PER_ROUND = 4;

const seed = Number(process.env["KILLS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const folders: string[] = [];
const processes: AllotProcess[] = [];

afterAll(async () => {
  for (const running of processes) if (running.isRunning()) await running.end("SIGKILL");
  for (const folder of folders) await removeWorkDir(folder);
});

function folder(): string {
  const made = makeWorkDir();
  folders.push(made);
  return made;
}

/** Numbers in [0, 1) that follow from the seed. */
function dice(): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

const isOver = (state: string): boolean => /FINISHED|FAILED|KILLED|LOST|DROPPED|GONE/.test(state);

test(
  `tasks of a custom executor under ${ROUNDS} kills of the agent (seed ${seed}) [issue 4]`,
  async () => {
    const roll = dice();
    const workDir = folder();
    const master = await startAllot({ role: "master", workDir: folder() });
    processes.push(master);
    const flags = [
      `--master=${new URL(master.url).host}`,
      "--resources=cpus:4;mem:4096;disk:1000",
      "--executor_reregistration_timeout=15secs",
    ];
    let agent = await startAllot({ role: "agent", workDir, flags });
    processes.push(agent);
    const port = `--port=${new URL(agent.url).port}`;
    const info = {
      checkpoint: true,
      failover_timeout: 3600,
      capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
    };
    const framework = await TestFramework.subscribe({ master: master.url, info });
    const ids: string[] = [];
    const launch = async (): Promise<void> => {
      const offer = await framework.offer();
      const executor = executorInfo(offer, { id: "e", wire: PROTOBUF_WIRE });
      const tasks = Array.from({ length: TASKS_PER_ROUND }, () => {
        const id = `t${ids.length}`;
        ids.push(id);
        return { id, command: "", extra: { command: undefined, executor } };
      });
      await framework.launch(offer, tasks);
    };
    await launch();
    const first = await TestExecutor.find(workDir, framework.id, "e");
    const launched = (): string[] =>
      first
        .journal()
        .flatMap(({ launch: one }) => (one === undefined ? [] : [one.task.task_id.value]));
    for (let round = 0; round < ROUNDS; round += 1) {
      const ends = launched().filter(() => roll() < 0.3);
      void launch().catch(() => undefined);
      await sleep(roll() * 100);
      for (const task of ends) first.order({ task, state: "TASK_FINISHED" });
      await sleep(roll() * 300);
      await agent.end("SIGKILL");
      await sleep(roll() * 100);
      agent = await startAllot({ role: "agent", workDir, flags: [...flags, port] });
      processes.push(agent);
      await until("the agent to be back", async () => {
        const response = await fetch(`${master.url}/slaves`);
        const { slaves } = (await response.json()) as { slaves: { active: boolean }[] };
        return slaves.some(({ active }) => active);
      });
    }
    const terminal = (id: string): string[] => framework.states(id).filter(isOver);
    await until("every task to run or be over", () =>
      ids.every((id) => framework.states(id).length > 0),
    );
    for (const task of launched()) {
      if (terminal(task).length === 0) first.order({ task, state: "TASK_FINISHED" });
    }
    await until("every task to be over", () => ids.every((id) => terminal(id).length > 0));
    const reached = new Set(launched());
    for (const id of ids) {
      expect([id, terminal(id)]).toEqual([
        id,
        [reached.has(id) ? "TASK_FINISHED" : expect.stringMatching(/DROPPED|LOST/)],
      ]);
    }
    // One executor all along.
    expect(first.journal().filter(({ pid }) => pid !== undefined)).toHaveLength(1);
    await framework.teardown();
  },
  TIMEOUT_MS,
);
