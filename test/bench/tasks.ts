/** Tasks that do nothing but be there, launched many at a time. */
import {
  type Offer,
  type TaskOptions,
  type TestFramework,
  taskInfo,
} from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

/** Name of the process of a sleeper, as the kernel knows it. */
export const SLEEPER_COMMAND = "sleep";
/** Longer than any benchmark. */
const SLEEP_SECONDS = "86400";

/** What `taskInfo` asks for unless told otherwise. */
const TASK_CPUS = 0.001;
const TASK_MEM = 1;

/** One process without a shell around it. */
export function sleeper(id: string): TaskOptions {
  return {
    id,
    command: "",
    extra: {
      command: { shell: false, value: "/bin/sleep", arguments: [SLEEPER_COMMAND, SLEEP_SECONDS] },
    },
  };
}

/** Launches that many and waits until all of them run. */
export async function launchSleepers(framework: TestFramework, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => `sleeper-${index}`);
  await launchAll(framework, await offersFor(framework, count), ids.map(sleeper));
  await reached(framework, ids, "TASK_RUNNING");
}

/** Takes offers until there is room for that many tasks of `TestFramework`'s usual size. */
export async function offersFor(framework: TestFramework, count: number): Promise<Offer[]> {
  const offers: Offer[] = [];
  const hasRoom = (name: string, perTask: number): boolean => {
    const parts = offers.flatMap((offer) => offer.resources.filter((part) => part.name === name));
    return parts.reduce((sum, part) => sum + (part.scalar?.value ?? 0), 0) >= count * perTask;
  };
  while (!hasRoom("cpus", TASK_CPUS) || !hasRoom("mem", TASK_MEM)) {
    offers.push(await framework.offer());
  }
  return offers;
}

/** Launches all tasks with one ACCEPT of all the offers, which are of one agent. */
export async function launchAll(
  framework: TestFramework,
  offers: readonly Offer[],
  tasks: readonly TaskOptions[],
): Promise<void> {
  const [first] = offers;
  if (first === undefined) throw new Error("there is no offer to launch on");
  const task_infos = tasks.map((task) => taskInfo(first, task));
  await framework.call("ACCEPT", {
    accept: {
      offer_ids: offers.map((offer) => offer.id),
      operations: [{ type: "LAUNCH", launch: { task_infos } }],
      filters: { refuse_seconds: 0 },
    },
  });
}

/** Waits until every task was reported in that state. Errors: one of them failed. */
export async function reached(
  framework: TestFramework,
  ids: readonly string[],
  state: string,
  timeoutMs?: number,
): Promise<void> {
  const missing = new Set(ids);
  let seen = 0;
  const look = (): boolean => {
    for (; seen < framework.updates.length; seen += 1) {
      const update = framework.updates[seen];
      if (update === undefined) continue;
      const isBad = ["TASK_FAILED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED"].includes(
        update.state,
      );
      if (isBad) throw new Error(`${update.task_id.value}: ${update.state} ${update.message}`);
      if (update.state === state) missing.delete(update.task_id.value);
    }
    return missing.size === 0;
  };
  await until(`${ids.length} tasks to be ${state}`, look, timeoutMs);
}
