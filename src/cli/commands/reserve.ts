/** `allot reserve` and `unreserve`: resources of an agent that only one role gets. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import { parseResources } from "../../resources/parse.ts";
import { principalOf } from "../client/login.ts";
import { acts, type Flag, group } from "../flags/flag-table.ts";
import {
  type Command,
  type CommandContext,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
} from "./command.ts";
import { findAgent } from "./find-agent.ts";

const FLAGS: readonly Flag[] = group("Reservation", [
  acts("role", "string", undefined, "the role", { isRequired: true }),
  acts("resources", "string", undefined, "amounts, as cpus:2;mem:1024", { isRequired: true }),
]);

const DESCRIPTION = [
  "AGENT is an agent's id, the end of its id as S0, or its host name. `allot agents` lists them.",
];

/** Reserves. */
export const RESERVE: Command = {
  name: "reserve",
  summary: "keep resources of an agent for a role",
  synopsis: "AGENT --role=ROLE --resources=cpus:2;mem:1024 [--principal=NAME]",
  description: DESCRIPTION,
  flags: FLAGS,
  wordCount: 1,
  run: (context) =>
    change(context, "reserve", async (agent_id, resources) => {
      const reserve_resources = { agent_id, resources };
      await context.client.call({ type: "RESERVE_RESOURCES", reserve_resources });
    }),
};

/** Undoes it. */
export const UNRESERVE: Command = {
  name: "unreserve",
  summary: "give reserved resources of an agent back to all",
  synopsis: "AGENT --role=ROLE --resources=cpus:2;mem:1024 [--principal=NAME]",
  description: DESCRIPTION,
  flags: FLAGS,
  wordCount: 1,
  run: (context) =>
    change(context, "unreserve", async (agent_id, resources) => {
      const unreserve_resources = { agent_id, resources };
      await context.client.call({ type: "UNRESERVE_RESOURCES", unreserve_resources });
    }),
};

async function change(
  context: CommandContext,
  verb: string,
  act: (agentId: { value: string }, resources: readonly Resource[]) => Promise<void>,
): Promise<number> {
  const { client, console, words } = context;
  const resources = reservedResources(context);
  if (!resources.ok) {
    await console.error(`allot ${verb}: ${resources.error.message}\n`);
    return EXIT_USAGE;
  }
  const agent = await findAgent(client, words[0] ?? "");
  if (!agent.ok) {
    await console.error(`allot ${verb}: ${agent.error.message}\n`);
    return EXIT_FAILED;
  }
  await act({ value: agent.value }, resources.value);
  return EXIT_DONE;
}

function reservedResources({ client, flags }: CommandContext): Result<readonly Resource[]> {
  const parsed = parseResources(flags.string("resources") ?? "", "*");
  if (!parsed.ok) return refuse("invalid", `--resources: ${parsed.error.message}`);
  const principal = principalOf(flags, client.principal);
  const reservation = {
    type: "DYNAMIC",
    role: flags.string("role") ?? "",
    ...(principal !== undefined && { principal }),
  } as const;
  const named = parsed.value.find(({ reservations }) => (reservations ?? []).length > 0);
  if (named !== undefined) {
    return refuse("invalid", `--resources: write ${named.name} without a role; --role names it`);
  }
  return ok(parsed.value.map((resource) => ({ ...resource, reservations: [reservation] })));
}
