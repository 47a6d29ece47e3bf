/** `allot tasks`: what runs where, and with `--all` how the last ones ended. */
import type { Task } from "../../protocol/v1/types.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, JSON_FLAG } from "./command.ts";
import { ageOf, isoTime, printListing } from "./listing.ts";
import { amountsOf, amountText, type ResourceAmounts } from "./resource-text.ts";
import type { Column } from "./table.ts";

/** One element of `allot tasks --json`. */
interface TaskRow {
  readonly id: string;
  readonly name: string;
  readonly framework_id: string;
  readonly agent_id: string;
  readonly hostname: string | null;
  readonly state: string;
  /** Since when it is in that state. */
  readonly state_at: string | null;
  readonly message: string | null;
  readonly reason: string | null;
  readonly resources: ResourceAmounts;
}

/** The verb. */
export const TASKS: Command = {
  name: "tasks",
  summary: "list the tasks, their state and where they run",
  synopsis: "[--all] [--framework=ID] [--json]",
  description: [
    "--json prints an array of {id, name, framework_id, agent_id, hostname, state, state_at, message, reason, resources}; state is one of Mesos' TASK_… names.",
  ],
  flags: group("Output", [
    acts("all", "boolean", "false", "tasks that are over too", { letter: "a" }),
    acts("framework", "string", undefined, "only tasks of that framework"),
    JSON_FLAG,
  ]),
  wordCount: 0,
  run: listTasks,
};

const COLUMNS: readonly Column<TaskRow>[] = [
  { heading: "TASK", text: (row) => row.id },
  { heading: "STATE", text: (row) => row.state.replace(/^TASK_/, "").toLowerCase() },
  { heading: "SINCE", text: (row) => ageOf(row.state_at), isRight: true },
  { heading: "HOST", text: (row) => row.hostname ?? row.agent_id },
  { heading: "CPUS", text: (row) => amountText(row.resources, "cpus"), isRight: true },
  { heading: "MEMORY", text: (row) => amountText(row.resources, "mem"), isRight: true },
  { heading: "FRAMEWORK", text: (row) => row.framework_id },
];

const ENDED_COLUMNS: readonly Column<TaskRow>[] = [
  ...COLUMNS,
  { heading: "MESSAGE", text: (row) => row.message ?? "" },
];

async function listTasks({ client, console, flags }: CommandContext): Promise<number> {
  const [tasks, agents] = await Promise.all([
    client.call({ type: "GET_TASKS" }),
    client.call({ type: "GET_AGENTS" }),
  ]);
  const hostnames = new Map(
    (agents.get_agents?.agents ?? []).map(({ agent_info: info }) => [
      info.id?.value ?? "",
      info.hostname,
    ]),
  );
  const isAll = flags.boolean("all");
  const frameworkId = flags.string("framework");
  const rows = [
    ...(tasks.get_tasks?.tasks ?? []),
    ...(tasks.get_tasks?.unreachable_tasks ?? []),
    ...(isAll ? (tasks.get_tasks?.completed_tasks ?? []) : []),
  ]
    .filter((task) => frameworkId === undefined || task.framework_id.value === frameworkId)
    .map((task) => taskRow(task, hostnames));
  const columns = isAll ? ENDED_COLUMNS : COLUMNS;
  const emptyText = isAll ? "There are no tasks." : "No task is running; --all shows ended ones.";
  await printListing(console, { rows, columns, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function taskRow(task: Task, hostnames: ReadonlyMap<string, string>): TaskRow {
  const last = task.statuses?.at(-1);
  return {
    id: task.task_id.value,
    name: task.name,
    framework_id: task.framework_id.value,
    agent_id: task.agent_id.value,
    hostname: hostnames.get(task.agent_id.value) ?? null,
    state: task.state,
    state_at: isoTime(last?.timestamp),
    message: last?.message ?? null,
    reason: last?.reason ?? null,
    resources: amountsOf(task.resources),
  };
}
