/** What each running task costs beside its own process: keeper, bookkeeping, everything we add. */
import { setTimeout as sleep } from "node:timers/promises";
import { pssBytes } from "../harness/allot-process.ts";
import { TestFramework } from "../harness/test-framework.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { ownBinary, pssBelow, WIDE_AGENT, withAllot, withWorkDir } from "./processes.ts";
import { launchSleepers, SLEEPER_COMMAND } from "./tasks.ts";

const SETTLE_MS = 3000;
const BYTES_PER_KB = 1000;

export const footprintBench: Bench = {
  name: "footprint",
  summary: "memory (PSS) that each of 500 running tasks adds, without the task's own process",
  needsBinary: true,
  defaultRuns: 3,
  run: async ({ runs, size, progress }) => {
    const tasks = size(500, 50);
    const set = new FigureSet();
    for (let run = 1; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      await withWorkDir(async (workDir) => {
        const command = [ownBinary(workDir)] as const;
        const options = { role: "both", workDir, command, flags: WIDE_AGENT } as const;
        await withAllot(options, async ({ pid, url }) => {
          const framework = await TestFramework.subscribe({ master: url });
          await sleep(SETTLE_MS);
          const idleBytes = pssBytes(pid);
          await launchSleepers(framework, tasks);
          await sleep(SETTLE_MS);
          const ownBytes = pssBytes(pid);
          const { processes, bytes: allBytes } = pssBelow(workDir, SLEEPER_COMMAND);
          if (processes <= tasks) throw new Error(`${processes} processes keep ${tasks} tasks`);
          const perTask = (bytes: number): number => bytes / tasks / BYTES_PER_KB;
          set.add("footprint, per running task", "kB", perTask(allBytes - idleBytes));
          set.add("footprint, of that in the agent", "kB", perTask(ownBytes - idleBytes));
          set.add("footprint, of that in keepers", "kB", perTask(allBytes - ownBytes));
          framework.disconnect();
        });
      });
    }
    return set.figures();
  },
};
