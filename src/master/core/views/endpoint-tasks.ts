/**
 * TASK of the endpoints outside v1 as JSON text, and the pages of `/tasks`. Written by hand: half a
 * million of them make one `/state`, and building objects first would take four times as long.
 * Source: reference/http-api.md 9.1, 9.2.
 */
import type { FrameworkId } from "../../../base/ids.ts";
import { quoteJson } from "../../../protocol/json-writer.ts";
import type {
  ContainerID,
  ContainerStatus,
  NetworkInfo,
  NetworkInfoIPAddress,
} from "../../../protocol/v1/types.ts";
import { ResourcesWriter } from "../../../resources/endpoint-text.ts";
import type { FrameworkEntry, KeptStatus, MasterState, TaskEntry } from "../state.ts";
import { type Document, JsonDocument } from "./document.ts";
import { SortedRuns } from "./sorted-runs.ts";
import { TaskGlance } from "./task-glance.ts";
import { allFrameworks } from "./v1.ts";

/** As many as a cluster has agents whose tasks share their networks; a few megabytes. */
const NETWORKS_REMEMBERED_MAX = 50_000;

/** Writes TASKs; remembers what neighbours in a list have in common. */
export class TaskWriter {
  readonly #resources = new ResourcesWriter();
  readonly #statuses = new StatusesWriter();
  #frameworkId: FrameworkId | undefined;
  #frameworkText = "";

  /** TASK. */
  text(task: TaskEntry): string {
    const { name, user, labels, discovery, container, health_check, limits } = task.description;
    const role = task.resources.allocationRole() ?? "*";
    let text =
      `{"id":${quoteJson(task.id)},"name":${quoteJson(name)}` +
      `,"framework_id":${this.#frameworkIdText(task.frameworkId)}` +
      `,"executor_id":${task.executorId === undefined ? '""' : quoteJson(task.executorId)}` +
      `,"slave_id":${quoteJson(task.agentId)},"state":"${task.state}"` +
      `,"resources":${this.#resources.text(task.resources)}`;
    if (limits !== undefined) text += `,"limits":${limitsText(limits)}`;
    text += `,"role":${quoteJson(role)},"statuses":[${this.#statuses.text(task.statuses)}]`;
    if (user !== undefined) text += `,"user":${quoteJson(user)}`;
    if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.labels ?? [])}`;
    if (discovery !== undefined) text += `,"discovery":${JSON.stringify(discovery)}`;
    if (container !== undefined) text += `,"container":${JSON.stringify(container)}`;
    if (health_check !== undefined) text += `,"health_check":${JSON.stringify(health_check)}`;
    return `${text}}`;
  }

  #frameworkIdText(frameworkId: FrameworkId): string {
    if (this.#frameworkId === frameworkId) return this.#frameworkText;
    this.#frameworkId = frameworkId;
    this.#frameworkText = quoteJson(frameworkId);
    return this.#frameworkText;
  }
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
    document.work(
      () => tasksOf(framework),
      (task) => {
        if ((query.taskId ?? task.id) === task.id) runs.add(task);
      },
    );
  }
  document.work(
    () => runs.steps(offset + limit),
    (step) => runs.merge(step),
  );
  const writer = new TaskWriter();
  document.texts(
    "tasks",
    () => runs.slice(offset, limit),
    (task) => writer.text(task),
    new TaskGlance().at,
  );
  return document.end();
}

/** Active, unreachable and completed ones, in a fresh array: filled once, since it may be long. */
export function tasksOf(framework: FrameworkEntry): TaskEntry[] {
  const tasks: TaskEntry[] = [];
  for (const task of framework.tasks.values()) tasks.push(task);
  for (const task of framework.unreachableTasks.values()) tasks.push(task);
  for (const task of framework.completedTasks.items()) tasks.push(task);
  return tasks;
}

function firstSeconds(task: TaskEntry): number {
  return task.statuses[0]?.timestamp ?? 0;
}

/** Writes statuses of tasks, which mostly run in networks that others have written before. */
class StatusesWriter {
  /** Equal ones are one object, see `keptStatus` in kept-messages.ts. */
  readonly #networks = new Map<readonly NetworkInfo[], string>();

  /** Statuses of one place share its description, too. */
  text(statuses: readonly KeptStatus[]): string {
    let text = "";
    let place: ContainerStatus | undefined;
    let placeText = "";
    for (const { state, timestamp, labels, container_status, healthy } of statuses) {
      text += `${text === "" ? "" : ","}{"state":"${state}","timestamp":${timestamp ?? 0}`;
      if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.labels ?? [])}`;
      if (container_status !== undefined) {
        if (container_status !== place) placeText = this.#placeText(container_status);
        place = container_status;
        text += `,"container_status":${placeText}`;
      }
      text += healthy === undefined ? "}" : `,"healthy":${healthy}}`;
    }
    return text;
  }

  #placeText(status: ContainerStatus): string {
    const { container_id, network_infos, cgroup_info } = status;
    let text = "";
    if (container_id !== undefined) text += `,"container_id":${containerIdText(container_id)}`;
    if (network_infos !== undefined) text += this.#networksField(network_infos);
    if (cgroup_info !== undefined) text += `,"cgroup_info":${JSON.stringify(cgroup_info)}`;
    return `{${text.slice(1)}}`;
  }

  #networksField(networks: readonly NetworkInfo[]): string {
    const known = this.#networks.get(networks);
    if (known !== undefined) return known;
    const text = `,"network_infos":[${networksText(networks)}]`;
    if (this.#networks.size < NETWORKS_REMEMBERED_MAX) this.#networks.set(networks, text);
    return text;
  }
}

function containerIdText(id: ContainerID): string {
  return id.parent === undefined ? `{"value":${quoteJson(id.value)}}` : JSON.stringify(id);
}

function networksText(networks: readonly NetworkInfo[]): string {
  let text = "";
  for (const network of networks) {
    text += text === "" ? networkText(network) : `,${networkText(network)}`;
  }
  return text;
}

function networkText(info: NetworkInfo): string {
  const { groups, labels, ip_addresses, name, port_mappings } = info;
  let text = "";
  if (groups !== undefined) text += `,"groups":${JSON.stringify(groups)}`;
  if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.labels ?? [])}`;
  if (ip_addresses !== undefined) text += `,"ip_addresses":[${addressesText(ip_addresses)}]`;
  if (name !== undefined) text += `,"name":${quoteJson(name)}`;
  if (port_mappings !== undefined) text += `,"port_mappings":${JSON.stringify(port_mappings)}`;
  return `{${text.slice(1)}}`;
}

function addressesText(addresses: readonly NetworkInfoIPAddress[]): string {
  let text = "";
  for (const { protocol, ip_address } of addresses) {
    let fields = "";
    if (protocol !== undefined) fields += `,"protocol":"${protocol}"`;
    if (ip_address !== undefined) fields += `,"ip_address":${quoteJson(ip_address)}`;
    text += `${text === "" ? "" : ","}{${fields.slice(1)}}`;
  }
  return text;
}

/** JSON has no infinity; Mesos writes the word. */
function limitsText(limits: Readonly<Record<string, { readonly value: number }>>): string {
  const fields = Object.entries(limits).map(
    ([name, { value }]) =>
      `${quoteJson(name)}:${Number.isFinite(value) ? value : quoteJson("Infinity")}`,
  );
  return `{${fields.join(",")}}`;
}
