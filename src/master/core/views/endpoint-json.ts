/**
 * Building blocks of the JSON endpoints: resources as a flat object, tasks, executors, offers.
 * Source: reference/http-api.md 9.1.
 */
import { toEndpointCommand } from "../../../protocol/endpoint-command.ts";
import type {
  AgentInfo,
  ContainerStatus,
  NetworkInfo,
  TaskStatus,
} from "../../../protocol/v1/types.ts";
import { toEndpointAttributes } from "../../../resources/attributes.ts";
import type { Bundle } from "../../../resources/bundle.ts";
import { toEndpointResources } from "../../../resources/format.ts";
import type { ExecutorEntry, OfferEntry, TaskEntry } from "../state.ts";

/** A JSON object as these endpoints write it. */
export type Json = Readonly<Record<string, unknown>>;

/** RESOURCES: the four common scalars always, everything else by name. */
export function resourcesJson(bundles: readonly Bundle[]): Json {
  return toEndpointResources(bundles.flatMap((bundle) => bundle.toResources()));
}

/** SLAVEINFO. */
export function agentInfoJson(info: AgentInfo): Json {
  return {
    id: info.id?.value ?? "",
    hostname: info.hostname,
    port: info.port ?? 0,
    attributes: toEndpointAttributes(info.attributes ?? []),
    ...(info.domain !== undefined && { domain: info.domain }),
  };
}

/** CAPABILITIES: names only. */
export function capabilityTypes(
  capabilities: readonly { readonly type?: string | undefined }[] | undefined,
): string[] {
  return (capabilities ?? []).flatMap(({ type }) => type ?? []);
}

/** TASK. */
export function taskJson(task: TaskEntry): Json {
  const { description } = task;
  const { user, labels, discovery, container, health_check, limits } = description;
  const role = task.resources.allocationRoles()[0] ?? "*";
  return {
    id: task.id,
    name: description.name,
    framework_id: task.frameworkId,
    executor_id: task.executorId ?? "",
    slave_id: task.agentId,
    state: task.state,
    resources: resourcesJson([task.resources]),
    ...(limits !== undefined && { limits: limitsJson(limits) }),
    role,
    statuses: task.statuses.map(statusJson),
    ...(user !== undefined && { user }),
    ...(labels !== undefined && { labels: labels.labels ?? [] }),
    ...(discovery !== undefined && { discovery }),
    ...(container !== undefined && { container }),
    ...(health_check !== undefined && { health_check }),
  };
}

/** EXECUTOR. */
export function executorJson(executor: ExecutorEntry): Json {
  const { info } = executor;
  return {
    executor_id: executor.id,
    name: info.name ?? "",
    framework_id: executor.frameworkId,
    command: toEndpointCommand(info.command),
    resources: resourcesJson([executor.resources]),
    role: executor.resources.allocationRoles()[0] ?? "*",
    ...(info.labels !== undefined && { labels: info.labels.labels ?? [] }),
    ...(info.type !== undefined && { type: info.type }),
  };
}

/** OFFER. */
export function offerJson(offer: OfferEntry): Json {
  return {
    id: offer.id,
    framework_id: offer.frameworkId,
    allocation_info: { role: offer.role },
    slave_id: offer.agentId,
    resources: resourcesJson([offer.resources]),
  };
}

function statusJson(status: TaskStatus): Json {
  const { state, timestamp, labels, container_status, healthy } = status;
  return {
    state,
    timestamp: timestamp ?? 0,
    ...(labels !== undefined && { labels: labels.labels ?? [] }),
    ...(container_status !== undefined && {
      container_status: containerStatusJson(container_status),
    }),
    ...(healthy !== undefined && { healthy }),
  };
}

function containerStatusJson(status: ContainerStatus): Json {
  const { container_id, network_infos, cgroup_info } = status;
  return {
    ...(container_id !== undefined && { container_id }),
    ...(network_infos !== undefined && {
      network_infos: network_infos.map(networkJson),
    }),
    ...(cgroup_info !== undefined && { cgroup_info }),
  };
}

function networkJson(info: NetworkInfo): Json {
  const { groups, labels, ip_addresses, name, port_mappings } = info;
  return {
    ...(groups !== undefined && { groups }),
    ...(labels !== undefined && { labels: labels.labels ?? [] }),
    ...(ip_addresses !== undefined && { ip_addresses }),
    ...(name !== undefined && { name }),
    ...(port_mappings !== undefined && { port_mappings }),
  };
}

function limitsJson(limits: Readonly<Record<string, { readonly value: number }>>): Json {
  return Object.fromEntries(
    Object.entries(limits).map(([name, { value }]) => [
      name,
      // JSON has no infinity; Mesos writes the word.
      Number.isFinite(value) ? value : "Infinity",
    ]),
  );
}
