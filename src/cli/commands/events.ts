/** `allot events`: what happens in the pool, as it happens. */
import type { MasterEvent } from "../../protocol/v1/types.ts";
import { operatorEvents } from "../client/operator-events.ts";
import { group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_FAILED, JSON_FLAG } from "./command.ts";
import { jsonText } from "./listing.ts";
import { cleanText } from "./table.ts";

/** The verb. */
export const EVENTS: Command = {
  name: "events",
  summary: "print what happens to agents, frameworks and tasks",
  synopsis: "[--json]",
  description: [
    "Goes on until it is interrupted or the master ends.",
    "--json prints each event of the operator API on a line of its own, the first one with everything there is.",
  ],
  flags: group("Output", [JSON_FLAG]),
  wordCount: 0,
  run: printEvents,
};

async function printEvents({ client, console, flags }: CommandContext): Promise<number> {
  for await (const event of operatorEvents(client)) {
    const text = flags.boolean("json") ? jsonText(event) : lineOf(event);
    if (text !== undefined) await console.out(`${text}\n`);
  }
  await console.error(`allot events: ${client.address} has ended the stream\n`);
  return EXIT_FAILED;
}

/** Undefined for what is of no interest to people. */
function lineOf(event: MasterEvent): string | undefined {
  const text = textOf(event);
  return text === undefined ? undefined : `${new Date().toISOString()} ${cleanText(text)}`;
}

function textOf(event: MasterEvent): string | undefined {
  if (event.subscribed !== undefined) return stateText(event.subscribed.get_state);
  if (event.task_added !== undefined) {
    const { task_id, agent_id, name, state } = event.task_added.task;
    return `task ${task_id.value} (${name}) added on ${agent_id.value}: ${state}`;
  }
  if (event.task_updated !== undefined) {
    const { status, state } = event.task_updated;
    const why = [status.reason, status.message].filter((part) => part !== undefined).join(", ");
    return `task ${status.task_id.value} ${state}${why === "" ? "" : ` (${why})`}`;
  }
  if (event.agent_added !== undefined) {
    const { id, hostname } = event.agent_added.agent.agent_info;
    return `agent ${id?.value ?? ""} added on ${hostname}`;
  }
  if (event.agent_removed !== undefined)
    return `agent ${event.agent_removed.agent_id.value} removed`;
  return frameworkText(event);
}

function frameworkText(event: MasterEvent): string | undefined {
  const removed = event.framework_removed?.framework_info;
  if (removed !== undefined)
    return `framework ${removed.id?.value ?? ""} (${removed.name}) removed`;
  const added = event.framework_added?.framework;
  const { framework_info: info, connected } = added ?? event.framework_updated?.framework ?? {};
  if (info === undefined) return undefined;
  const what = added !== undefined ? "added" : connected === true ? "updated" : "disconnected";
  return `framework ${info.id?.value ?? ""} (${info.name}) ${what}`;
}

function stateText(state: NonNullable<MasterEvent["subscribed"]>["get_state"]): string {
  const counts = {
    agents: state?.get_agents?.agents?.length ?? 0,
    frameworks: state?.get_frameworks?.frameworks?.length ?? 0,
    tasks: state?.get_tasks?.tasks?.length ?? 0,
  };
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}
