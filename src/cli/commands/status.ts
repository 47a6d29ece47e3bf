/** `allot status`: the pool at a glance. */
import type { MasterResponse } from "../../protocol/v1/types.ts";
import { ClientError } from "../client/client-error.ts";
import type { DiskShortage } from "../client/disk-shortages.ts";
import { group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_FAILED, JSON_FLAG } from "./command.ts";
import { ageOf, formatLines, formatWhy, isoTime, printJson } from "./listing.ts";
import { amountsOf, type ResourceAmounts, shareText, sumAmounts } from "./resource-text.ts";

/** What `allot status --json` prints. */
interface Status {
  readonly master: {
    readonly address: string;
    readonly id: string | null;
    /** Of allot, and of the Mesos API it speaks. */
    readonly version: string | null;
    readonly api_version: string | null;
    readonly started_at: string | null;
  };
  readonly agents: {
    readonly active: number;
    readonly inactive: number;
    readonly recovering: number;
  };
  /** Agents that hold tasks to their limits, and those that only measure what tasks use. */
  readonly isolation: { readonly enforced: number; readonly measured: number };
  /** Agents that take no tasks for want of room on their disks. */
  readonly disk_shortages: readonly DiskShortage[];
  readonly frameworks: { readonly connected: number; readonly disconnected: number };
  /** Live and unreachable tasks by state, as `TASK_RUNNING`. */
  readonly tasks: Readonly<Record<string, number>>;
  readonly resources: { readonly total: ResourceAmounts; readonly allocated: ResourceAmounts };
}

/** The verb. */
export const STATUS: Command = {
  name: "status",
  summary: "show the pool at a glance",
  synopsis: "[--json]",
  description: [
    "--json prints {master: {address, id, version, api_version, started_at}, agents: {active, inactive, recovering}, isolation: {enforced, measured}, disk_shortages: [{hostname, why}], frameworks: {connected, disconnected}, tasks: {TASK_…: count}, resources: {total, allocated}}.",
    "While no master leads it says why, the exit status is 1, and --json prints {master: {address, id: null, standing}, why: [sentences]}.",
  ],
  flags: group("Output", [JSON_FLAG]),
  wordCount: 0,
  run: showStatus,
};

async function showStatus(context: CommandContext): Promise<number> {
  try {
    return await showPool(context);
  } catch (error) {
    if (!(error instanceof ClientError && error.isRetriable)) throw error;
    return await explainSilence(context, error);
  }
}

/** No master leads: the one that was asked may know why. */
async function explainSilence(
  { client, console, flags }: CommandContext,
  silence: ClientError,
): Promise<number> {
  const report = await client.leaderReport().catch(() => undefined);
  // One that leads by now answers when it is asked again.
  if (report === undefined || report.self.standing === "leading") throw silence;
  const { self, leader, why } = report;
  if (flags.boolean("json")) {
    const master = { address: self.address, id: null, standing: self.standing };
    await printJson(console, { master, why: why.length === 0 ? [silence.message] : why });
    return EXIT_FAILED;
  }
  const elected = leader === null ? "no master leads" : `${leader.address} is elected`;
  const head = formatLines([["Master", `${self.address} is ${self.standing}; ${elected}`]]);
  await console.out(`${head}${formatWhy(why.length === 0 ? [silence.message] : why)}`);
  return EXIT_FAILED;
}

async function showPool({ client, console, flags }: CommandContext): Promise<number> {
  const answers = await Promise.all([
    client.call({ type: "GET_MASTER" }),
    client.call({ type: "GET_VERSION" }),
    client.call({ type: "GET_AGENTS" }),
    client.call({ type: "GET_FRAMEWORKS" }),
    client.call({ type: "GET_TASKS" }),
  ]);
  const answer = Object.assign({}, ...answers) as MasterResponse;
  // Most pools have none, and need not be asked.
  const isAllActive = answer.get_agents?.agents?.every(({ active }) => active) ?? true;
  const shortages = isAllActive ? [] : await client.diskShortages();
  const status = readStatus(client.address, answer, shortages);
  if (flags.boolean("json")) await printJson(console, status);
  else await console.out(formatStatus(status));
  return EXIT_DONE;
}

function readStatus(
  address: string,
  answer: MasterResponse,
  disk_shortages: readonly DiskShortage[],
): Status {
  const agents = answer.get_agents?.agents ?? [];
  const frameworks = answer.get_frameworks?.frameworks ?? [];
  const active = agents.filter((agent) => agent.active).length;
  const enforced = agents.filter(({ capabilities }) =>
    capabilities?.some(({ type }) => type === "TASK_RESOURCE_LIMITS"),
  ).length;
  const connected = frameworks.filter((framework) => framework.connected).length;
  return {
    master: {
      address,
      id: answer.get_master?.master_info?.id ?? null,
      version: answer.get_version?.version_info.git_tag?.replace(/^allot-/, "") ?? null,
      api_version: answer.get_version?.version_info.version ?? null,
      started_at: isoTime(answer.get_master?.start_time),
    },
    agents: {
      active,
      inactive: agents.length - active,
      recovering: answer.get_agents?.recovered_agents?.length ?? 0,
    },
    isolation: { enforced, measured: agents.length - enforced },
    disk_shortages,
    frameworks: { connected, disconnected: frameworks.length - connected },
    tasks: countStates(answer),
    resources: {
      total: sumAmounts(agents.map((agent) => amountsOf(agent.total_resources))),
      allocated: sumAmounts(agents.map((agent) => amountsOf(agent.allocated_resources))),
    },
  };
}

function countStates({ get_tasks: tasks }: MasterResponse): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of [...(tasks?.tasks ?? []), ...(tasks?.unreachable_tasks ?? [])]) {
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}

function formatStatus(status: Status): string {
  const { master, agents, frameworks, isolation, tasks, resources } = status;
  const states = Object.entries(tasks).map(
    ([state, count]) => `${count} ${state.replace(/^TASK_/, "").toLowerCase()}`,
  );
  const share = (name: string): string => shareText(resources.allocated, resources.total, name);
  const lines: readonly (readonly [string, string])[] = [
    ["Master", `${master.address}, allot ${master.version ?? "?"}, up ${ageOf(master.started_at)}`],
    ["Agents", counted({ active: agents.active }, agents)],
    ...(isolation.measured === 0 ? [] : ([["Isolation", isolationText(isolation)]] as const)),
    ...status.disk_shortages.map(
      ({ hostname, why }) => ["No room", `on ${hostname}: ${why}`] as const,
    ),
    ["Frameworks", counted({ connected: frameworks.connected }, frameworks)],
    ["Tasks", states.length === 0 ? "none" : states.join(", ")],
    ["In use", `cpus ${share("cpus")}, memory ${share("mem")}, disk ${share("disk")}`],
  ];
  return formatLines(lines);
}

function isolationText({ enforced, measured }: Status["isolation"]): string {
  return `none on ${measured} of ${enforced + measured} agents, where tasks are only measured (see their logs)`;
}

/** `3 active, 1 inactive`: the first always, others when there are any. */
function counted(
  first: Readonly<Record<string, number>>,
  all: Readonly<Record<string, number>>,
): string {
  return Object.entries({ ...first, ...all })
    .filter(([name, count]) => name in first || count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}
