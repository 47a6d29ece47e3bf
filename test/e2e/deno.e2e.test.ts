/** The sources under Deno, and the README's first framework under both runtimes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { denoPath } from "../../build/tools.mjs";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { runProgram } from "../harness/run-program.ts";

const TIMEOUT_MS = 180_000;
const ROOT = resolve(import.meta.dir, "../..");
const DENO = findDeno();
if (DENO === undefined) console.log("skipped: Deno is not there; npm ci installs it from npm");

let workDir = "";
let both: AllotProcess;

beforeAll(async () => {
  workDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir: join(workDir, "binary") });
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

function findDeno(): string | undefined {
  const path = denoPath();
  return path !== undefined && existsSync(path) ? path : undefined;
}

test.skipIf(DENO === undefined)(
  "under Deno, --role=both starts from source and runs the same first task [issue 2]",
  async () => {
    const started = await startAllot({
      role: "both",
      workDir: join(workDir, "deno"),
      command: [DENO ?? "", "run", "-A", join(ROOT, "src/main.ts")],
    });
    const master = `--master=${new URL(started.url).host}`;
    const first = await runProgram(BINARY, [
      "execute",
      master,
      "--name=hello",
      "--command=echo hello from allot",
    ]);
    expect(first).toEqual({ code: 0, signal: null, stdout: "hello from allot\n", stderr: "" });
    const own = await runProgram(
      DENO ?? "",
      ["run", "-A", join(ROOT, "src/main.ts"), "execute", master, "--name=t", "--command=exit 7"],
      { cwd: ROOT },
    );
    expect(own.code).toBe(7);
    for (const { url } of [started, both]) {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain("\nallot_master_elected 1\n");
      expect(metrics).toContain("\nallot_event_loop_lag_seconds_count ");
    }
    expect((await started.end("SIGTERM")).code).toBe(0);
  },
  TIMEOUT_MS,
);

/** The framework among the TypeScript blocks of the README, for the master that runs here. */
function firstFramework(): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const blocks = [...(readme.match(/```ts\n([\s\S]*?)```/g) ?? [])].filter((block) =>
    block.includes("/api/v1/scheduler"),
  );
  expect(blocks).toHaveLength(1);
  const code = blocks[0]?.slice("```ts\n".length, -"```".length) ?? "";
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(40);
  const path = join(workDir, "first.ts");
  writeFileSync(path, code.replace("127.0.0.1:5050", new URL(both.url).host));
  return path;
}

test(
  "the README's first framework runs its task under Bun [issue 2]",
  async () => {
    const result = await runProgram(process.execPath, [firstFramework()], { cwd: workDir });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain("TASK_RUNNING");
    expect(result.stdout).toContain("TASK_FINISHED");
  },
  TIMEOUT_MS,
);

test.skipIf(DENO === undefined)(
  "the README's first framework runs its task under Deno",
  async () => {
    const result = await runProgram(DENO ?? "", ["run", "-A", firstFramework()], { cwd: workDir });
    expect(result.code).toBe(0);
    expect(result.stdout).toContain("TASK_FINISHED");
  },
  TIMEOUT_MS,
);
