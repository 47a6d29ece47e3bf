/**
 * Three compiled masters and an agent that know of each other through a real ZooKeeper alone: the
 * leader is killed, paused and stopped, and neither tasks nor what operators decided are lost.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { detectMaster } from "../../src/detector.ts";
import { type AllotProcess, BINARY } from "../harness/allot-process.ts";
import { postTo, stateOf } from "../harness/masters.ts";
import { ownMasters } from "../harness/own-masters.ts";
import { runProgram } from "../harness/run-program.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 240_000;

const own = ownMasters("several masters", 1);

async function weightsOf(master: AllotProcess): Promise<unknown> {
  const response = await postTo(master, { type: "GET_WEIGHTS" });
  return ((await response.json()) as { get_weights?: unknown }).get_weights;
}

describe.skipIf(!own.isThere)("three masters", () => {
  test(
    "kill -9 of the leader, twice: task, agent, framework and weights are what they were [issue 5]",
    async () => {
      const masters = await own.start(3);
      const agentDir = await masters.startAgent();
      let leader = await masters.leader();
      const first = await stateOf(leader);
      const weight = {
        type: "UPDATE_WEIGHTS",
        update_weights: { weight_infos: [{ role: "web", weight: 3 }] },
      };
      expect((await postTo(leader, weight)).status).toBe(200);
      const known = await weightsOf(leader);
      let framework = await TestFramework.subscribe({ master: leader.url, info: LASTING });
      const starts = join(agentDir, "starts");
      const sign = join(agentDir, "end");
      const command = `echo x >> ${starts}; while ! [ -e ${sign} ]; do sleep 0.1; done`;
      await framework.launch(await framework.offer(), [{ id: "lasting", command }]);
      await framework.status("lasting", "TASK_RUNNING");
      await until("the task notes its start", () => existsSync(starts));
      let left: readonly AllotProcess[] = masters.masters;
      for (let count = 0; count < 2; count++) {
        await leader.end("SIGKILL");
        left = left.filter((master) => master !== leader);
        leader = await masters.leader(left);
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
      const masters = await own.start(2);
      await masters.startAgent();
      const leader = await masters.leader();
      const [follower] = masters.others(leader);
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
      const masters = await own.start(2);
      await masters.startAgent();
      const leader = await masters.leader();
      const [other] = masters.others(leader);
      process.kill(leader.pid, "SIGSTOP");
      const next = await masters.leader(masters.others(leader));
      expect(next.pid).toBe(other?.pid ?? 0);
      process.kill(leader.pid, "SIGCONT");
      await until("it follows", async () => {
        const answer = await fetch(`${leader.url}/state`, { redirect: "manual" });
        return answer.status === 307;
      });
      // And may lead again.
      await next.end("SIGTERM");
      expect((await masters.leader([leader])).pid).toBe(leader.pid);
    },
    TIMEOUT_MS,
  );

  test(
    "the command line finds the leader by ZooKeeper, and runs a task there",
    async () => {
      const masters = await own.start(2);
      await masters.startAgent();
      await masters.leader();
      const run = await runProgram(BINARY, [
        "execute",
        `--master=${masters.url}`,
        "--name=hello",
        "--command=echo hello from several",
      ]);
      expect([run.code, run.stdout]).toEqual([0, expect.stringContaining("hello from several")]);
      const nobody = await runProgram(BINARY, ["tasks", "--master=zk://127.0.0.1/x"]);
      expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("host:port")]);
    },
    TIMEOUT_MS,
  );

  test(
    "`allot execute` outlives the leader, and shows all that its task wrote meanwhile",
    async () => {
      const masters = await own.start(2);
      const agentDir = await masters.startAgent();
      const leader = await masters.leader();
      const sign = join(agentDir, "end");
      const wait = `while ! [ -e ${sign} ]; do sleep 0.1; done`;
      const command = `echo first; touch ${sign}-begun; ${wait}; echo last; exit 9`;
      const run = runProgram(BINARY, [
        "execute",
        `--master=${masters.url}`,
        "--name=lasting",
        `--command=${command}`,
      ]);
      await until("the task runs", () => existsSync(`${sign}-begun`));
      await leader.end("SIGKILL");
      const next = await masters.leader(masters.others(leader));
      await until("the framework is there again", async () => {
        const { frameworks } = (await (await fetch(`${next.url}/frameworks`)).json()) as {
          readonly frameworks: readonly { readonly connected: boolean }[];
        };
        return frameworks.some(({ connected }) => connected);
      });
      await Bun.write(sign, "");
      expect(await run).toMatchObject({ code: 9, stdout: "first\nlast\n" });
    },
    TIMEOUT_MS,
  );

  test(
    "a follower carries requests and streams to the leader when it is asked to [issue 5]",
    async () => {
      const masters = await own.start(1);
      await masters.leader();
      const follower = await masters.startMaster(undefined, ["--proxy_to_leader"]);
      await until("it follows", async () => (await stateOf(follower)) !== undefined);
      await masters.startAgent();
      const leader = await masters.leader();
      const state = await fetch(`${follower.url}/state`, { redirect: "error" });
      expect(await state.json()).toMatchObject({ id: (await stateOf(leader))?.id });
      const framework = await TestFramework.subscribe({ master: follower.url, info: LASTING });
      await framework.launch(await framework.offer(), [{ id: "through", command: "true" }]);
      await framework.status("through", "TASK_FINISHED");
      await framework.teardown();
      const refused = await postTo(follower, { type: "NO_SUCH_CALL" });
      expect(refused.status).toBe(400);
      // Whoever was carried once is sent on, so that two that disagree do not go round.
      const twice = { redirect: "manual", headers: { "Allot-Passed-On": "1" } } as const;
      expect((await fetch(`${follower.url}/state`, twice)).status).toBe(307);
      // Its own it answers itself.
      expect((await fetch(`${follower.url}/health`, { redirect: "error" })).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  test(
    "a program finds the leader, and the next one, with the exported detector [issue 5]",
    async () => {
      const masters = await own.start(2);
      const leader = await masters.leader();
      const stop = new AbortController();
      const detected = detectMaster(masters.url, { signal: stop.signal });
      const next = async (): Promise<string | undefined> => (await detected.next()).value?.address;
      expect(await next()).toBe(new URL(leader.url).host);
      await leader.end("SIGTERM");
      let address = await next();
      // In between nobody may lead.
      if (address === undefined) address = await next();
      expect(address).toBe(new URL(masters.others(leader)[0]?.url ?? "").host);
      stop.abort();
      expect((await detected.next()).done).toBe(true);
      await expect(detectMaster("10.0.0.1:5050").next()).rejects.toThrow("zk://");
    },
    TIMEOUT_MS,
  );
});
