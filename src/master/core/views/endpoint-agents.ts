/** SLAVE of the endpoints outside v1, as JSON text. Source: reference/http-api.md 9.2. */
import type { Bundle } from "../../../resources/bundle.ts";
import { ResourcesWriter } from "../../../resources/endpoint-text.ts";
import type { ResourceKind } from "../../../resources/kinds.ts";
import { endpointResources } from "../resource-forms.ts";
import { type AgentEntry, isAgentActive, type MasterState } from "../state.ts";
import { agentInfoJson, capabilityTypes, type Json, objectText } from "./endpoint-json.ts";
import { offeredOn, usedOn } from "./sums.ts";
import { agentPid } from "./v1.ts";

/** An agent as `/state` shows it, with the fields of `more` behind. */
export function agentText(state: MasterState, agent: AgentEntry, more: Json = {}): string {
  const { total, offers, reregisteredMs, drain, drainStartedMs } = agent;
  const used: Bundle[] = [];
  agent.used.forEach((bundle) => {
    used.push(bundle);
  });
  const offered = [...offers].flatMap((id) => state.offers.get(id)?.resources ?? []);
  const isReserved = reservedRoles(total).length > 0;
  const writer = new ResourcesWriter();
  const totalText = writer.text(total);
  const unreservedText = isReserved ? writer.sumText([total], isUnreserved) : totalText;
  return objectText(
    {
      ...agentInfoJson(agent.info),
      pid: agentPid(agent),
      registered_time: agent.registeredMs / 1000,
      ...(reregisteredMs !== undefined && { reregistered_time: reregisteredMs / 1000 }),
      active: isAgentActive(state, agent),
      deactivated: agent.isDeactivated,
      ...(agent.shortage !== undefined && { disk_shortage: agent.shortage }),
      version: agent.version,
      capabilities: capabilityTypes(agent.capabilities),
      ...(drain !== undefined && { drain_info: drain }),
      ...(drainStartedMs !== undefined && {
        estimated_drain_start_time_seconds: drainStartedMs / 1000,
      }),
      ...more,
    },
    {
      resources: totalText,
      used_resources: writer.sumText(used),
      offered_resources: writer.sumText(offered),
      reserved_resources: isReserved ? reservedText(total) : "{}",
      unreserved_resources: unreservedText,
    },
  );
}

/** An agent as `/slaves` shows it: the full resources as well. */
export function agentFullText(state: MasterState, agent: AgentEntry): string {
  const { total } = agent;
  const reserved = reservedRoles(total).map((role) => [
    role,
    endpointResources(partOf(total, role)),
  ]);
  return agentText(state, agent, {
    reserved_resources_full: Object.fromEntries(reserved),
    unreserved_resources_full: endpointResources(total.filter(isUnreserved)),
    used_resources_full: usedOn(agent).flatMap(endpointResources),
    offered_resources_full: offeredOn(state, agent).flatMap(endpointResources),
  });
}

function reservedText(total: Bundle): string {
  const fields = reservedRoles(total).map((role): [string, string] => [
    role,
    new ResourcesWriter().text(partOf(total, role)),
  ]);
  return objectText({}, Object.fromEntries(fields));
}

function partOf(total: Bundle, role: string): Bundle {
  return total.filter((kind) => !isUnreserved(kind) && kind.reservationRole === role);
}

/** Sorted. */
function reservedRoles(total: Bundle): readonly string[] {
  const roles = new Set<string>();
  total.forEach((kind) => {
    if (!isUnreserved(kind)) roles.add(kind.reservationRole);
  });
  return roles.size === 0 ? [] : [...roles].sort();
}

function isUnreserved(kind: ResourceKind): boolean {
  return kind.reservations.length === 0;
}
