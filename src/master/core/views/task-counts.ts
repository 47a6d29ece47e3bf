/** Tasks by state, per agent and per framework, for `/state-summary`. Source: http-api 9.2. */
import type { TaskState } from "../../../protocol/v1/types.ts";
import type { TaskEntry } from "../state.ts";
import type { Json } from "./endpoint-json.ts";

/** States that the summary counts (not DROPPED, GONE, GONE_BY_OPERATOR, UNKNOWN). */
const COUNTED: readonly TaskState[] = [
  "TASK_STAGING",
  "TASK_STARTING",
  "TASK_RUNNING",
  "TASK_KILLING",
  "TASK_FINISHED",
  "TASK_KILLED",
  "TASK_FAILED",
  "TASK_LOST",
  "TASK_ERROR",
  "TASK_UNREACHABLE",
];

interface Count {
  readonly byState: Map<TaskState, number>;
  /** Frameworks of an agent, agents of a framework. */
  readonly peers: Set<string>;
}

/** Fed task by task. */
export class TaskCounts {
  readonly #counts = new Map<string, Count>();

  add(task: TaskEntry): void {
    this.#count(task.frameworkId, task.agentId, task.state);
    this.#count(task.agentId, task.frameworkId, task.state);
  }

  /** The counts of an agent or a framework. */
  byState(id: string): Json {
    const count = this.#counts.get(id);
    return Object.fromEntries(COUNTED.map((name) => [name, count?.byState.get(name) ?? 0]));
  }

  /** Ids of the frameworks on an agent, or of the agents of a framework. */
  peers(id: string): readonly string[] {
    return [...(this.#counts.get(id)?.peers ?? [])];
  }

  #count(id: string, peer: string, taskState: TaskState): void {
    let count = this.#counts.get(id);
    if (count === undefined) {
      count = { byState: new Map(), peers: new Set() };
      this.#counts.set(id, count);
    }
    count.byState.set(taskState, (count.byState.get(taskState) ?? 0) + 1);
    count.peers.add(peer);
  }
}
