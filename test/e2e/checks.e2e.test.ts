/** Checks and health checks of real tasks on the compiled program. Source: semantics 6.8. */
import { afterAll, expect, test } from "bun:test";
import { createServer } from "node:net";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;
const SOON = {
  interval_seconds: 0.2,
  delay_seconds: 0,
  timeout_seconds: 5,
  grace_period_seconds: 0,
  consecutive_failures: 2,
};
const HEALTH_REASON = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED";

const workDir = makeWorkDir();
let both: AllotProcess | undefined;
const server = createServer((socket) => socket.end());

afterAll(async () => {
  server.close();
  if (both?.isRunning()) await both.end("SIGKILL");
  await removeWorkDir(workDir);
});

/** A port that somebody listens on. */
async function openPort(): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the listener has no port");
  return address.port;
}

test(
  "healthy tasks are told so, others end after their failures; checks tell what they found",
  async () => {
    both = await startAllot({ role: "both", workDir });
    const framework = await TestFramework.subscribe({
      master: both.url,
      info: { checkpoint: true, failover_timeout: 3600 },
    });
    const port = await openPort();
    const http = { port: Number(new URL(both.url).port), path: "/health", scheme: "http" };
    const command = "sleep 1000";
    const health = (check: object): object => ({ extra: { health_check: { ...check, ...SOON } } });
    await framework.launch(await framework.offer(), [
      { id: "good", command, ...health({ type: "COMMAND", command: { value: "true" } }) },
      { id: "bad", command, ...health({ type: "COMMAND", command: { value: "exit 3" } }) },
      { id: "tcp", command, ...health({ type: "TCP", tcp: { port } }) },
      { id: "deaf", command, ...health({ type: "TCP", tcp: { port: 1 } }) },
      { id: "http", command, ...health({ type: "HTTP", http }) },
      {
        id: "checked",
        command,
        extra: {
          check: {
            type: "COMMAND",
            command: { command: { value: "exit 5" } },
            interval_seconds: 0.2,
            delay_seconds: 0,
          },
        },
      },
    ]);
    const told = (id: string, fact: object): Promise<boolean> =>
      until(`${id} to be told ${JSON.stringify(fact)}`, () =>
        framework.updates.some((update) => {
          const isOfTask = update.task_id.value === id;
          return isOfTask && Bun.deepMatch(fact, { ...update });
        }),
      );
    const running = { state: "TASK_RUNNING", reason: HEALTH_REASON };
    for (const id of ["good", "tcp", "http"]) await told(id, { ...running, healthy: true });
    for (const id of ["bad", "deaf"]) {
      await told(id, { ...running, healthy: false });
      const killed = await framework.status(id, "TASK_KILLED");
      expect(killed["healthy"]).toBe(false);
    }
    await told("checked", {
      reason: "REASON_TASK_CHECK_STATUS_UPDATED",
      check_status: { type: "COMMAND", command: { exit_code: 5 } },
    });
    expect(framework.states("good").at(-1)).toBe("TASK_RUNNING");
    await framework.teardown();
  },
  TIMEOUT_MS,
);
