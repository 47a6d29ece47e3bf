/** The contract that scripts rely on: exit status and output of `allot execute` and the verbs. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type RunOptions, type RunResult, runProgram } from "../harness/run-program.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;

let workDir = "";
let limitedDir = "";
let both: AllotProcess;
let master = "";

beforeAll(async () => {
  workDir = makeWorkDir();
  limitedDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir });
  master = `--master=${new URL(both.url).host}`;
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
  await removeWorkDir(limitedDir);
});

const execute = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  runProgram(BINARY, ["execute", master, "--resources=cpus:0.1;mem:32", ...args], options);

async function json(verb: string, ...args: string[]): Promise<unknown> {
  const result = await runProgram(BINARY, [verb, master, "--json", ...args]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(result.stdout);
}

describe("allot execute", () => {
  test.each([
    ["its own status", "echo out; echo err >&2; exit 7", 7],
    ["0", "echo out; echo err >&2", 0],
    ["128 + signal when it is killed", "echo out; echo err >&2; kill -KILL $$", 137],
    ["128 + signal when it ends itself by one", "echo out; echo err >&2; kill -TERM $$", 143],
  ])(
    "ends with the task's status: %s",
    async (_, command, code) => {
      const result = await execute(["--name=t", `--command=${command}`]);
      expect(result).toMatchObject({ code, stdout: "out\n" });
      expect(result.stderr).toStartWith("err\n");
    },
    TIMEOUT_MS,
  );

  test(
    "137 when it takes more than it may, and what that was",
    async () => {
      const limited = await startAllot({
        role: "both",
        workDir: limitedDir,
        flags: [
          "--resources=cpus:4;mem:1000;disk:300",
          "--launcher=posix",
          "--isolation=posix/cpu,posix/mem,disk/du",
          "--enforce_container_disk_quota",
          "--container_disk_watch_interval=1secs",
        ],
      });
      try {
        const result = await runProgram(BINARY, [
          "execute",
          `--master=${new URL(limited.url).host}`,
          "--resources=cpus:0.1;mem:32;disk:8",
          "--command=head -c 20000000 /dev/zero >big; sleep 1000",
        ]);
        expect(result.code).toBe(137);
        expect(result.stderr).toContain("REASON_CONTAINER_LIMITATION_DISK");
      } finally {
        await limited.end("SIGKILL");
      }
    },
    TIMEOUT_MS,
  );

  test(
    "the same with --checkpoint and in protobuf, and leaves no framework behind",
    async () => {
      const args = ["--name=t", "--command=echo out; exit 3", "--checkpoint"];
      expect(await execute(args)).toMatchObject({ code: 3, stdout: "out\n" });
      const protobuf = [...args, "--content_type=protobuf"];
      expect(await execute(protobuf)).toMatchObject({ code: 3, stdout: "out\n" });
      expect(await json("frameworks")).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "125 and a reason when the task never ran",
    async () => {
      const missing = ["--name=t", "--command=true", "--user=no-such-user"];
      const result = await execute(missing);
      expect([result.code, result.stdout]).toEqual([125, ""]);
      expect(result.stderr).toContain("no-such-user");
      const nobody = await runProgram(BINARY, [
        "execute",
        "--master=127.0.0.1:1",
        "--name=t",
        "--command=true",
      ]);
      expect(nobody.code).toBe(125);
      expect(nobody.stderr).toContain("127.0.0.1:1");
    },
    TIMEOUT_MS,
  );

  test(
    "an interrupt ends the task and then the program with the task's status",
    async () => {
      const command = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done";
      const result = await execute(["--name=t", `--command=${command}`], {
        onStart: (child) => {
          child.stdout?.once("data", () => child.kill("SIGINT"));
        },
      });
      expect(result).toMatchObject({ code: 9, stdout: "up\nbye\n" });
    },
    TIMEOUT_MS,
  );

  test(
    "much output arrives whole and in order",
    async () => {
      const result = await execute(["--name=t", "--command=seq 1 200000"]);
      const lines = result.stdout.split("\n");
      expect([result.code, lines.length, lines[0], lines[199_999]]).toEqual([
        0,
        200_001,
        "1",
        "200000",
      ]);
    },
    TIMEOUT_MS,
  );
});

describe("the other verbs", () => {
  test(
    "status, agents, frameworks, tasks, logs and kill show and end a running task",
    async () => {
      const running = execute(["--name=shown", "--command=echo hello; exec sleep 1000"]);
      const found = await until("the task to be listed", async () => {
        const tasks = (await json("tasks")) as { name: string; state: string; id: string }[];
        return tasks.find(({ name, state }) => name === "shown" && state === "TASK_RUNNING");
      });
      expect(await json("status")).toMatchObject({
        agents: { active: 1 },
        frameworks: { connected: 1 },
        tasks: { TASK_RUNNING: 1 },
      });
      expect(await json("agents")).toHaveLength(1);
      expect(await json("frameworks")).toHaveLength(1);
      for (const verb of ["status", "agents", "frameworks", "tasks"]) {
        const table = await runProgram(BINARY, [verb, master]);
        expect(table.code).toBe(0);
        expect(table.stdout.trim()).not.toBe("");
      }
      const logs = await runProgram(BINARY, ["logs", master, found.id]);
      expect(logs).toMatchObject({ code: 0, stdout: "hello\n" });
      const kill = await runProgram(BINARY, ["kill", master, found.id]);
      expect(kill.code).toBe(0);
      expect(await running).toMatchObject({ code: 143, stdout: "hello\n" });
    },
    TIMEOUT_MS,
  );

  test("a misspelt flag names itself and the nearest that exists", async () => {
    const result = await runProgram(BINARY, ["--role=both", "--work_dri=/tmp/x"]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("work_dri");
    expect(result.stderr).toContain("work_dir");
  });
});

test(
  "the binary alone in an empty folder, without an environment, runs a first task [issue 2]",
  async () => {
    const dir = makeWorkDir();
    const alone = join(dir, "alone");
    mkdirSync(alone);
    const copy = join(alone, "allot");
    copyFileSync(BINARY, copy);
    const bare = { PATH: "/usr/bin:/bin" };
    const started = await startAllot({
      role: "both",
      workDir: join(dir, "work"),
      command: ["/usr/bin/env", "-i", copy],
    });
    const result = await runProgram(
      copy,
      [
        "execute",
        `--master=${new URL(started.url).host}`,
        "--name=hello",
        "--command=echo hello from allot",
      ],
      { cwd: alone, env: bare },
    );
    expect(result).toEqual({ code: 0, signal: null, stdout: "hello from allot\n", stderr: "" });
    expect(readdirSync(alone)).toEqual(["allot"]);
    await started.end("SIGTERM");
    await removeWorkDir(dir);
  },
  TIMEOUT_MS,
);
