/** Short tasks from offer to end, launched and acknowledged by one framework and by fifty. */
import { until } from "../../harness/wait.ts";
import { type BenchContext, perSecond } from "../bench.ts";
import type { FigureSet } from "../figures.ts";
import { withWorkDir } from "../processes.ts";
import { Cluster } from "./cluster.ts";
import { LoadFramework } from "./load-framework.ts";
import { AGENT_RESOURCES, PATIENCE_MS, TASK, TASKS_PER_AGENT, WINDOW_LENGTH } from "./sizes.ts";

export async function measureThroughput(context: BenchContext, set: FigureSet): Promise<void> {
  const agents = context.size(1000, 200);
  const tasks = context.size(50_000, 5000);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      await cluster.addAgents(agents, { resources: AGENT_RESOURCES });
      for (const frameworks of [1, 50]) {
        context.progress(`${tasks} tasks by ${frameworks} frameworks`);
        await run(cluster, set, { frameworks, tasks });
      }
    }),
  );
}

async function run(
  cluster: Cluster,
  set: FigureSet,
  { frameworks, tasks }: { readonly frameworks: number; readonly tasks: number },
): Promise<void> {
  const budget = { left: tasks };
  const running: LoadFramework[] = [];
  const count = (state: string): number =>
    running.reduce((sum, framework) => sum + framework.count(state), 0);
  const name = `throughput, ${frameworks} framework${frameworks === 1 ? "" : "s"}`;
  const seen = await cluster.watched(set, name, async () => {
    for (let index = 0; index < frameworks; index += 1) {
      const framework = await LoadFramework.subscribe({
        ...TASK,
        master: cluster.master.url,
        name: `load-${frameworks}-${index}`,
        command: "true",
        tasksPerOffer: TASKS_PER_AGENT,
        budget,
        windowLength: WINDOW_LENGTH / frameworks,
      });
      running.push(framework);
    }
    await until("all tasks to finish", () => count("TASK_FINISHED") >= tasks, PATIENCE_MS);
  });
  set.add(name, "tasks/s", perSecond(tasks, seen.elapsedMs));
  set.add(`${name}, per second of master's cpu`, "tasks", perSecond(tasks, seen.masterCpuMs));
  set.add(`${name}, per second of agents' cpu`, "tasks", perSecond(tasks, seen.agentsCpuMs));
  set.add(`${name}, launched again`, "tasks", count("TASK_DROPPED"));
  for (const framework of running) await framework.teardown();
}
