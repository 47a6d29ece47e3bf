/**
 * From one master to three: `allot join-ensemble` publishes the registry of a master that was alone in
 * a real ZooKeeper, or says what is in the way; agents, tasks, weights and ids are what they were.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AllotProcess, BINARY } from "../harness/allot-process.ts";
import { Masters, stateOf } from "../harness/masters.ts";
import { ownProcesses } from "../harness/own-processes.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;

const own = ownProcesses();

function start(
  role: "master" | "agent",
  workDir: string,
  ...flags: string[]
): Promise<AllotProcess> {
  return own.start({ role, workDir, flags });
}

const hostOf = ({ url }: AllotProcess): string => new URL(url).host;

function joinEnsemble(url: string, workDir: string, ...flags: string[]): Promise<RunResult> {
  return runProgram(BINARY, ["join-ensemble", `--zk=${url}`, `--work_dir=${workDir}`, ...flags]);
}

async function weightsAt(master: string): Promise<unknown> {
  const { stdout } = await runProgram(BINARY, ["weights", "--json", `--master=${master}`]);
  return JSON.parse(stdout);
}

async function setWeight(master: AllotProcess, weight: string): Promise<void> {
  const { code } = await runProgram(BINARY, ["weights", weight, `--master=${hostOf(master)}`]);
  expect(code).toBe(0);
}

const isThere = hasZooKeeper("joining an ensemble");
describe.skipIf(!isThere)("a master that was alone", () => {
  let zookeeper: Ensemble | undefined;
  beforeAll(async () => {
    zookeeper = await startZooKeeper(3);
  }, TIMEOUT_MS);
  afterAll(() => zookeeper?.stop());
  const urlOf = (path: string): string => zookeeper?.url(path) ?? "";
  const session = "--zk_session_timeout=3secs";

  test(
    "becomes one of three: its agent, a running task, weights and ids are kept",
    async () => {
      const [masterDir, agentDir] = [own.folder(), own.folder()];
      const url = urlOf("/joined");
      const alone = await start("master", masterDir);
      const port = new URL(alone.url).port;
      const resources = "--resources=cpus:4;mem:512;disk:512";
      await start("agent", agentDir, `--master=${hostOf(alone)}`, resources);
      await until("the agent", async () => (await stateOf(alone))?.slaves.length === 1);
      await setWeight(alone, "web=3");
      const agents = (await stateOf(alone))?.slaves.map(({ id }) => id) ?? [];
      const framework = await TestFramework.subscribe({ master: alone.url, info: LASTING });
      const [starts, sign] = [join(agentDir, "starts"), join(agentDir, "sign")];
      const command = `echo x >> ${starts}; while ! [ -e ${sign} ]; do sleep 0.1; done`;
      await framework.launch(await framework.offer(), [{ id: "lasting", command }]);
      await framework.status("lasting", "TASK_RUNNING");
      await until("the task notes its start", () => existsSync(starts));

      const early = await joinEnsemble(url, masterDir);
      expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("stop that process")]);
      const before = await joinEnsemble(url, masterDir, "--dry_run", `--master=${hostOf(alone)}`);
      expect([before.code, before.stdout]).toEqual([
        0,
        expect.stringContaining("can be published"),
      ]);
      await alone.end("SIGTERM");
      const looked = await joinEnsemble(url, masterDir, "--dry_run");
      expect([looked.code, looked.stderr]).toEqual([0, ""]);
      expect(looked.stdout).toContain("3 of 3 servers serve");
      expect(looked.stdout).toContain("can be published");
      const joined = await joinEnsemble(url, masterDir);
      expect([joined.code, joined.stderr]).toEqual([0, ""]);
      expect(joined.stdout).toContain(`write zk=${url} into /etc/allot/allot.conf`);
      const again = await joinEnsemble(url, masterDir, "--json");
      expect(JSON.parse(again.stdout)).toMatchObject({ state: "joined" });
      // The one thing that would part it from the others is refused.
      const forgotten = await runProgram(BINARY, [
        "--role=master",
        "--ip=127.0.0.1",
        "--port=0",
        `--work_dir=${masterDir}`,
      ]);
      expect([forgotten.code, forgotten.stderr]).toEqual([1, expect.stringContaining("--zk")]);

      const first = await start("master", masterDir, `--zk=${url}`, `--port=${port}`, session);
      const others = [
        await start("master", own.folder(), `--zk=${url}`, session),
        await start("master", own.folder(), `--zk=${url}`, session),
      ];
      await until("the agent is back", async () => {
        const state = await stateOf(first);
        return state?.slaves.some(({ active }) => active);
      });
      expect((await stateOf(first))?.slaves.map(({ id }) => id)).toEqual(agents);
      expect(await weightsAt(url)).toEqual([{ role: "web", weight: 3 }]);
      const back = await TestFramework.subscribe({
        master: first.url,
        info: { ...LASTING, id: { value: framework.id } },
      });
      expect(back.id).toBe(framework.id);
      await back.call("RECONCILE", { reconcile: { tasks: [] } });
      await back.status("lasting", "TASK_RUNNING");
      await Bun.write(sign, "");
      await back.status("lasting", "TASK_FINISHED");
      expect(readFileSync(starts, "utf8")).toBe("x\n");

      await first.end("SIGKILL");
      await until("another one leads with what the first one had", async () => {
        for (const other of others) if ((await stateOf(other)) !== undefined) return true;
        return false;
      });
      expect(await weightsAt(url)).toEqual([{ role: "web", weight: 3 }]);
    },
    TIMEOUT_MS,
  );

  test(
    "is refused where another cluster's registry is, and nothing is changed on either side",
    async () => {
      const url = urlOf("/foreign");
      const masters = await Masters.start(url, 1);
      try {
        const leader = await masters.leader();
        await setWeight(leader, "theirs=2");
        const workDir = own.folder();
        const alone = await start("master", workDir);
        await setWeight(alone, "ours=5");
        await alone.end("SIGTERM");
        const refused = await joinEnsemble(url, workDir);
        expect([refused.code, refused.stderr]).toEqual([
          1,
          expect.stringContaining("is that of another cluster"),
        ]);
        expect(refused.stderr).toContain("choose another path");
        // Nor does a start by hand lose it.
        const flags = ["--role=master", "--ip=127.0.0.1", "--port=0", `--zk=${url}`];
        const byHand = await runProgram(BINARY, [...flags, `--work_dir=${workDir}`]);
        expect([byHand.code, byHand.stderr]).toEqual([1, expect.stringContaining("of cluster")]);
        const again = await start("master", workDir);
        expect(await weightsAt(hostOf(again))).toEqual([{ role: "ours", weight: 5 }]);
        expect(await weightsAt(hostOf(leader))).toEqual([{ role: "theirs", weight: 2 }]);
      } finally {
        await masters.end();
      }
    },
    TIMEOUT_MS,
  );

  test(
    "is told what is lacking: ZooKeeper, a registry, the flag",
    async () => {
      const workDir = own.folder();
      const nothing = await joinEnsemble(urlOf("/nothing"), workDir);
      expect([nothing.code, nothing.stderr]).toEqual([
        1,
        expect.stringContaining("there is no file"),
      ]);
      const master = await start("master", workDir);
      await master.end("SIGTERM");
      const away = await joinEnsemble("zk://127.0.0.1:1/x", workDir);
      expect([away.code, away.stderr]).toEqual([
        1,
        expect.stringContaining("cannot be connected to"),
      ]);
      const flag = await runProgram(BINARY, ["join-ensemble"]);
      expect([flag.code, flag.stderr]).toEqual([2, expect.stringContaining("--zk is required")]);
    },
    TIMEOUT_MS,
  );
});
