/** What survives the sudden end of the compiled program: tasks, ids, ends that nobody saw. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllotProcess,
  hostPidOf,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 180_000;
const TASKS = 50;
const CAPABILITIES = [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }];
const LASTING = { checkpoint: true, failover_timeout: 3600, capabilities: CAPABILITIES };
const MANY = "--resources=cpus:100;mem:10000;disk:10000;ports:[31000-32000]";

const folders: string[] = [];
const processes: AllotProcess[] = [];

function folder(): string {
  const made = makeWorkDir();
  folders.push(made);
  return made;
}

async function start(...options: Parameters<typeof startAllot>): Promise<AllotProcess> {
  const started = await startAllot(...options);
  processes.push(started);
  return started;
}

afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const made of folders.splice(0)) await removeWorkDir(made);
});

const portOf = (url: string | undefined): string => new URL(url ?? "").port;
const idOf = (number: number): string => `t${number}`;

/** Task n notes each of its starts, waits for its sign, and ends in its own way. */
function commandOf(dir: string, number: number): string {
  const note = join(dir, `starts-${number}`);
  const sign = join(dir, `end-${number}`);
  const end = number % 3 === 0 ? "kill -KILL $$" : `exit ${number % 3 === 1 ? 0 : number}`;
  return `echo x >> ${note}; while ! [ -e ${sign} ]; do sleep 0.05; done; ${end}`;
}

const expectedEnd = (number: number): { state: string; message: string } => {
  if (number % 3 === 0) {
    return { state: "TASK_FAILED", message: "Command terminated with signal Killed" };
  }
  const status = number % 3 === 1 ? 0 : number;
  return {
    state: status === 0 ? "TASK_FINISHED" : "TASK_FAILED",
    message: `Command exited with status ${status}`,
  };
};

async function launchAll(framework: TestFramework, dir: string): Promise<void> {
  const offer = await framework.offer();
  const tasks = Array.from({ length: TASKS }, (_, number) => ({
    id: idOf(number),
    command: commandOf(dir, number),
  }));
  await framework.launch(offer, tasks);
  for (const { id } of tasks) await framework.status(id, "TASK_RUNNING");
  await until("every task to note its start", () =>
    tasks.every((_, number) => existsSync(join(dir, `starts-${number}`))),
  );
}

async function endTasks(dir: string, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    await Bun.write(join(dir, `end-${number}`), "");
  }
}

async function expectEnds(framework: TestFramework, dir: string): Promise<void> {
  for (let number = 0; number < TASKS; number += 1) {
    const { state, message } = expectedEnd(number);
    const status = await framework.status(idOf(number), state);
    expect(status.message).toBe(message);
    expect(framework.states(idOf(number)).at(-1)).toBe(state);
    expect(readFileSync(join(dir, `starts-${number}`), "utf8")).toBe("x\n");
  }
}

