/**
 * `allot leader` and `allot status` against masters that know of each other through a real ensemble
 * of three ZooKeeper servers: who leads, an orderly hand-over, and why nothing moves without a quorum.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { stateOf } from "../harness/masters.ts";
import { ownMasters } from "../harness/own-masters.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { LASTING, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 300_000;

const own = ownMasters("verbs for several masters", 3);

interface LeaderJson {
  readonly leader: { readonly id: string; readonly address: string; readonly epoch: number } | null;
  readonly masters: readonly { readonly address: string; readonly standing: string }[];
  readonly why: readonly string[];
}

const hostOf = ({ url }: AllotProcess): string => new URL(url).host;

function allot(master: string, ...words: string[]): Promise<RunResult> {
  return runProgram(BINARY, [...words, `--master=${master}`]);
}

async function whoLeads(master: string): Promise<LeaderJson> {
  const { stdout, stderr } = await allot(master, "leader", "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as LeaderJson;
}

interface LinkJson {
  readonly master: string | null;
  readonly is_linked: boolean;
  readonly why: readonly string[];
}

async function linkOf(agent: AllotProcess | undefined): Promise<LinkJson> {
  return (await (await fetch(`${agent?.url}/allot/v1/link`)).json()) as LinkJson;
}

/** A task that notes its starts, and ends once the sign is there. */
async function lastingTask(leader: AllotProcess, folder: string) {
  const framework = await TestFramework.subscribe({ master: leader.url, info: LASTING });
  const [starts, sign] = [join(folder, "starts"), join(folder, "end")];
  const command = `echo x >> ${starts}; while ! [ -e ${sign} ]; do sleep 0.1; done`;
  await framework.launch(await framework.offer(), [{ id: "lasting", command }]);
  await framework.status("lasting", "TASK_RUNNING");
  await until("the task notes its start", () => existsSync(starts));
  return { framework, starts, sign };
}

function againWith(leader: AllotProcess, framework: TestFramework): Promise<TestFramework> {
  const info = { ...LASTING, id: { value: framework.id } };
  return TestFramework.subscribe({ master: leader.url, info });
}

