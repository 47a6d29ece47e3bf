/** `npm run cluster` as a person without a terminal uses it: it is started, a master is killed, it is stopped. */
import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";
import { until } from "../harness/wait.ts";
import { hasZooKeeper } from "../harness/zookeeper.ts";

const TIMEOUT_MS = 240_000;
const PROGRAM = join(import.meta.dir, "main.ts");
const MEMBERS = 11;
const isThere = hasZooKeeper("npm run cluster");

let started: ChildProcess | undefined;
afterEach(() => started?.kill("SIGTERM"));

describe.skipIf(!isThere)("npm run cluster", () => {
  test(
    "tells who leads, also after a kill -9, runs tasks, and leaves nothing behind [issue 5]",
    async () => {
      const program = spawn(process.execPath, [PROGRAM], { stdio: ["ignore", "pipe", "inherit"] });
      started = program;
      let text = "";
      program.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      const found = (pattern: RegExp): Promise<RegExpExecArray> =>
        until(String(pattern), () => pattern.exec(text) ?? undefined, TIMEOUT_MS);
      const [, workDir = ""] = await found(/agents below (\S+)\n/);
      await found(/5 of 5 agents are active/);
      const [, first] = await found(/(master-\d) leads, epoch 1\n/);
      const [, url = ""] = await found(/--master=(zk:\S+) /);
      const [, pid] = await found(/kill -9 (\d+)/);
      process.kill(Number(pid), "SIGKILL");
      const [, second] = await found(/(master-\d) leads, epoch 2\n/);
      expect(second).not.toBe(first ?? "");
      const words = ["execute", `--master=${url}`, "--name=hello", "--command=echo hello"];
      const run = await runProgram(BINARY, words);
      expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining("hello") });
      // The dead one is started again, as a follower.
      await found(new RegExp(`${first} +ended[\\s\\S]*${first} +follows`));
      const pids = [...text.matchAll(/ pid (\d+) /g)].map((match) => Number(match[1]));
      expect(new Set(pids).size).toBe(MEMBERS + 1);
      program.kill("SIGTERM");
      expect(await once(program, "exit")).toEqual([0, null]);
      expect(pids.filter((one) => existsSync(`/proc/${one}`))).toEqual([]);
      expect(existsSync(workDir)).toBe(false);
    },
    TIMEOUT_MS,
  );
});
