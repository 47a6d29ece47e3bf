/**
 * A Docker Engine that is frozen (SIGSTOP) for `FREEZE_SECONDS`: native tasks launch as before, Docker
 * tasks that are launched meanwhile say why they cannot run, what runs or ends in Docker is told as
 * what it was, late, checks by it find nothing out, and the outage is shown as long as it lasts. Source: issue 4, DESIGN §9.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { BUSYBOX, docker, findPrivateEngine } from "../harness/docker-engine.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const FREEZE_SECONDS = Number(process.env["FREEZE_SECONDS"] ?? 15);
const TIMEOUT_MS = FREEZE_SECONDS * 1000 + 240_000;
/** Native tasks of each batch, one after the other. */
const BATCH = 10;
/** Beside the same before it, and in any case. */
const SLOWER_MAX = 3;
const SLOW_MS = 5000;
const DOCKER = { container: { type: "DOCKER", docker: { image: BUSYBOX, network: "HOST" } } };
/** Looks often, and ends its task at the first failure. */
const HEALTH = {
  type: "COMMAND",
  command: { value: "true" },
  interval_seconds: 0.3,
  delay_seconds: 0,
  timeout_seconds: 1,
  grace_period_seconds: 0,
  consecutive_failures: 1,
};
const INFO = {
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
};

const engine = await findPrivateEngine("a frozen Docker");

describe.skipIf(engine === undefined)("a Docker Engine", () => {
  const workDir = makeWorkDir();
  let both: AllotProcess | undefined;
  const socketPath = engine?.socketPath ?? "";
  afterEach(async () => {
    process.kill(engine?.pid() ?? 0, "SIGCONT");
    await both?.end("SIGKILL");
    await removeWorkDir(workDir);
  });
  afterAll(() => engine?.stop());

  test(
    `frozen for ${FREEZE_SECONDS} s costs native tasks nothing, and Docker's are told as what they were [issue 4]`,
    async () => {
      const flags = [
        "--containerizers=mesos,docker",
        `--docker_socket=${socketPath}`,
        "--docker_remove_delay=0ns",
        "--resources=cpus:100;mem:100000;disk:10000",
      ];
      const started = await startAllot({ role: "both", workDir, flags });
      both = started;
      const framework = await TestFramework.subscribe({ master: started.url, info: INFO });
      const launch = async (id: string, command: string, extra?: object): Promise<void> => {
        const mem = extra === undefined ? 1 : 32;
        await framework.launch(await framework.offer(), [
          { id, command, mem, ...(extra && { extra: { ...extra } }) },
        ]);
      };
      const kill = (id: string): Promise<void> =>
        framework.call("KILL", { kill: { task_id: { value: id } } });
      /** Median time from ACCEPT to TASK_RUNNING. */
      const nativeMs = async (name: string): Promise<number> => {
        const times: number[] = [];
        for (let index = 0; index < BATCH; index += 1) {
          const id = `${name}-${index}`;
          const startMs = performance.now();
          await launch(id, "true");
          await framework.status(id, "TASK_RUNNING");
          times.push(performance.now() - startMs);
          await framework.status(id, "TASK_FINISHED");
        }
        return times.sort((left, right) => left - right)[BATCH / 2] ?? 0;
      };
      const health = async (): Promise<string> => {
        const state = (await (await fetch(`${started.agentUrl}/state`)).json()) as object;
        return JSON.stringify("containerizers" in state ? state.containerizers : undefined);
      };

      const beforeMs = await nativeMs("before");
      await launch("runs", "exec sleep 100000", { ...DOCKER, health_check: HEALTH });
      await launch("ends", "sleep 5; exit 6", DOCKER);
      await launch("killed", "exec sleep 100000", DOCKER);
      for (const id of ["runs", "ends", "killed"]) await framework.status(id, "TASK_RUNNING");
      const isTold = (healthy: boolean): boolean =>
        framework.updates.some((update) => {
          return update.task_id.value === "runs" && update["healthy"] === healthy;
        });
      await until("its health to be told", () => isTold(true));
      process.kill(engine?.pid() ?? 0, "SIGSTOP");
      const frozenMs = performance.now();
      await until("the outage to be shown", async () =>
        (await health()).includes('"healthy":false'),
      );
      await kill("killed");
      await launch("refused", "true", DOCKER);
      const refused = await framework.status("refused", "TASK_FAILED");
      expect(refused.message).toMatch(/Docker Engine at \S+ did not answer/);
      const duringMs = await nativeMs("during");
      const leftMs = FREEZE_SECONDS * 1000 - (performance.now() - frozenMs);
      if (leftMs > 0) await sleep(leftMs);
      const lateMs = await nativeMs("late");
      expect(await health()).toContain('"healthy":false');
      for (const id of ["runs", "ends", "killed"]) {
        const states = framework.states(id);
        expect([id, states.filter((state) => !/STARTING|RUNNING|KILLING/.test(state))]).toEqual([
          id,
          [],
        ]);
      }
      process.kill(engine?.pid() ?? 0, "SIGCONT");
      const thawedMs = performance.now();
      expect((await framework.status("ends", "TASK_FAILED")).message).toContain("status 6");
      await framework.status("killed", "TASK_KILLED");
      await until("it to be shown as well", async () =>
        (await health()).includes('"healthy":true'),
      );
      const recoveredMs = performance.now() - thawedMs;
      await launch("after", "exit 4", DOCKER);
      expect((await framework.status("after", "TASK_FAILED")).message).toContain("status 4");
      expect(framework.states("runs").at(-1)).toBe("TASK_RUNNING");
      expect(isTold(false)).toBe(false);
      await kill("runs");
      await framework.status("runs", "TASK_KILLED");
      await until(
        "no container to be left",
        async () => (await docker(socketPath, "ps", "-aq")) === "",
      );
      console.log(
        `native tasks running after ${beforeMs.toFixed(0)} ms before, ${duringMs.toFixed(0)} ms during and ${lateMs.toFixed(0)} ms at the end of a freeze; Docker recovered in ${recoveredMs.toFixed(0)} ms`,
      );
      for (const ms of [duringMs, lateMs]) {
        expect(ms).toBeLessThan(Math.max(SLOW_MS, beforeMs * SLOWER_MAX));
      }
      await framework.teardown();
    },
    TIMEOUT_MS,
  );
});
