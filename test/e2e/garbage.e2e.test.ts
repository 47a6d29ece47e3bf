/** Sandboxes of the compiled program go when they are old, those in use do not; logs are rotated. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;

const workDir = makeWorkDir();
let both: AllotProcess | undefined;

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

test(
  "a finished task's sandbox goes after --gc_delay, a running one's stays [semantics 7.6]",
  async () => {
    const gc = ["--gc_delay=3secs", "--disk_watch_interval=1secs"];
    const logs = ["--max_stdout_size=64KB", "--max_rotated_logs=2"];
    const flags = ["--resources=cpus:4;mem:1024;disk:99", ...gc, ...logs];
    both = await startAllot({ role: "both", workDir, flags });
    const framework = await TestFramework.subscribe({ master: both.url });
    const offer = await framework.offer();
    await framework.launch(offer, [
      { id: "short", command: "true" },
      { id: "long", command: "head -c 300000 /dev/zero; sleep 1000" },
    ]);
    await framework.status("long", "TASK_RUNNING");
    await framework.status("short", "TASK_FINISHED");
    const sandbox = (id: string): string =>
      `${workDir}/slaves/${offer.agent_id.value}/frameworks/${framework.id}/executors/${id}/runs`;
    expect(existsSync(sandbox("short"))).toBe(true);
    await until("the sandbox to go", () => !existsSync(sandbox("short")));
    expect(existsSync(`${sandbox("long")}/latest/stdout`)).toBe(true);
    const stdout = `${sandbox("long")}/latest/stdout`;
    await until("what was too much to be rotated", () => existsSync(`${stdout}.1`));
    await until("the rest to be small", () => statSync(stdout).size < 64 * 1024);
    const metrics = (await (await fetch(`${both.agentUrl}/metrics/snapshot`)).json()) as object;
    expect(metrics).toMatchObject({ "gc/path_removals_succeeded": 1 });
    await framework.teardown();
  },
  TIMEOUT_MS,
);
