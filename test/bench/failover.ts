/**
 * Another master takes over from one that is killed, and from one that is stopped in order, with a
 * thousand agents and their tasks: three masters, three ZooKeeper servers, sessions of ten seconds.
 */
import { FailoverScene } from "../harness/failover-scene.ts";
import { hasZooKeeper, startZooKeeper } from "../harness/zookeeper.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";

const SESSION_TIMEOUT_MS = 10_000;
const TICK_MS = 1000;
const TASKS_PER_AGENT = 10;
const WAYS = [
  ["SIGKILL", "killed"],
  ["SIGTERM", "stopped"],
] as const;

export const failoverBench: Bench = {
  name: "failover",
  summary: "another master takes over, with 1,000 agents that find it by ZooKeeper",
  needsBinary: true,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const set = new FigureSet();
    if (!hasZooKeeper("failover")) return set.figures();
    const zookeeper = await startZooKeeper(3, { tickMs: TICK_MS });
    const options = {
      url: zookeeper.url("/bench"),
      agents: size(1000, 100),
      tasksPerAgent: TASKS_PER_AGENT,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
    };
    try {
      await FailoverScene.with(options, async (scene) => {
        for (let run = 1; run <= runs; run += 1) {
          for (const [signal, name] of WAYS) {
            progress(`run ${run} of ${runs}: the leader is ${name}`);
            const { actsMs, agentsMs, frameworksMs } = await scene.failOver(signal);
            set.add(`leader ${name}, a new one acts`, "ms", actsMs);
            set.add(`leader ${name}, frameworks are back`, "ms", frameworksMs);
            set.add(`leader ${name}, all agents are back`, "ms", agentsMs);
            set.add(`leader ${name}, agents after the new one acts`, "ms", agentsMs - actsMs);
            const changes = await scene.changes();
            if (changes.length > 0) throw new Error(changes.slice(0, 20).join("\n"));
          }
        }
      });
    } finally {
      await zookeeper.stop();
    }
    return set.figures();
  },
};
