/**
 * Three compiled masters and an agent that know of each other through a real ZooKeeper alone: the
 * leader is killed, paused and stopped, and neither tasks nor what operators decided are lost.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;
const LASTING = {
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
};

const isThere = hasZooKeeper("several masters");
let zookeeper: Ensemble | undefined;
beforeAll(async () => {
  if (isThere) zookeeper = await startZooKeeper(1);
}, TIMEOUT_MS);
afterAll(() => zookeeper?.stop());

let clusters = 0;
const folders: string[] = [];
const processes: AllotProcess[] = [];
afterEach(async () => {
  for (const running of processes.splice(0)) {
    if (running.isRunning()) await running.end("SIGKILL");
  }
  for (const made of folders.splice(0)) await removeWorkDir(made);
});

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

interface Cluster {
  readonly url: string;
  readonly masters: AllotProcess[];
  readonly agentDir: string;
}

/** Masters under a path of their own, and one agent. */
async function cluster(size: number): Promise<Cluster> {
  const url = zookeeper?.url(`/masters${clusters++}`) ?? "";
  const masters: AllotProcess[] = [];
  for (let count = 0; count < size; count++) masters.push(await startMaster(url));
  const agentDir = folder();
  await start({
    role: "agent",
    workDir: agentDir,
    flags: [`--master=${url}`, "--resources=cpus:10;mem:1000;disk:1000"],
  });
  return { url, masters, agentDir };
}

function startMaster(url: string): Promise<AllotProcess> {
  const flags = [`--zk=${url}`, "--zk_session_timeout=3secs"];
  return start({ role: "master", workDir: folder(), flags });
}

interface State {
  readonly id: string;
  readonly slaves: readonly { readonly id: string; readonly active: boolean }[];
}

async function stateOf(master: AllotProcess): Promise<State | undefined> {
  if (!master.isRunning()) return undefined;
  const response = await fetch(`${master.url}/state`, {
    redirect: "manual",
    signal: AbortSignal.timeout(2000),
  }).catch(() => undefined);
  return response?.status === 200 ? ((await response.json()) as State) : undefined;
}

/** The one of these that leads with its agent back. */
async function leaderOf(masters: readonly AllotProcess[]): Promise<AllotProcess> {
  return until("a leader with its agent", async () => {
    for (const master of masters) {
      const state = await stateOf(master);
      if (state?.slaves.some(({ active }) => active) === true) return master;
    }
    return undefined;
  });
}

function without(masters: readonly AllotProcess[], one: AllotProcess): AllotProcess[] {
  return masters.filter((master) => master !== one);
}

async function post(master: AllotProcess, body: object): Promise<Response> {
  return fetch(`${master.url}/api/v1`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
}

async function weightsOf(master: AllotProcess): Promise<unknown> {
  const response = await post(master, { type: "GET_WEIGHTS" });
  return ((await response.json()) as { get_weights?: unknown }).get_weights;
}

describe.skipIf(!isThere)("three masters", () => {
  test(
    "kill -9 of the leader, twice: task, agent, framework and weights are what they were [issue 5]",
    async () => {
      const { masters, agentDir } = await cluster(3);
      let leader = await leaderOf(masters);
      const first = await stateOf(leader);
      const weight = {
        type: "UPDATE_WEIGHTS",
        update_weights: { weight_infos: [{ role: "web", weight: 3 }] },
      };
      expect((await post(leader, weight)).status).toBe(200);
      const known = await weightsOf(leader);
      let framework = await TestFramework.subscribe({ master: leader.url, info: LASTING });
      const starts = join(agentDir, "starts");
      const sign = join(agentDir, "end");
      const command = `echo x >> ${starts}; while ! [ -e ${sign} ]; do sleep 0.1; done`;
      await framework.launch(await framework.offer(), [{ id: "lasting", command }]);
      await framework.status("lasting", "TASK_RUNNING");
      await until("the task notes its start", () => existsSync(starts));
      let left: readonly AllotProcess[] = masters;
      for (let count = 0; count < 2; count++) {
        await leader.end("SIGKILL");
        left = without(left, leader);
        leader = await leaderOf(left);
        const state = await stateOf(leader);
        expect(state?.slaves.map(({ id }) => id)).toEqual(first?.slaves.map(({ id }) => id) ?? []);
        expect(state?.id).not.toBe(first?.id);
        expect(await weightsOf(leader)).toEqual(known);
        const { id } = framework;
        framework = await TestFramework.subscribe({
          master: leader.url,
          info: { ...LASTING, id: { value: id } },
        });
        expect(framework.id).toBe(id);
      }
      await framework.call("RECONCILE", { reconcile: { tasks: [] } });
      await framework.status("lasting", "TASK_RUNNING");
      await Bun.write(sign, "");
      await framework.status("lasting", "TASK_FINISHED");
      expect(readFileSync(starts, "utf8")).toBe("x\n");
      await framework.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "a follower leads to the leader, and answers for its own process [http-api 2.5]",
    async () => {
      const { masters } = await cluster(2);
      const leader = await leaderOf(masters);
      const [follower] = without(masters, leader);
      const ask = (path: string, method = "GET"): Promise<Response> =>
        fetch(`${follower?.url}${path}`, { method, redirect: "manual" });
      const port = new URL(leader.url).port;
      for (const [method, path] of [
        ["GET", "/state?x=1"],
        ["GET", "/master/slaves"],
        ["POST", "/api/v1/scheduler"],
        ["PUT", "/api/v1"],
      ] as const) {
        const answer = await ask(path, method);
        expect([answer.status, answer.headers.get("location")]).toEqual([
          307,
          `//localhost:${port}${path}`,
        ]);
      }
      expect((await ask("/redirect")).headers.get("location")).toBe(`//localhost:${port}`);
      expect((await ask("/health")).status).toBe(200);
      const metrics = await (await ask("/metrics/snapshot")).json();
      expect(metrics).toMatchObject({ "master/elected": 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "a paused leader is succeeded, commits nothing when it wakes, and follows [issue 5]",
    async () => {
      const { masters } = await cluster(2);
      const leader = await leaderOf(masters);
      const [other] = without(masters, leader);
      process.kill(leader.pid, "SIGSTOP");
      const next = await leaderOf(without(masters, leader));
      expect(next.pid).toBe(other?.pid ?? 0);
      process.kill(leader.pid, "SIGCONT");
      await until("it follows", async () => {
        const answer = await fetch(`${leader.url}/state`, { redirect: "manual" });
        return answer.status === 307;
      });
      // And may lead again.
      await next.end("SIGTERM");
      expect((await leaderOf([leader])).pid).toBe(leader.pid);
    },
    TIMEOUT_MS,
  );

  test(
    "the command line finds the leader by ZooKeeper, and runs a task there",
    async () => {
      const { masters, url } = await cluster(2);
      await leaderOf(masters);
      const run = await runProgram(BINARY, [
        "execute",
        `--master=${url}`,
        "--name=hello",
        "--command=echo hello from several",
      ]);
      expect([run.code, run.stdout]).toEqual([0, expect.stringContaining("hello from several")]);
      const nobody = await runProgram(BINARY, ["tasks", "--master=zk://127.0.0.1/x"]);
      expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("host:port")]);
    },
    TIMEOUT_MS,
  );
});
