/** How many short tasks one agent starts and finishes per second. */
import { type TaskOptions, TestFramework } from "../harness/test-framework.ts";
import { type Bench, perSecond } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { WIDE_AGENT, withAllot, withWorkDir } from "./processes.ts";
import { launchAll, offersFor, reached } from "./tasks.ts";

const WARM_UP_TASKS = 50;

export const throughputBench: Bench = {
  name: "throughput",
  summary: "tasks `true` per second on one agent, from ACCEPT to the last TASK_FINISHED",
  needsBinary: true,
  defaultRuns: 5,
  run: async ({ runs, size, progress }) => {
    const tasks = size(500, 100);
    const set = new FigureSet();
    await withWorkDir((workDir) =>
      withAllot({ role: "both", workDir, flags: WIDE_AGENT }, async ({ url }) => {
        const framework = await TestFramework.subscribe({ master: url });
        await finishTasks(framework, "warm-up", WARM_UP_TASKS);
        for (let run = 1; run <= runs; run += 1) {
          progress(`run ${run} of ${runs}`);
          const elapsedMs = await finishTasks(framework, `run-${run}`, tasks);
          set.add("throughput, started and finished", "tasks/s", perSecond(tasks, elapsedMs));
        }
        await framework.teardown();
      }),
    );
    return set.figures();
  },
};

/** Launches all of them at once; milliseconds until the last has finished. */
async function finishTasks(framework: TestFramework, name: string, count: number): Promise<number> {
  const tasks = Array.from({ length: count }, (_, index): TaskOptions => {
    return { id: `${name}-${index}`, command: "true" };
  });
  const ids = tasks.map((task) => task.id);
  const offers = await offersFor(framework, count);
  const startMs = performance.now();
  await launchAll(framework, offers, tasks);
  await reached(framework, ids, "TASK_FINISHED");
  return performance.now() - startMs;
}