describe.skipIf(!own.isThere)("who leads", () => {
  test(
    "is told by ZooKeeper, by the leader and by a follower alike; a hand-over leaves tasks alone",
    async () => {
      const masters = await own.start(3);
      const agentDir = await masters.startAgent();
      const leader = await masters.leader();
      const { framework, starts, sign } = await lastingTask(leader, agentDir);
      const [follower] = masters.others(leader);
      const addresses = [
        masters.url,
        hostOf(leader),
        follower === undefined ? "" : hostOf(follower),
      ];
      await until("all stand", async () => (await whoLeads(masters.url)).masters.length === 3);
      for (const address of addresses) {
        const told = await whoLeads(address);
        expect(told.leader?.address).toBe(hostOf(leader));
        expect(told.masters.map(({ standing }) => standing).toSorted()).toEqual([
          "following",
          "following",
          "leading",
        ]);
        expect(told.why).toEqual([]);
      }
      const before = await whoLeads(masters.url);
      const text = await allot(masters.url, "leader");
      expect(text.code).toBe(0);
      expect(text.stdout).toMatch(
        new RegExp(
          `^Leader: +${hostOf(leader)}, epoch ${before.leader?.epoch}, for \\d+\\w \\(since 20`,
        ),
      );
      // Asked of a follower, which leads the call to the leader.
      const stepped = await allot(addresses[2] ?? "", "leader", "step-down", "--json");
      expect([stepped.code, stepped.stderr]).toEqual([0, ""]);
      const handed = JSON.parse(stepped.stdout) as {
        leader: LeaderJson["leader"];
        took_ms: number;
      };
      console.info(`handed over within ${handed.took_ms} ms`);
      expect(handed.leader?.address).not.toBe(hostOf(leader));
      expect(handed.leader?.epoch).toBe((before.leader?.epoch ?? 0) + 1);
      const next = await masters.leader();
      expect(hostOf(next)).toBe(handed.leader?.address ?? "");
      await until("the former leader stands again", async () => {
        const { masters: all } = await whoLeads(masters.url);
        return all.at(-1)?.address === hostOf(leader) && all.at(-1)?.standing === "following";
      });
      const again = await againWith(next, framework);
      await again.call("RECONCILE", { reconcile: { tasks: [] } });
      await again.status("lasting", "TASK_RUNNING");
      await Bun.write(sign, "");
      await again.status("lasting", "TASK_FINISHED");
      expect(readFileSync(starts, "utf8")).toBe("x\n");
      await again.teardown();
    },
    TIMEOUT_MS,
  );

  test(
    "nobody hands over where nobody could take over",
    async () => {
      const masters = await own.start(1);
      const leader = await masters.leader();
      const alone = await allot(masters.url, "leader", "step-down");
      expect([alone.code, alone.stderr]).toEqual([
        1,
        expect.stringContaining("No other master stands for election"),
      ]);
      const second = await masters.startMaster();
      await until("it stands", async () => (await whoLeads(masters.url)).masters.length === 2);
      process.kill(second.pid, "SIGSTOP");
      const silent = await allot(hostOf(leader), "leader", "step-down");
      expect([silent.code, silent.stderr]).toEqual([
        1,
        expect.stringContaining(`${hostOf(second)}, does not answer`),
      ]);
      process.kill(second.pid, "SIGCONT");
      expect((await stateOf(leader))?.id).toBeDefined();
      const usage = await allot(masters.url, "leader", "down");
      expect([usage.code, usage.stderr]).toEqual([2, "allot leader: down is not step-down\n"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a master without others says so",
    async () => {
      const workDir = makeWorkDir();
      const master = await startAllot({ role: "master", workDir });
      const shown = await allot(hostOf(master), "leader");
      expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("leading")]);
      const stepped = await allot(hostOf(master), "leader", "step-down");
      expect([stepped.code, stepped.stderr]).toEqual([
        1,
        expect.stringContaining("This master is alone"),
      ]);
      await master.end("SIGTERM");
      await removeWorkDir(workDir);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(!own.isThere)("without a quorum of ZooKeeper", () => {
  test(
    "every master says why nothing moves, the task runs on and is told to have ended once there is one",
    async () => {
      const masters = await own.start(2);
      const agentDir = await masters.startAgent();
      const leader = await masters.leader();
      const { framework, starts, sign } = await lastingTask(leader, agentDir);
      const [first, second, third] = own.ensemble().servers;
      await second?.kill();
      await third?.kill();
      for (const master of masters.masters) {
        const told = await until("no master leads", async () => {
          const status = await allot(hostOf(master), "status");
          return status.stdout.includes("is waiting") ? status.stdout : undefined;
        });
        expect(told).toContain(`${hostOf(master)} is waiting; no master leads`);
        expect(told).toMatch(/ZooKeeper has not been reachable for \d+s/);
        expect(told).toContain(`${first?.address} runs, but has no quorum`);
        expect(told).toContain(`${second?.address} cannot be connected to`);
        expect(told).toContain("Bring 2 of these 3 up again");
        expect(told).toContain("running tasks go on");
        const json = await allot(hostOf(master), "status", "--json");
        expect(JSON.parse(json.stdout)).toMatchObject({
          master: { id: null, standing: "waiting" },
        });
        const page = await fetch(`${master.url}/allot/v1/leader`, {
          headers: { Accept: "text/html" },
        });
        expect(await page.text()).toContain("<p>No master leads.</p>\n<p>ZooKeeper has not");
        const asked = await whoLeads(hostOf(master));
        expect([asked.leader, asked.masters[0]?.standing]).toEqual([null, "waiting"]);
      }
      const link = await until("the agent knows no leader", async () => {
        const told = await linkOf(masters.agents[0]);
        return told.master === null ? told : undefined;
      });
      expect(link).toMatchObject({
        is_linked: false,
        why: [expect.stringContaining("has no quorum"), expect.anything(), expect.anything()],
      });
      const found = await allot(masters.url, "status");
      expect([found.code, found.stderr]).toEqual([1, expect.stringContaining("has no quorum")]);
      await Bun.write(sign, "");
      second?.start();
      third?.start();
      const next = await masters.leader();
      const again = await againWith(next, framework);
      await again.status("lasting", "TASK_FINISHED");
      expect(readFileSync(starts, "utf8")).toBe("x\n");
      expect((await allot(hostOf(next), "status")).code).toBe(0);
      const { master, is_linked, why } = await linkOf(masters.agents[0]);
      expect([master, is_linked, why]).toEqual([hostOf(next), true, []]);
      await again.teardown();
    },
    TIMEOUT_MS,
  );
});
