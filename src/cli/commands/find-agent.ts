/** Finds the one agent that a person names: by its id, the end of its id as `S0`, or its host. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { AgentInfo } from "../../protocol/v1/types.ts";
import type { MasterClient } from "../client/master-client.ts";

/**
 * The agent's id. A name that fits none is taken for an id that only the master knows, as those of
 * unreachable agents. Errors: `conflict` when several fit.
 */
export async function findAgent(client: MasterClient, name: string): Promise<Result<string>> {
  const { get_agents: answer } = await client.call({ type: "GET_AGENTS" });
  const infos = [
    ...(answer?.agents ?? []).map(({ agent_info: info }) => info),
    ...(answer?.recovered_agents ?? []),
  ];
  const ids = infos.filter((info) => isNamed(info, name)).map(({ id }) => id?.value ?? "");
  const [only = name, other] = ids;
  if (other === undefined) return ok(only);
  return refuse(
    "conflict",
    `${ids.length} agents are called ${name}; name one of ${ids.join(", ")}`,
  );
}

function isNamed({ id, hostname }: AgentInfo, name: string): boolean {
  const value = id?.value ?? "";
  return value === name || value.endsWith(`-${name}`) || hostname === name;
}
