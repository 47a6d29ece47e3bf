/** Says why a task still waits: no agents, none large enough, or nothing free at the moment. */
import type { Offer, Resource } from "../../protocol/v1/types.ts";
import { formatResources } from "../../resources/format.ts";
import { ClientError } from "../client/client-error.ts";
import type { MasterClient } from "../client/master-client.ts";
import { pickResources } from "./pick-resources.ts";

/** One sentence. `offers` are the last ones that were too small. */
export async function explainWaiting(
  client: MasterClient,
  wanted: readonly Resource[],
  offers: readonly Offer[],
): Promise<string> {
  const want = formatResources(wanted);
  const totals = await agentTotals(client);
  if (totals === undefined) return `waiting for an offer with ${want}`;
  if (totals.length === 0) return `waiting: no agent is registered with ${client.address}`;
  const names = wanted.map((resource) => resource.name);
  const largest = (lists: readonly (readonly Resource[])[]): string =>
    names.map((name) => `${name}:${largestScalar(lists, name)}`).join(";");
  if (!totals.some((total) => pickResources(total, wanted).isEnough)) {
    return `waiting for ${want}, but no agent is that large (the most is ${largest(totals)})`;
  }
  if (offers.length === 0) {
    return `waiting for ${want}: everything is in use or offered to others, see allot tasks`;
  }
  const offered = offers.map((offer) => offer.resources ?? []);
  return `waiting for ${want}: the offers are too small now (the most is ${largest(offered)})`;
}

/** Undefined when the master does not say. */
async function agentTotals(
  client: MasterClient,
): Promise<readonly (readonly Resource[])[] | undefined> {
  try {
    const answer = await client.call({ type: "GET_AGENTS" });
    return answer.get_agents?.agents?.map((agent) => agent.total_resources ?? []) ?? [];
  } catch (error) {
    if (error instanceof ClientError) return undefined;
    throw error;
  }
}

function largestScalar(lists: readonly (readonly Resource[])[], name: string): number {
  const sums = lists.map((resources) =>
    resources
      .filter((resource) => resource.name === name)
      .reduce((sum, resource) => sum + Math.round((resource.scalar?.value ?? 0) * 1000), 0),
  );
  return Math.max(0, ...sums) / 1000;
}
