/** `allot kill`: ends a task with everything it started. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Task } from "../../protocol/v1/types.ts";
import type { MasterClient } from "../client/master-client.ts";
import { isTaskOver } from "../execute/task-ending.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_FAILED } from "./command.ts";
import { findTask } from "./find-task.ts";

/** Between two looks at a task that is being killed. */
const LOOK_MS = 100;

/** The verb. */
export const KILL: Command = {
  name: "kill",
  summary: "end a task with everything it started",
  synopsis: "TASK [--framework=ID] [--grace=3secs] [--no-wait]",
  description: ["Waits until the task is over unless --no-wait is given."],
  flags: group("Kill", [
    acts("framework", "string", undefined, "the framework the task belongs to"),
    acts("grace", "duration", undefined, "time between SIGTERM and SIGKILL", {
      defaultText: "the task's own kill policy, else 3secs",
    }),
    acts("wait", "boolean", "true", "wait until the task is over"),
  ]),
  wordCount: 1,
  run: killTask,
};

async function killTask({ client, console, flags, words }: CommandContext): Promise<number> {
  const found = await findTask(client, words[0] ?? "", flags.string("framework"));
  if (!found.ok) {
    await console.error(`allot kill: ${found.error.message}\n`);
    return EXIT_FAILED;
  }
  const { task_id: task, framework_id: framework } = found.value;
  if (isTaskOver(found.value.state)) {
    await console.error(`allot kill: task ${task.value} is over already\n`);
    return EXIT_FAILED;
  }
  await client.kill({
    task_id: task.value,
    framework_id: framework.value,
    grace_ms: flags.durationMs("grace"),
  });
  while (flags.boolean("wait") && !(await isOver(client, found.value))) await sleep(LOOK_MS);
  return EXIT_DONE;
}

/** A master that took over knows no tasks of an agent until that is back. */
async function isOver(
  client: MasterClient,
  { task_id, framework_id, agent_id }: Task,
): Promise<boolean> {
  const look = async (): Promise<string | undefined> =>
    (await client.findTasks(task_id.value, framework_id.value))[0]?.state;
  const state = await look();
  if (state !== undefined) return isTaskOver(state);
  const { get_agents: answer } = await client.call({ type: "GET_AGENTS" });
  const isAway = answer?.recovered_agents?.some(({ id }) => id?.value === agent_id.value) === true;
  if (isAway) return false;
  // It may have come back between the two answers.
  const later = await look();
  return later === undefined || isTaskOver(later);
}
