/**
 * Checks of Docker tasks on a bridge, which has another network than the agent: HTTP and TCP reach
 * the container at its own loopback. Needs a Docker Engine with a bridge. Source: semantics 6.8.
 */
import { afterAll, expect } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { testNeeding } from "../harness/needs.ts";
import { runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 600_000;
/** Of one wait: Docker is slow in the test machine. */
const PATIENCE_MS = 220_000;
const IMAGE = "docker-network-busybox";
/** A server comes up at its own pace, and one probe takes its time there. */
const TIMES = {
  interval_seconds: 1,
  delay_seconds: 0,
  timeout_seconds: 60,
  grace_period_seconds: 0,
  consecutive_failures: 100,
};

let both: AllotProcess | undefined;
const workDir = makeWorkDir();
afterAll(async () => {
  if (both?.isRunning()) await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

testNeeding("appliance", "root", "docker")(
  "checks of Docker tasks on a bridge are made inside it [semantics 6.8]",
  async () => {
    const imported = ["import", "/usr/share/appliance/busybox.tar", IMAGE];
    expect(await runProgram("docker", imported)).toMatchObject({ code: 0 });
    both = await startAllot({
      role: "both",
      workDir,
      flags: ["--containerizers=mesos,docker", "--docker_remove_delay=0ns"],
    });
    const framework = await TestFramework.subscribe({ master: both.url });
    const container = { type: "DOCKER", docker: { image: IMAGE, network: "BRIDGE" } };
    const command = "mkdir /www; echo here >/www/name; exec httpd -f -p 80 -h /www";
    await framework.launch(await framework.offer(), [
      {
        id: "web",
        command,
        mem: 32,
        extra: {
          container,
          health_check: { type: "HTTP", http: { port: 80, path: "/name" }, ...TIMES },
          check: { type: "TCP", tcp: { port: 80 }, interval_seconds: 1, delay_seconds: 0 },
        },
      },
      {
        id: "deaf",
        command: "exec sleep 1000",
        mem: 32,
        extra: {
          container,
          health_check: { type: "TCP", tcp: { port: 80 }, ...TIMES, consecutive_failures: 1 },
        },
      },
    ]);
    const told = (id: string, fact: object): Promise<boolean> =>
      until(
        () =>
          `${id} to be told ${JSON.stringify(fact)}, not ${JSON.stringify(framework.updates)}; the agent says:\n${both?.stderr()}`,
        () =>
          framework.updates.some(
            (update) => update.task_id.value === id && Bun.deepMatch(fact, { ...update }),
          ),
        PATIENCE_MS,
      );
    await told("web", { state: "TASK_RUNNING", healthy: true });
    await told("web", { check_status: { type: "TCP", tcp: { succeeded: true } } });
    // Nobody listens in that one, whoever may listen on the host or beside it.
    const killed = await framework.status("deaf", "TASK_KILLED", PATIENCE_MS);
    expect(killed.healthy).toBe(false);
    await framework.call("KILL", { kill: { task_id: { value: "web" } } });
    await framework.status("web", "TASK_KILLED", PATIENCE_MS);
    await framework.teardown();
  },
  TIMEOUT_MS,
);
