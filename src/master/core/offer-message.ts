/** Offers as frameworks and operators read them. Source: semantics 4.7. */
import type { ExecutorID, Offer, URL } from "../../protocol/v1/types.ts";
import { resourcesForFramework } from "./resource-forms.ts";
import { type AgentEntry, type FrameworkEntry, isMultiRole, type OfferEntry } from "./state.ts";

/** Port of an agent that names none (`AgentInfo.port` default in mesos.proto). */
const AGENT_PORT_DEFAULT = 5051;

/** The offer, with agent and framework as they are now. */
export function offerMessage(
  framework: FrameworkEntry,
  agent: AgentEntry,
  offer: OfferEntry,
): Offer {
  const { hostname, attributes, domain } = agent.info;
  const resources = resourcesForFramework(framework, offer.resources).filter(
    (resource) => resource.name !== "ephemeral_ports",
  );
  return {
    id: { value: offer.id },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    hostname,
    url: agentUrl(agent),
    ...(domain !== undefined && { domain }),
    resources,
    attributes: attributes ?? [],
    executor_ids: executorIds(framework, agent),
    ...(agent.unavailability !== undefined && { unavailability: agent.unavailability }),
    ...(isMultiRole(framework) && { allocation_info: { role: offer.role } }),
  };
}

/** Where the agent's own API is. */
export function agentUrl({ info, remoteIp }: AgentEntry): URL {
  const address = { hostname: info.hostname, ip: remoteIp, port: info.port ?? AGENT_PORT_DEFAULT };
  return { scheme: "http", address, path: "/slave(1)" };
}

function executorIds(framework: FrameworkEntry, agent: AgentEntry): ExecutorID[] {
  const ids: ExecutorID[] = [];
  for (const executor of agent.executors.values()) {
    if (executor.frameworkId === framework.id) ids.push({ value: executor.id });
  }
  return ids;
}
