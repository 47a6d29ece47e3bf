/**
 * `allot registry` against real masters: copies while they run, restored into one alone and into the
 * log that several share in a real ZooKeeper.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeUtf8 } from "../../src/base/text.ts";
import { ZooKeeperLog } from "../../src/registry/zookeeper/zookeeper-log.ts";
import { type AllotProcess, BINARY } from "../harness/allot-process.ts";
import { KeptSession } from "../harness/kept-session.ts";
import { Masters } from "../harness/masters.ts";
import { ownProcesses } from "../harness/own-processes.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { until } from "../harness/wait.ts";
import { type Ensemble, hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;

const own = ownProcesses();

function startMaster(workDir: string, ...flags: string[]): Promise<AllotProcess> {
  return own.start({ role: "master", workDir, flags });
}

const hostOf = ({ url }: AllotProcess): string => new URL(url).host;

function allot(...words: string[]): Promise<RunResult> {
  return runProgram(BINARY, words);
}

/** Errors: any status but 0. */
async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await allot(...words);
  if (code !== 0) throw new Error(`${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

async function weightsIn(...place: string[]): Promise<unknown> {
  const shown = await done("registry", "show", "--json", ...place);
  return (JSON.parse(shown) as { weights: unknown }).weights;
}

describe("the registry of one master", () => {
  test(
    "is copied while it runs, shown, checked and restored elsewhere",
    async () => {
      const [workDir, other] = [own.folder(), own.folder()];
      const master = await startMaster(workDir);
      const at = `--master=${hostOf(master)}`;
      await done("weights", "web=2.5", at);
      const backup = join(other, "backup.db");
      expect(await done("registry", "backup", backup, at)).toContain("1 weights");
      await done("weights", "web=4", "db=3", at);
      expect(await weightsIn(at)).toEqual(
        [
          { role: "web", weight: 4 },
          { role: "db", weight: 3 },
        ].toSorted((one, two) => (one.role < two.role ? -1 : 1)),
      );
      expect(await done("registry", "show", backup)).toMatch(/ROLE +WEIGHT\nweb +2\.5/);
      expect(await done("registry", "verify", backup)).toBe("The registry is sound.\n");
      const busy = await allot("registry", "show", `--work_dir=${workDir}`);
      expect([busy.code, busy.stderr]).toEqual([
        1,
        expect.stringContaining(`in use by another process (pid ${master.pid})`),
      ]);
      await master.end("SIGTERM");
      expect(await weightsIn(`--work_dir=${workDir}`)).toHaveLength(2);
      expect(await done("registry", "verify", `--work_dir=${workDir}`)).toContain("sound");
      // Nothing of the copies is left.
      expect(readdirSync(join(workDir, "master")).filter((name) => name.includes("copy"))).toEqual(
        [],
      );
      const refused = await allot("registry", "restore", backup, `--work_dir=${workDir}`);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("--force")]);
      const restored = await done(
        "registry",
        "restore",
        backup,
        `--work_dir=${workDir}`,
        "--force",
      );
      const kept = /kept in (\S+)/.exec(restored)?.[1] ?? "";
      expect(await weightsIn(kept)).toHaveLength(2);
      const again = await startMaster(workDir);
      const weights = await done("weights", "--json", `--master=${hostOf(again)}`);
      expect(JSON.parse(weights)).toEqual([{ role: "web", weight: 2.5 }]);
    },
    TIMEOUT_MS,
  );

  test(
    "that is broken is told as such, and so is wrong use",
    async () => {
      const folder = own.folder();
      const path = join(folder, "broken.db");
      writeFileSync(path, "no database at all ".repeat(500));
      const broken = await allot("registry", "verify", path);
      expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("broken.db")]);
      const missing = await allot("registry", "show", join(folder, "none.db"));
      expect([missing.code, missing.stderr]).toEqual([
        1,
        expect.stringContaining("there is no file"),
      ]);
      expect(existsSync(join(folder, "none.db"))).toBe(false);
      for (const words of [
        ["look"],
        ["backup"],
        ["restore", path],
        ["show", path, "--work_dir=/x"],
      ]) {
        expect([words, (await allot("registry", ...words)).code]).toEqual([words, 2]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "is given to those only whom the ACLs let",
    async () => {
      const acls = {
        operate_masters: [{ principals: { type: "NONE" }, masters: { type: "ANY" } }],
      };
      const master = await startMaster(own.folder(), `--acls=${JSON.stringify(acls)}`);
      const denied = await allot("registry", "show", `--master=${hostOf(master)}`);
      expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining("operate_masters")]);
    },
    TIMEOUT_MS,
  );
});

const isThere = hasZooKeeper("registries of several masters");
describe.skipIf(!isThere)("the registry of several masters", () => {
  let zookeeper: Ensemble | undefined;
  beforeAll(async () => {
    zookeeper = await startZooKeeper(1);
  }, TIMEOUT_MS);
  afterAll(() => zookeeper?.stop());

  test(
    "is copied from any of them and from the log; restored, all of them adopt it",
    async () => {
      const folder = own.folder();
      const masters = await Masters.start(zookeeper?.url("/restore") ?? "", 2);
      try {
        const leader = await masters.leader();
        const [follower] = masters.others(leader);
        const log = `--zk=${masters.url}`;
        await done("weights", "web=2", `--master=${hostOf(leader)}`);
        const [old, copy] = [join(folder, "old.db"), join(folder, "copy.db")];
        await done("registry", "backup", old, log);
        await done("weights", "web=5", `--master=${hostOf(leader)}`);
        const newer = [{ role: "web", weight: 5 }];
        expect(await weightsIn(log)).toEqual(newer);
        await until("the follower has it", async () => {
          const of = await weightsIn(`--master=${follower === undefined ? "" : hostOf(follower)}`);
          return JSON.stringify(of) === JSON.stringify(newer);
        });
        await done("registry", "backup", copy, `--master=${masters.url}`);
        expect(await done("registry", "verify", log)).toContain("sound");
        for (const file of [old, copy]) {
          expect(await done("registry", "verify", file, log)).toContain("sound");
        }
        const stand = await allot("registry", "restore", old, log, "--force");
        expect([stand.code, stand.stderr]).toEqual([
          1,
          expect.stringContaining("masters stand at"),
        ]);
        const ended = [...masters.masters];
        for (const master of ended) await master.end("SIGTERM");
        const refused = await allot("registry", "restore", old, log);
        expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("--force")]);
        const restored = await done("registry", "restore", old, log, "--force");
        const kept = /kept in (\S+)/.exec(restored)?.[1] ?? "";
        expect(await weightsIn(kept)).toEqual(newer);
        for (const master of ended) await masters.startMaster(master);
        const next = await masters.leader();
        const older = [{ role: "web", weight: 2 }];
        expect(JSON.parse(await done("weights", "--json", `--master=${hostOf(next)}`))).toEqual(
          older,
        );
        const [second] = masters.others(next);
        await until("the follower has it", async () => {
          const of = await weightsIn(`--master=${second === undefined ? "" : hostOf(second)}`);
          return JSON.stringify(of) === JSON.stringify(older);
        });
        await done("weights", "web=7", `--master=${hostOf(next)}`);
        expect(await done("registry", "verify", log)).toContain("sound");
      } finally {
        await masters.end();
      }
    },
    TIMEOUT_MS,
  );

  test(
    "whose log is long and broken is replaced when told to, and all masters adopt it",
    async () => {
      const url = zookeeper?.url("/broken") ?? "";
      const log = `--zk=${url}`;
      const folder = own.folder();
      const workDir = own.folder();
      const alone = await startMaster(workDir);
      await done("weights", "web=2", `--master=${hostOf(alone)}`);
      const backup = join(folder, "backup.db");
      await done("registry", "backup", backup, `--master=${hostOf(alone)}`);
      await alone.end("SIGTERM");
      const kept = new KeptSession(zookeeper?.servers.map(({ address }) => address) ?? []);
      const session = await kept.connected(TIMEOUT_MS);
      const broken = new ZooKeeperLog(session, "/broken", "nobody");
      expect(await session.ensure("/broken")).toMatchObject({ ok: true });
      expect(await broken.claim()).toBe("done");
      for (let position = 1; position <= 2000; position++) {
        expect(await broken.append(position, encodeUtf8("no entry"))).toBe("done");
      }
      kept.close();
      const checked = await allot("registry", "verify", log);
      expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining("entry 1")]);
      const refused = await allot("registry", "restore", backup, log);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("--force")]);
      await done("registry", "restore", backup, log, "--force");
      expect(await done("registry", "verify", log)).toContain("sound");
      const masters = await Masters.start(url, 2);
      try {
        const leader = await masters.leader();
        const weights = await done("weights", "--json", `--master=${hostOf(leader)}`);
        expect(JSON.parse(weights)).toEqual([{ role: "web", weight: 2 }]);
      } finally {
        await masters.end();
      }
    },
    TIMEOUT_MS,
  );

  test(
    "which is not there, or not reachable, is told",
    async () => {
      const nothing = await allot("registry", "show", `--zk=${zookeeper?.url("/nothing")}`);
      expect([nothing.code, nothing.stderr]).toEqual([
        1,
        expect.stringContaining("there is no registry"),
      ]);
      const bad = await allot("registry", "show", "--zk=zk://127.0.0.1/x");
      expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining("host:port")]);
    },
    TIMEOUT_MS,
  );
});
