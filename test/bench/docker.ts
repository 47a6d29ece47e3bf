/**
 * Many Docker containers at once: in the time that Docker itself needs for them, or not. The same
 * Engine, image and limits for both; Docker's own side is its command line, as many at a time as
 * make it fastest here.
 */
import { spawn } from "node:child_process";
import { BUSYBOX, docker, findPrivateEngine } from "../harness/docker-engine.ts";
import { TestFramework } from "../harness/test-framework.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { WIDE_AGENT, withAllot, withWorkDir } from "./processes.ts";
import { launchAll, offersFor, reached } from "./tasks.ts";

/** `docker run` at a time. */
const AT_ONCE = 16;
const MS_PER_SECOND = 1000;
const PERCENT = 100;
/** As both sides ask for. */
const LIMITS = ["--cpu-shares", "2", "--memory", "32m"];

export const dockerBench: Bench = {
  name: "docker",
  summary: "200 Docker containers from nothing to all running, beside `docker run` alone",
  needsBinary: true,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const count = size(200, 20);
    const set = new FigureSet();
    const engine = await findPrivateEngine("the benchmark of Docker");
    if (engine === undefined) return [];
    const { socketPath } = engine;
    try {
      for (let run = 1; run <= runs; run += 1) {
        progress(`run ${run} of ${runs}`);
        const plainMs = await timed(() => runPlainly(socketPath, count));
        await removeAll(socketPath);
        const { launchedMs, endedMs } = await runTasks(socketPath, count);
        await removeAll(socketPath);
        set.add(`docker run, ${count} containers`, "s", plainMs / MS_PER_SECOND);
        set.add(`allot, ${count} Docker tasks running`, "s", launchedMs / MS_PER_SECOND);
        set.add("allot beside docker run", "%", (launchedMs / plainMs) * PERCENT);
        set.add(`allot, ${count} Docker tasks killed`, "s", endedMs / MS_PER_SECOND);
      }
    } finally {
      await engine.stop();
    }
    return set.figures();
  },
};

async function runPlainly(socketPath: string, count: number): Promise<void> {
  const line = `seq ${count} | xargs -P ${AT_ONCE} -I{} docker -H unix://${socketPath} run -d --net=host ${LIMITS.join(" ")} ${BUSYBOX} sleep 86400`;
  const shell = spawn("/bin/sh", ["-c", line], { stdio: "ignore" });
  const code = await new Promise((resolve) => shell.once("close", resolve));
  if (code !== 0) throw new Error(`docker run failed: ${code}`);
}

async function runTasks(
  socketPath: string,
  count: number,
): Promise<{ readonly launchedMs: number; readonly endedMs: number }> {
  return withWorkDir((workDir) => {
    const flags = ["--containerizers=docker", `--docker_socket=${socketPath}`];
    const options = { role: "both", workDir, flags: [...WIDE_AGENT, ...flags] } as const;
    return withAllot(options, async ({ url }) => {
      const framework = await TestFramework.subscribe({ master: url });
      const container = { type: "DOCKER", docker: { image: BUSYBOX } };
      const command = { shell: false, value: "sleep", arguments: ["86400"] };
      const ids = Array.from({ length: count }, (_, index) => `docker-${index}`);
      const tasks = ids.map((id) => ({ id, command: "", extra: { command, container } }));
      const offers = await offersFor(framework, count);
      const launchedMs = await timed(async () => {
        await launchAll(framework, offers, tasks);
        await reached(framework, ids, "TASK_RUNNING");
      });
      const endedMs = await timed(async () => {
        const kill_policy = { grace_period: { nanoseconds: 0 } };
        for (const id of ids) {
          await framework.call("KILL", { kill: { task_id: { value: id }, kill_policy } });
        }
        await reached(framework, ids, "TASK_KILLED");
      });
      framework.disconnect();
      return { launchedMs, endedMs };
    });
  });
}

async function removeAll(socketPath: string): Promise<void> {
  const ids = (await docker(socketPath, "ps", "-aq")).split("\n").filter((line) => line !== "");
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    await docker(socketPath, "rm", "-fv", ...ids.slice(at, at + AT_ONCE));
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
