/** Cold start: from the spawn of the program to its API's first answer. */
import type { AllotProcess, StartOptions } from "../harness/allot-process.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { withAllot, withWorkDir } from "./processes.ts";

export const startBench: Bench = {
  name: "start",
  summary: "spawn to the API's first answer, in an empty work folder and in one that was used",
  needsBinary: true,
  defaultRuns: 5,
  run: async ({ runs, progress }) => {
    const set = new FigureSet();
    // The first start after a compilation reads the program from the disk.
    await withWorkDir((workDir) => readyMs({ role: "both", workDir }));
    for (let run = 1; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      for (const role of ["master", "both"] as const) {
        await withWorkDir(async (workDir) => {
          const firstMs = await readyMs({ role, workDir });
          set.add(`start, ${role}, empty work folder`, "ms", firstMs);
          if (role !== "both") return;
          const againMs = await readyMs({ role, workDir });
          set.add(`start, ${role}, used work folder`, "ms", againMs);
        });
      }
    }
    return set.figures();
  },
};

async function readyMs(options: StartOptions): Promise<number> {
  const startMs = performance.now();
  return await withAllot(options, async ({ url }: AllotProcess) => {
    const response = await fetch(`${url}/health`);
    if (!response.ok) throw new Error(`/health answers ${response.status}`);
    return performance.now() - startMs;
  });
}
