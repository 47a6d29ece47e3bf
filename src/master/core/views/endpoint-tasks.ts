/**
 * TASK of the endpoints outside v1 as JSON text, and the pages of `/tasks`. Written by hand: half a
 * million of them make one `/state`, and building objects first would take four times as long.
 * Source: reference/http-api.md 9.1, 9.2.
 */
import { quoteJson } from "../../../protocol/json-writer.ts";
import type { ContainerStatus, NetworkInfo, TaskStatus } from "../../../protocol/v1/types.ts";
import { endpointResourcesText } from "../../../resources/endpoint-text.ts";
import type { FrameworkEntry, MasterState, TaskEntry } from "../state.ts";
import { type Document, JsonDocument } from "./document.ts";
import { SortedRuns } from "./sorted-runs.ts";
import { allFrameworks } from "./v1.ts";

/** TASK. */
export function taskText(task: TaskEntry): string {
  const { name, user, labels, discovery, container, health_check, limits } = task.description;
  const role = task.resources.allocationRole() ?? "*";
  let text = `{"id":${quoteJson(task.id)},"name":${quoteJson(name)}`;
  text += `,"framework_id":${quoteJson(task.frameworkId)}`;
  text += `,"executor_id":${quoteJson(task.executorId ?? "")}`;
  text += `,"slave_id":${quoteJson(task.agentId)},"state":"${task.state}"`;
  text += `,"resources":${endpointResourcesText([task.resources])}`;
  if (limits !== undefined) text += `,"limits":${limitsText(limits)}`;
  text += `,"role":${quoteJson(role)},"statuses":[${task.statuses.map(statusText).join(",")}]`;
  if (user !== undefined) text += `,"user":${quoteJson(user)}`;
  if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.labels ?? [])}`;
  if (discovery !== undefined) text += `,"discovery":${JSON.stringify(discovery)}`;
  if (container !== undefined) text += `,"container":${JSON.stringify(container)}`;
  if (health_check !== undefined) text += `,"health_check":${JSON.stringify(health_check)}`;
  return `${text}}`;
}

/** What `/tasks` may be asked for. */
export interface TasksQuery {
  readonly frameworkId: string | undefined;
  readonly taskId: string | undefined;
  readonly limit: number;
  readonly offset: number;
  readonly order: "asc" | "desc";
}

/** `/tasks`: by time of the first status; tasks without any come first in asc, last in desc. */
export function tasksDocument(state: MasterState, query: TasksQuery, jsonp?: string): Document {
  const { order, limit, offset } = query;
  const document = new JsonDocument(jsonp);
  const direction = order === "asc" ? 1 : -1;
  const runs = new SortedRuns<TaskEntry>((task) => direction * firstSeconds(task));
  for (const framework of allFrameworks(state)) {
    if ((query.frameworkId ?? framework.id) !== framework.id) continue;
    document.work(tasksOf(framework), (task) => {
      if ((query.taskId ?? task.id) === task.id) runs.add(task);
    });
  }
  document.work(
    () => runs.steps(offset + limit),
    (step) => runs.merge(step),
  );
  document.texts("tasks", () => runs.slice(offset, limit), taskText);
  return document.end();
}

/** Active, unreachable and completed ones, in a fresh array. */
export function tasksOf(framework: FrameworkEntry): TaskEntry[] {
  return [
    ...framework.tasks.values(),
    ...framework.unreachableTasks.values(),
    ...framework.completedTasks.items(),
  ];
}

function firstSeconds(task: TaskEntry): number {
  return task.statuses[0]?.timestamp ?? 0;
}

function statusText(status: TaskStatus): string {
  const { state, timestamp, labels, container_status, healthy } = status;
  let text = `{"state":"${state}","timestamp":${timestamp ?? 0}`;
  if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.labels ?? [])}`;
  if (container_status !== undefined) {
    text += `,"container_status":${containerStatusText(container_status)}`;
  }
  if (healthy !== undefined) text += `,"healthy":${healthy}`;
  return `${text}}`;
}

function containerStatusText(status: ContainerStatus): string {
  const { container_id, network_infos, cgroup_info } = status;
  const fields: string[] = [];
  if (container_id !== undefined) {
    const isRoot = container_id.parent === undefined;
    const idText = isRoot ? `{"value":${quoteJson(container_id.value)}}` : undefined;
    fields.push(`"container_id":${idText ?? JSON.stringify(container_id)}`);
  }
  if (network_infos !== undefined) {
    fields.push(`"network_infos":[${network_infos.map(networkText).join(",")}]`);
  }
  if (cgroup_info !== undefined) fields.push(`"cgroup_info":${JSON.stringify(cgroup_info)}`);
  return `{${fields.join(",")}}`;
}

function networkText(info: NetworkInfo): string {
  const { groups, labels, ip_addresses, name, port_mappings } = info;
  return JSON.stringify({
    ...(groups !== undefined && { groups }),
    ...(labels !== undefined && { labels: labels.labels ?? [] }),
    ...(ip_addresses !== undefined && { ip_addresses }),
    ...(name !== undefined && { name }),
    ...(port_mappings !== undefined && { port_mappings }),
  });
}

/** JSON has no infinity; Mesos writes the word. */
function limitsText(limits: Readonly<Record<string, { readonly value: number }>>): string {
  const fields = Object.entries(limits).map(
    ([name, { value }]) =>
      `${quoteJson(name)}:${Number.isFinite(value) ? value : quoteJson("Infinity")}`,
  );
  return `{${fields.join(",")}}`;
}
