/** Promises of the scheduler API that take real time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 180_000;

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

/** Starts a task that lasts and tells its process id. */
async function lasting(framework: TestFramework, id: string): Promise<number> {
  const note = join(workDir, `pid-${id}`);
  await framework.launch(await framework.offer(), [
    { id, command: `echo $$ > ${note}; exec sleep 1000` },
  ]);
  await framework.status(id, "TASK_RUNNING");
  return await until("the task's pid", () =>
    existsSync(note) ? Number(readFileSync(note, "utf8")) || undefined : undefined,
  );
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

test(
  "an update that is never acknowledged comes again after 10 s and 20 s more, same uuid [item 47]",
  async () => {
    const framework = await TestFramework.subscribe({
      master: both.url,
      info: { checkpoint: true, failover_timeout: 60 },
      acknowledges: false,
    });
    await framework.launch(await framework.offer(), [{ id: "silent", command: "true" }]);
    const updates = await until(
      "the same update three times",
      () => (framework.updates.length >= 3 ? framework.updates : undefined),
      90_000,
    );
    const [first, second, third] = updates;
    expect(new Set(updates.map(({ uuid }) => uuid)).size).toBe(1);
    const gap = (later: { atMs: number } | undefined, earlier: { atMs: number } | undefined) =>
      (later?.atMs ?? 0) - (earlier?.atMs ?? 0);
    expect(gap(second, first)).toBeGreaterThan(9_500);
    expect(gap(third, second)).toBeGreaterThan(19_500);
    expect(gap(third, second)).toBeLessThan(35_000);
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "with failover_timeout 60 a framework that returns finds its tasks [item 19]",
  async () => {
    const info = { failover_timeout: 60 };
    const framework = await TestFramework.subscribe({ master: both.url, info });
    const pid = await lasting(framework, "kept");
    framework.disconnect();
    await until("the framework to be seen as gone", async () => {
      const state = (await (await fetch(`${both.url}/state`)).json()) as {
        frameworks: { id: string; connected: boolean }[];
      };
      return state.frameworks.some(({ id, connected }) => id === framework.id && !connected);
    });
    await sleep(1000);
    expect(isAlive(pid)).toBe(true);
    const back = await TestFramework.subscribe({
      master: both.url,
      info: { ...info, id: { value: framework.id } },
    });
    expect(back.id).toBe(framework.id);
    await back.call("RECONCILE", { reconcile: { tasks: [] } });
    await back.status("kept", "TASK_RUNNING");
    expect(isAlive(pid)).toBe(true);
    await back.teardown();
    await until("teardown to end the task", () => !isAlive(pid));
  },
  TIMEOUT_MS,
);

test(
  "with failover_timeout 0 a framework that goes is removed and its tasks are killed [item 18]",
  async () => {
    const framework = await TestFramework.subscribe({ master: both.url });
    const pid = await lasting(framework, "doomed");
    framework.disconnect();
    await until("the task to be killed", () => !isAlive(pid));
    const again = TestFramework.subscribe({
      master: both.url,
      info: { id: { value: framework.id } },
    });
    await expect(again).rejects.toThrow("Framework has been removed");
  },
  TIMEOUT_MS,
);