test(
  "kill -9 of the agent: what ended meanwhile is reported exactly, nothing is restarted or lost [issue 2]",
  async () => {
    const dir = folder();
    const master = await start({ role: "master", workDir: folder() });
    const flags = [`--master=${new URL(master.url).host}`, MANY];
    const agent = await start({ role: "agent", workDir: dir, flags });
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    await launchAll(framework, dir);
    const known = framework.updates.length;
    await agent.end("SIGKILL");
    await endTasks(dir, 0, TASKS / 2);
    // They end while no agent is there to see it.
    await sleep(1000);
    expect(framework.updates.length).toBe(known);
    const again = [...flags, `--port=${portOf(agent.url)}`];
    await start({ role: "agent", workDir: dir, flags: again });
    await until(
      "the ends of the first half",
      () => framework.updates.filter(({ state }) => /FINISHED|FAILED/.test(state)).length >= 25,
    );
    // The other half runs on untouched, until it is told to end.
    for (let number = TASKS / 2; number < TASKS; number += 1) {
      expect(framework.states(idOf(number)).at(-1)).toBe("TASK_RUNNING");
    }
    await endTasks(dir, TASKS / 2, TASKS);
    await expectEnds(framework, dir);
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "kill -9 of the master: it comes back with its agents and tasks, ids unchanged [issue 2]",
  async () => {
    const dir = folder();
    const masterDir = folder();
    const master = await start({ role: "master", workDir: masterDir });
    const flags = [`--master=${new URL(master.url).host}`, MANY];
    await start({ role: "agent", workDir: dir, flags });
    const framework = await TestFramework.subscribe({ master: master.url, info: LASTING });
    await launchAll(framework, dir);
    const before = await agentsAndTasks(master.url);
    await master.end("SIGKILL");
    await until("the stream to break", () => framework.isOver);
    const again = await start({
      role: "master",
      workDir: masterDir,
      flags: [`--port=${portOf(master.url)}`],
    });
    const back = await TestFramework.subscribe({
      master: again.url,
      info: { ...LASTING, id: { value: framework.id } },
    });
    expect(back.id).toBe(framework.id);
    await until("the agent to be back with its tasks", async () => {
      const after = await agentsAndTasks(again.url);
      return after.tasks.length === TASKS && JSON.stringify(after) === JSON.stringify(before);
    });
    await back.call("RECONCILE", { reconcile: { tasks: [] } });
    await until("the answers for all tasks", () => back.updates.length >= TASKS);
    expect(new Set(back.updates.map(({ state }) => state))).toEqual(new Set(["TASK_RUNNING"]));
    await endTasks(dir, 0, TASKS);
    await expectEnds(back, dir);
    await back.teardown();
  },
  TIMEOUT_MS,
);

test(
  "kill -9 of both at once in role both: tasks run on, ids and ends are right [issue 2]",
  async () => {
    const dir = folder();
    const both = await start({ role: "both", workDir: dir, flags: [MANY] });
    const framework = await TestFramework.subscribe({ master: both.url, info: LASTING });
    await launchAll(framework, dir);
    const before = await agentsAndTasks(both.url);
    await both.end("SIGKILL");
    await endTasks(dir, 0, TASKS / 2);
    await sleep(500);
    const ports = [`--port=${portOf(both.url)}`, `--agent_port=${portOf(both.agentUrl)}`];
    const again = await start({ role: "both", workDir: dir, flags: [MANY, ...ports] });
    const back = await TestFramework.subscribe({
      master: again.url,
      info: { ...LASTING, id: { value: framework.id } },
    });
    await until(
      "the ends of the first half",
      () => back.updates.filter(({ state }) => /FINISHED|FAILED/.test(state)).length >= 25,
    );
    expect((await agentsAndTasks(again.url)).agents).toEqual(before.agents);
    await endTasks(dir, TASKS / 2, TASKS);
    await expectEnds(back, dir);
    await back.teardown();
  },
  TIMEOUT_MS,
);

test(
  "SIGTERM ends the program cleanly and leaves the tasks of checkpointing frameworks [semantics 2.8]",
  async () => {
    const dir = folder();
    const both = await start({ role: "both", workDir: dir });
    const framework = await TestFramework.subscribe({ master: both.url, info: LASTING });
    const offer = await framework.offer();
    const note = join(dir, "pid");
    await framework.launch(offer, [{ id: "t", command: `echo $$ > ${note}; exec sleep 1000` }]);
    await framework.status("t", "TASK_RUNNING");
    const pid = await until("the task's pid", () =>
      existsSync(note) ? Number(readFileSync(note, "utf8")) || undefined : undefined,
    );
    const hostPid = hostPidOf(pid, dir);
    expect(await both.end("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(processesBelow(dir)).toContain(hostPid);
  },
  TIMEOUT_MS,
);

interface Known {
  readonly agents: readonly string[];
  readonly tasks: readonly string[];
}

async function agentsAndTasks(url: string): Promise<Known> {
  const response = await fetch(`${url}/state`);
  const state = (await response.json()) as {
    slaves: { id: string }[];
    frameworks: { tasks: { id: string; slave_id: string }[] }[];
  };
  return {
    agents: state.slaves.map(({ id }) => id).sort(),
    tasks: state.frameworks
      .flatMap(({ tasks }) => tasks.map((task) => `${task.id} on ${task.slave_id}`))
      .sort(),
  };
}
