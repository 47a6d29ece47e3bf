/** `allot agents`: the servers of the pool and what is in use on each. */
import type {
  AgentInfo,
  Attribute,
  MasterResponseGetAgentsAgent,
} from "../../protocol/v1/types.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, JSON_FLAG } from "./command.ts";
import { ageOf, isoTime, printListing, secondsOf } from "./listing.ts";
import { amountsOf, type ResourceAmounts, shareText } from "./resource-text.ts";
import type { Column } from "./table.ts";

/** One element of `allot agents --json`. */
interface AgentRow {
  readonly id: string;
  readonly hostname: string;
  /** `recovering`: known from before the master's restart, not back yet. */
  readonly state: "active" | "inactive" | "deactivated" | "draining" | "drained" | "recovering";
  readonly version: string | null;
  readonly registered_at: string | null;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly resources: {
    readonly total: ResourceAmounts;
    readonly allocated: ResourceAmounts;
    readonly offered: ResourceAmounts;
  };
}

/** The verb. */
export const AGENTS: Command = {
  name: "agents",
  summary: "list the agents with what is used on each",
  synopsis: "[--json]",
  description: [
    "--json prints an array of {id, hostname, state, version, registered_at, attributes, resources: {total, allocated, offered}}; amounts are numbers by name, mem and disk in megabytes, ranges and sets texts.",
  ],
  flags: group("Output", [JSON_FLAG, acts("wide", "boolean", "false", "more columns")]),
  wordCount: 0,
  run: listAgents,
};

const COLUMNS: readonly Column<AgentRow>[] = [
  { heading: "AGENT", text: (row) => row.id },
  { heading: "HOST", text: (row) => row.hostname },
  { heading: "STATE", text: (row) => row.state },
  { heading: "CPUS", text: share("cpus"), isRight: true },
  { heading: "MEMORY", text: share("mem"), isRight: true },
  { heading: "DISK", text: share("disk"), isRight: true },
  { heading: "AGE", text: (row) => ageOf(row.registered_at), isRight: true },
];

const WIDE_COLUMNS: readonly Column<AgentRow>[] = [
  ...COLUMNS,
  { heading: "GPUS", text: share("gpus"), isRight: true },
  { heading: "PORTS", text: (row) => String(row.resources.total["ports"] ?? "") },
  {
    heading: "ATTRIBUTES",
    text: ({ attributes }) =>
      Object.entries(attributes)
        .map(([name, value]) => `${name}:${value}`)
        .join(";"),
  },
  { heading: "VERSION", text: (row) => row.version ?? "" },
];

async function listAgents({ client, console, flags }: CommandContext): Promise<number> {
  const answer = (await client.call({ type: "GET_AGENTS" })).get_agents;
  const rows = [
    ...(answer?.agents ?? []).map(agentRow),
    ...(answer?.recovered_agents ?? []).map(recoveringRow),
  ];
  const columns = flags.boolean("wide") ? WIDE_COLUMNS : COLUMNS;
  const emptyText = `No agent is registered with ${client.address}.`;
  await printListing(console, { rows, columns, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function agentRow(agent: MasterResponseGetAgentsAgent): AgentRow {
  const { agent_info: info } = agent;
  return {
    id: info.id?.value ?? "",
    hostname: info.hostname,
    state: stateOf(agent),
    version: agent.version,
    registered_at: isoTime(secondsOf(agent.registered_time)),
    attributes: attributesOf(info),
    resources: {
      total: amountsOf(agent.total_resources),
      allocated: amountsOf(agent.allocated_resources),
      offered: amountsOf(agent.offered_resources),
    },
  };
}

function stateOf({
  active,
  deactivated,
  drain_info,
}: MasterResponseGetAgentsAgent): AgentRow["state"] {
  if (drain_info !== undefined) return drain_info.state === "DRAINED" ? "drained" : "draining";
  if (deactivated === true) return "deactivated";
  return active ? "active" : "inactive";
}

function recoveringRow(info: AgentInfo): AgentRow {
  const nothing = amountsOf([]);
  return {
    id: info.id?.value ?? "",
    hostname: info.hostname,
    state: "recovering",
    version: null,
    registered_at: null,
    attributes: attributesOf(info),
    resources: { total: amountsOf(info.resources), allocated: nothing, offered: nothing },
  };
}

function attributesOf(info: AgentInfo): Record<string, string | number> {
  return Object.fromEntries(
    (info.attributes ?? []).map((attribute) => [attribute.name, attributeValue(attribute)]),
  );
}

function attributeValue({ scalar, text, ranges }: Attribute): string | number {
  if (scalar !== undefined) return scalar.value;
  if (text !== undefined) return text.value;
  const pieces = (ranges?.range ?? []).map(({ begin, end }) => `${begin}-${end}`);
  return `[${pieces.join(",")}]`;
}

function share(name: string): (row: AgentRow) => string {
  return ({ resources }) => shareText(resources.allocated, resources.total, name);
}
