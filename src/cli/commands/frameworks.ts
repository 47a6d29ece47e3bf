/** `allot frameworks`: who uses the pool. */
import type { MasterResponseGetFrameworksFramework } from "../../protocol/v1/types.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, JSON_FLAG } from "./command.ts";
import { ageOf, isoTime, printListing, secondsOf } from "./listing.ts";
import { amountsOf, amountText, type ResourceAmounts } from "./resource-text.ts";
import type { Column } from "./table.ts";

/** One element of `allot frameworks --json`. */
interface FrameworkRow {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly roles: readonly string[];
  readonly principal: string | null;
  /** `recovered`: has tasks from before the master's restart, not back yet. */
  readonly state: "active" | "inactive" | "disconnected" | "recovered" | "completed";
  readonly registered_at: string | null;
  /** Tasks that are not over. */
  readonly tasks: number;
  readonly resources: { readonly allocated: ResourceAmounts; readonly offered: ResourceAmounts };
}

/** The verb. */
export const FRAMEWORKS: Command = {
  name: "frameworks",
  summary: "list the frameworks with what each uses",
  synopsis: "[--all] [--json]",
  description: [
    "--json prints an array of {id, name, user, roles, principal, state, registered_at, tasks, resources: {allocated, offered}}; state is active, inactive, disconnected, recovered or completed.",
  ],
  flags: group("Output", [
    acts("all", "boolean", "false", "completed ones too", { letter: "a" }),
    JSON_FLAG,
  ]),
  wordCount: 0,
  run: listFrameworks,
};

const COLUMNS: readonly Column<FrameworkRow>[] = [
  { heading: "FRAMEWORK", text: (row) => row.id },
  { heading: "NAME", text: (row) => row.name },
  { heading: "STATE", text: (row) => row.state },
  { heading: "ROLES", text: (row) => row.roles.join(",") },
  { heading: "USER", text: (row) => row.user },
  { heading: "TASKS", text: (row) => String(row.tasks), isRight: true },
  { heading: "CPUS", text: used("cpus"), isRight: true },
  { heading: "MEMORY", text: used("mem"), isRight: true },
  { heading: "AGE", text: (row) => ageOf(row.registered_at), isRight: true },
];

async function listFrameworks({ client, console, flags }: CommandContext): Promise<number> {
  const [frameworks, tasks] = await Promise.all([
    client.call({ type: "GET_FRAMEWORKS" }),
    client.call({ type: "GET_TASKS" }),
  ]);
  const counts = new Map<string, number>();
  for (const { framework_id: id } of tasks.get_tasks?.tasks ?? []) {
    counts.set(id.value, (counts.get(id.value) ?? 0) + 1);
  }
  const live = frameworks.get_frameworks?.frameworks ?? [];
  const over = flags.boolean("all") ? (frameworks.get_frameworks?.completed_frameworks ?? []) : [];
  const rows = [
    ...live.map((framework) => frameworkRow(framework, liveState(framework), counts)),
    ...over.map((framework) => frameworkRow(framework, "completed", counts)),
  ];
  const emptyText = "No framework is registered; --all shows completed ones.";
  await printListing(console, { rows, columns: COLUMNS, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function frameworkRow(
  framework: MasterResponseGetFrameworksFramework,
  state: FrameworkRow["state"],
  counts: ReadonlyMap<string, number>,
): FrameworkRow {
  const { framework_info: info } = framework;
  const id = info.id?.value ?? "";
  return {
    id,
    name: info.name,
    user: info.user,
    roles: info.roles ?? [info.role ?? "*"],
    principal: info.principal ?? null,
    state,
    registered_at: isoTime(secondsOf(framework.registered_time)),
    tasks: counts.get(id) ?? 0,
    resources: {
      allocated: amountsOf(framework.allocated_resources),
      offered: amountsOf(framework.offered_resources),
    },
  };
}

function liveState(framework: MasterResponseGetFrameworksFramework): FrameworkRow["state"] {
  if (framework.recovered) return "recovered";
  if (!framework.connected) return "disconnected";
  return framework.active ? "active" : "inactive";
}

function used(name: string): (row: FrameworkRow) => string {
  return ({ resources }) => amountText(resources.allocated, name);
}
