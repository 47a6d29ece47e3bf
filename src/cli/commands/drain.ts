/** `allot drain`, `deactivate`, `reactivate` and `gone`: agents that are to take nothing new. */
import { setTimeout as sleep } from "node:timers/promises";
import type { MasterCall } from "../../protocol/v1/types.ts";
import type { MasterClient } from "../client/master-client.ts";
import { acts, group } from "../flags/flag-table.ts";
import {
  type Command,
  type CommandContext,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
} from "./command.ts";
import { findAgent } from "./find-agent.ts";

/** Between two looks at an agent that drains. */
const LOOK_MS = 250;

const AGENT_NAMES = "AGENT is an agent's id, the end of its id as S0, or its host name.";

/** Ends what runs on an agent. */
export const DRAIN: Command = {
  name: "drain",
  summary: "end what runs on an agent and offer it no more",
  synopsis: "AGENT [--grace=5mins] [--mark-gone] [--wait]",
  description: [
    AGENT_NAMES,
    "Its tasks are killed and it is offered to nobody until `allot reactivate`. With --mark-gone it is written off once it is empty, for good.",
  ],
  flags: group("Drain", [
    acts("grace", "duration", undefined, "longest time a task has to end", {
      defaultText: "each task's own kill policy",
    }),
    acts("mark_gone", "boolean", "false", "write the agent off once it is empty"),
    acts("wait", "boolean", "false", "wait until it is drained or gone"),
  ]),
  wordCount: 1,
  run: (context) => withAgent(context, "drain", drainAgent),
};

/** Offers no more of an agent. */
export const DEACTIVATE: Command = {
  name: "deactivate",
  summary: "offer no more of an agent, leave its tasks alone",
  synopsis: "AGENT",
  description: [AGENT_NAMES],
  flags: [],
  wordCount: 1,
  run: (context) =>
    withAgent(context, "deactivate", async (agentId) => {
      const deactivate_agent = { agent_id: { value: agentId } };
      await context.client.call({ type: "DEACTIVATE_AGENT", deactivate_agent });
    }),
};

/** Takes an agent back. */
export const REACTIVATE: Command = {
  name: "reactivate",
  summary: "offer a drained or deactivated agent again",
  synopsis: "AGENT",
  description: [AGENT_NAMES],
  flags: [],
  wordCount: 1,
  run: (context) =>
    withAgent(context, "reactivate", async (agentId) => {
      const reactivate_agent = { agent_id: { value: agentId } };
      await context.client.call({ type: "REACTIVATE_AGENT", reactivate_agent });
    }),
};

/** Writes an agent off. */
export const GONE: Command = {
  name: "gone",
  summary: "write an agent off for good, with all its tasks",
  synopsis: "AGENT --yes",
  description: [
    AGENT_NAMES,
    "For a server that will never come back: its tasks are over for their frameworks, and the agent is told to end should it return. This cannot be undone.",
  ],
  flags: group("Gone", [acts("yes", "boolean", "false", "it is meant")]),
  wordCount: 1,
  run: (context) => {
    if (context.flags.boolean("yes")) return withAgent(context, "gone", writeOff);
    return refuseToWriteOff(context);
  },
};

async function refuseToWriteOff({ console, words }: CommandContext): Promise<number> {
  const remedy = `add --yes, or \`allot drain ${words[0]}\` if it shall come back`;
  await console.error(`allot gone: this cannot be undone; ${remedy}\n`);
  return EXIT_USAGE;
}

async function writeOff(agentId: string, { client }: CommandContext): Promise<void> {
  await client.call({ type: "MARK_AGENT_GONE", mark_agent_gone: { agent_id: { value: agentId } } });
}

async function withAgent(
  context: CommandContext,
  verb: string,
  act: (agentId: string, context: CommandContext) => Promise<void>,
): Promise<number> {
  const found = await findAgent(context.client, context.words[0] ?? "");
  if (!found.ok) {
    await context.console.error(`allot ${verb}: ${found.error.message}\n`);
    return EXIT_FAILED;
  }
  await act(found.value, context);
  return EXIT_DONE;
}

async function drainAgent(agentId: string, { client, flags }: CommandContext): Promise<void> {
  const graceMs = flags.durationMs("grace");
  const call: MasterCall = {
    type: "DRAIN_AGENT",
    drain_agent: {
      agent_id: { value: agentId },
      mark_gone: flags.boolean("mark_gone"),
      ...(graceMs !== undefined && {
        max_grace_period: {
          seconds: Math.floor(graceMs / 1000),
          nanos: Math.round((graceMs % 1000) * 1e6),
        },
      }),
    },
  };
  await client.call(call);
  while (flags.boolean("wait") && (await isDraining(client, agentId))) await sleep(LOOK_MS);
}

/** Also while the agent is away, with whatever runs on it; one that is gone does not drain. */
async function isDraining(client: MasterClient, agentId: string): Promise<boolean> {
  const { get_agents: answer } = await client.call({ type: "GET_AGENTS" });
  const agent = answer?.agents?.find(({ agent_info: info }) => info.id?.value === agentId);
  if (agent !== undefined) return agent.drain_info?.state === "DRAINING";
  return (await client.drainStateOf(agentId)) === "DRAINING";
}
