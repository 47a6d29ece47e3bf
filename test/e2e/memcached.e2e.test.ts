/** A real service from Debian as a task: answers, is ended with all it started, leaves its output. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  processesBelow,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { freePort } from "../harness/free-port.ts";
import { runProgram } from "../harness/run-program.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;
const MEMCACHED = "/usr/bin/memcached";
const isThere = existsSync(MEMCACHED);
if (!isThere) console.log("skipped: memcached is not installed; apt-get install memcached");

let workDir = "";
let both: AllotProcess;

beforeAll(async () => {
  workDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir });
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

/** First line of the answer to a command of memcached's text protocol; undefined while it is not up. */
function ask(port: number, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    socket.setEncoding("utf8");
    socket.once("data", (text: string) => {
      socket.destroy();
      resolve(text.split("\r\n")[0]);
    });
    socket.once("error", () => resolve(undefined));
  });
}

test.skipIf(!isThere)(
  "memcached runs as a task, answers, and allot kill ends its whole process tree [issue 2]",
  async () => {
    const port = await freePort();
    const master = `--master=${new URL(both.url).host}`;
    const command = `echo started; echo warned >&2; (setsid sleep 4321 &) ; sleep 1234 & memcached -u root -l 127.0.0.1 -p ${port}`;
    const running = runProgram(BINARY, [
      "execute",
      master,
      "--name=cache",
      "--resources=cpus:0.1;mem:64",
      `--command=${command}`,
    ]);
    const version = await until("memcached to answer", () => ask(port, "version"));
    expect(version).toStartWith("VERSION ");
    const before = processesBelow(join(workDir, "slaves"));
    expect(before.length).toBeGreaterThanOrEqual(4);

    expect((await runProgram(BINARY, ["kill", master, "cache"])).code).toBe(0);
    const result = await running;
    expect(result).toMatchObject({ code: 143, stdout: "started\n" });
    expect(await ask(port, "version")).toBeUndefined();
    await until(
      "every process of the task to end",
      () => !before.some((pid) => existsSync(`/proc/${pid}`)),
    );

    const sandbox = sandboxes(join(workDir, "slaves"));
    expect(sandbox).toHaveLength(1);
    expect(readFileSync(join(sandbox[0] ?? "", "stdout"), "utf8")).toBe("started\n");
    expect(readFileSync(join(sandbox[0] ?? "", "stderr"), "utf8")).toStartWith("warned\n");
  },
  TIMEOUT_MS,
);

/** `slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>` (semantics 7.5). */
function sandboxes(root: string): string[] {
  const below = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(folder, entry.name));
  return below(root)
    .flatMap((agent) => below(join(agent, "frameworks")))
    .flatMap((framework) => below(join(framework, "executors")))
    .flatMap((executor) => below(join(executor, "runs")));
}
