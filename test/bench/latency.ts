/** How long a framework waits from ACCEPT to TASK_RUNNING on an agent that is already in use. */
import { type Status, TestFramework } from "../harness/test-framework.ts";
import type { Bench } from "./bench.ts";
import { FigureSet, percentile } from "./figures.ts";
import { WIDE_AGENT, withAllot, withWorkDir } from "./processes.ts";
import { launchSleepers, sleeper } from "./tasks.ts";

const RUNNING_TASKS = 100;
const WARM_UP_LAUNCHES = 10;

export const latencyBench: Bench = {
  name: "latency",
  summary: `ACCEPT sent to TASK_RUNNING received, one task at a time, ${RUNNING_TASKS} running`,
  needsBinary: true,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const launches = size(200, 30);
    const set = new FigureSet();
    for (let run = 1; run <= runs; run += 1) {
      const latencies = await withWorkDir((workDir) =>
        withAllot({ role: "both", workDir, flags: WIDE_AGENT }, async ({ url }) => {
          const framework = await TestFramework.subscribe({ master: url });
          await launchSleepers(framework, RUNNING_TASKS);
          const values: number[] = [];
          for (let index = 0; index < WARM_UP_LAUNCHES + launches; index += 1) {
            progress(`run ${run} of ${runs}, launch ${index} of ${launches}`);
            const latencyMs = await launchAndKill(framework, `measured-${index}`);
            if (index >= WARM_UP_LAUNCHES) values.push(latencyMs);
          }
          await framework.teardown();
          return values;
        }),
      );
      set.add("latency, accepted to running, p50", "ms", percentile(latencies, 50));
      set.add("latency, accepted to running, p99", "ms", percentile(latencies, 99));
    }
    return set.figures();
  },
};

/** The task is gone again afterwards, so that each launch meets the same agent. */
async function launchAndKill(framework: TestFramework, id: string): Promise<number> {
  const offer = await framework.offer();
  const sentMs = performance.now();
  await framework.launch(offer, [sleeper(id)]);
  const running = await framework.status(id, "TASK_RUNNING");
  await framework.call("KILL", { kill: { task_id: { value: id }, agent_id: offer.agent_id } });
  await framework.status(id, "TASK_KILLED");
  return receivedMs(framework, running) - sentMs;
}

function receivedMs(framework: TestFramework, { uuid }: Status): number {
  const update = framework.updates.find((one) => one.uuid === uuid);
  if (update === undefined) throw new Error("the update is not among those received");
  return update.atMs;
}
