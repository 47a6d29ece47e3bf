/** `allot exec`: a command inside a running task, piped into and at a terminal. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
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

const TIMEOUT_MS = 120_000;

const workDir = makeWorkDir();
let both: AllotProcess;

beforeAll(async () => {
  both = await startAllot({
    role: "both",
    workDir,
    flags: ["--resources=cpus:4;mem:1024;disk:99"],
  });
  const framework = await TestFramework.subscribe({ master: both.url });
  const environment = { variables: [{ name: "OF", value: "the task" }] };
  const command = { value: "echo here > here; sleep 1000", environment };
  await framework.launch(await framework.offer(), [{ id: "t", command: "", extra: { command } }]);
  await framework.status("t", "TASK_RUNNING");
}, TIMEOUT_MS);

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

const words = (...args: string[]): string[] => [
  "exec",
  `--master=${new URL(both.url).host}`,
  ...args,
];

test(
  "runs in the task's sandbox and environment and exits as the command does",
  async () => {
    const inside = (...args: string[]) => runProgram(BINARY, words("t", "--", ...args));
    expect(await inside("cat", "here")).toMatchObject({ code: 0, stdout: "here\n", stderr: "" });
    expect((await inside("sh", "-c", 'echo "$OF $0 $1"', "a b", "c")).stdout).toBe(
      "the task a b c\n",
    );
    expect(await inside("sh", "-c", "echo bad >&2; exit 9")).toMatchObject({
      code: 9,
      stderr: "bad\n",
    });
    expect((await inside("sh", "-c", "kill -TERM $$")).code).toBe(143);
    expect((await inside("no-such-program")).code).toBe(127);
    // Without -i there is nothing to read, rather than nothing yet.
    expect(await inside("cat")).toMatchObject({ code: 0, stdout: "" });
    expect(await runProgram(BINARY, words("nobody", "--", "true"))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no task nobody"),
    });
  },
  TIMEOUT_MS,
);

test(
  "passes on what is piped in, to its end",
  async () => {
    const child = spawn(BINARY, words("-i", "t", "--", "sh", "-c", "wc -c; echo done"), {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      text += String(chunk);
    });
    const bytes = 3_000_000;
    child.stdin.end("x".repeat(bytes));
    await until("the end", () => child.exitCode !== null && text.includes("done"));
    expect(text.trim().split(/\s+/)).toEqual([String(bytes), "done"]);
    expect(child.exitCode).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "is a shell at a terminal",
  async () => {
    let text = "";
    const terminal = new Bun.Terminal({
      cols: 91,
      rows: 33,
      data: (_terminal, data) => {
        text += new TextDecoder().decode(data);
      },
    });
    // As a login would: only then is it told of a new size.
    const child = Bun.spawn(["setsid", "--ctty", "--wait", BINARY, ...words("t")], { terminal });
    const seen = (what: string): Promise<unknown> => until(what, () => text.includes(what));
    terminal.write("stty size; tty\n");
    await seen("33 91");
    await seen("/dev/pts/");
    terminal.resize(120, 40);
    await until("the new size", () => {
      terminal.write("stty size\n");
      return text.includes("40 120");
    });
    // Not this program but what it runs is interrupted.
    terminal.write("sleep 1000\n\u0003\n");
    terminal.write("echo still $((40 + 2))\n");
    await seen("still 42");
    terminal.write("exit 6\n");
    expect(await child.exited).toBe(6);
    terminal.close();
  },
  TIMEOUT_MS,
);
