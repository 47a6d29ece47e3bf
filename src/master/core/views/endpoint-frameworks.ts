/** FW and FWSUM of the endpoints outside v1. Source: reference/http-api.md 9.2. */
import { type FrameworkEntry, isMultiRole, type MasterState, type TaskEntry } from "../state.ts";
import type { JsonDocument } from "./document.ts";
import {
  capabilityTypes,
  executorJson,
  type Json,
  offerJson,
  resourcesJson,
} from "./endpoint-json.ts";
import { TaskWriter } from "./endpoint-tasks.ts";
import { type Holdings, offeredTo } from "./sums.ts";
import { TaskGlance } from "./task-glance.ts";

/** All frameworks with their tasks, as two lists. `holdings` is complete when they are written. */
export function addFrameworks(
  document: JsonDocument,
  state: MasterState,
  holdings: Holdings,
  frameworkId?: string,
): void {
  const isWanted = ({ id }: FrameworkEntry): boolean => (frameworkId ?? id) === id;
  const add = (inner: JsonDocument, framework: FrameworkEntry): void =>
    addFramework(inner, state, framework, holdings);
  const active = [...state.frameworks.values()].filter(isWanted);
  const completed = [...state.completedFrameworks.values()].filter(isWanted);
  document.objects("frameworks", active, add);
  document.objects("completed_frameworks", completed, add);
}

/** FWSUM. */
export function frameworkSummary(
  state: MasterState,
  framework: FrameworkEntry,
  holdings: Holdings,
): Json {
  const { info } = framework;
  const isConnected = framework.streamId !== undefined;
  return {
    id: framework.id,
    name: info.name,
    used_resources: resourcesJson(holdings.usedBy(framework)),
    offered_resources: resourcesJson(offeredTo(state, framework)),
    capabilities: capabilityTypes(info.capabilities),
    hostname: info.hostname ?? "",
    webui_url: info.webui_url ?? "",
    active: isConnected,
    connected: isConnected,
    recovered: framework.isRecovered,
  };
}

function addFramework(
  document: JsonDocument,
  state: MasterState,
  framework: FrameworkEntry,
  holdings: Holdings,
): void {
  const { info } = framework;
  const writer = new TaskWriter();
  const taskText = (task: TaskEntry): string => writer.text(task);
  const { at } = new TaskGlance();
  const offers = [...framework.offers].flatMap((id) => state.offers.get(id) ?? []);
  document.fields(() => frameworkHead(state, framework, holdings));
  document.texts("tasks", [...framework.tasks.values()], taskText, at);
  document.texts("unreachable_tasks", [...framework.unreachableTasks.values()], taskText, at);
  document.texts("completed_tasks", framework.completedTasks.items(), taskText, at);
  document.texts("offers", offers, (offer) => JSON.stringify(offerJson(offer)));
  document.texts(
    "executors",
    () => holdings.executorsOf(framework),
    (executor) => JSON.stringify({ ...executorJson(executor), slave_id: executor.agentId }),
  );
  document.fields(() => ({
    ...(info.labels !== undefined && { labels: info.labels.labels ?? [] }),
    offer_constraints: framework.offerConstraints ?? {},
  }));
}

function frameworkHead(state: MasterState, framework: FrameworkEntry, holdings: Holdings): Json {
  const { info, reregisteredMs, unregisteredMs, roles } = framework;
  const held = [...holdings.usedBy(framework), ...offeredTo(state, framework)];
  return {
    ...frameworkSummary(state, framework, holdings),
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    registered_time: framework.registeredMs / 1000,
    unregistered_time: (unregisteredMs ?? 0) / 1000,
    ...(info.principal !== undefined && { principal: info.principal }),
    resources: resourcesJson(held),
    ...(reregisteredMs !== undefined && { reregistered_time: reregisteredMs / 1000 }),
    ...(isMultiRole(framework) ? { roles } : { role: roles[0] ?? "*" }),
  };
}
