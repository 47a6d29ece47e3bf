/** `allot logs`: what a task wrote, and with `-f` what it goes on to write. */
import { sandboxPath, taskSandboxPath } from "../execute/file-follower.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_FAILED } from "./command.ts";
import { findTask } from "./find-task.ts";

/** The verb. */
export const LOGS: Command = {
  name: "logs",
  summary: "print what a task wrote",
  synopsis: "TASK [-f] [--stderr] [--framework=ID]",
  description: ["Prints the task's stdout from its beginning; with -f goes on until it is over."],
  flags: group("Logs", [
    acts("follow", "boolean", "false", "go on while the task writes", { letter: "f" }),
    acts("stderr", "boolean", "false", "its stderr instead of its stdout"),
    acts("framework", "string", undefined, "the framework the task belongs to"),
  ]),
  wordCount: 1,
  run: printLogs,
};

async function printLogs({ client, console, flags, words }: CommandContext): Promise<number> {
  const found = await findTask(client, words[0] ?? "", flags.string("framework"));
  if (!found.ok) {
    await console.error(`allot logs: ${found.error.message}\n`);
    return EXIT_FAILED;
  }
  const { task_id: task, framework_id: framework, agent_id: agent, executor_id } = found.value;
  const name = flags.boolean("stderr") ? "stderr" : "stdout";
  const path =
    executor_id === undefined
      ? sandboxPath(framework.value, task.value, name)
      : taskSandboxPath(framework.value, executor_id.value, task.value, name);
  const file = { agentId: agent.value, path, offset: 0, isFollowing: flags.boolean("follow") };
  for await (const chunk of client.readFile(file)) await console.out(chunk);
  return EXIT_DONE;
}
