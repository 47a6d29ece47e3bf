/**
 * A reader of the operators' event stream that knows the cluster from events alone, and says where
 * what it knows differs from what the master knows.
 */
import type { MasterState } from "../../../src/master/core/state.ts";
import { MessageDocument } from "../../../src/master/core/views/document.ts";
import { describeSubscribed } from "../../../src/master/core/views/v1.ts";
import type {
  MasterEvent,
  MasterResponseGetState,
  TaskState,
} from "../../../src/protocol/v1/types.ts";

export class Follower {
  readonly #agents = new Set<string>();
  /** Whether each framework is connected. */
  readonly #frameworks = new Map<string, boolean>();
  /** Newest states, by framework and task. */
  readonly #tasks = new Map<string, TaskState>();

  apply(event: MasterEvent): void {
    const { subscribed, task_added, task_updated, agent_added, agent_removed } = event;
    if (subscribed?.get_state !== undefined) this.#begin(subscribed.get_state);
    if (task_added !== undefined) this.#task(task_added.task);
    if (task_updated !== undefined) {
      const { framework_id, status, state } = task_updated;
      this.#tasks.set(`${framework_id.value}/${status.task_id.value}`, state);
    }
    if (agent_added !== undefined) this.#agents.add(agent_added.agent.agent_info.id?.value ?? "");
    if (agent_removed !== undefined) this.#agents.delete(agent_removed.agent_id.value);
    const changed = event.framework_added ?? event.framework_updated;
    if (changed !== undefined) this.#framework(changed.framework);
    const removed = event.framework_removed?.framework_info.id?.value;
    if (removed !== undefined) this.#frameworks.delete(removed);
  }

  /** One line per difference. */
  differences(state: MasterState): string[] {
    const lines: string[] = [];
    const compare = (what: string, seen: unknown, real: unknown): void => {
      if (seen !== real) lines.push(`${what}: followed ${String(seen)}, is ${String(real)}`);
    };
    compare("agents", [...this.#agents].sort().join(), [...state.agents.keys()].sort().join());
    const frameworks = [...state.frameworks.values()];
    const connections = frameworks.map(({ id, streamId }) => `${id} ${streamId !== undefined}`);
    const followed = [...this.#frameworks].map(([id, isConnected]) => `${id} ${isConnected}`);
    compare("frameworks", followed.sort().join(), connections.sort().join());
    for (const { id, tasks, unreachableTasks } of frameworks) {
      // A framework may use the id of an unreachable task again.
      for (const task of new Map([...unreachableTasks, ...tasks]).values()) {
        compare(`task ${id}/${task.id}`, this.#tasks.get(`${id}/${task.id}`), task.state);
      }
    }
    return lines;
  }

  #begin({ get_tasks, get_frameworks, get_agents }: MasterResponseGetState): void {
    const { tasks = [], unreachable_tasks = [], completed_tasks = [] } = get_tasks ?? {};
    for (const task of [...completed_tasks, ...unreachable_tasks, ...tasks]) this.#task(task);
    for (const framework of get_frameworks?.frameworks ?? []) this.#framework(framework);
    for (const { agent_info: info } of get_agents?.agents ?? []) {
      this.#agents.add(info.id?.value ?? "");
    }
  }

  #task(task: {
    readonly framework_id: { readonly value: string };
    readonly task_id: { readonly value: string };
    readonly state: TaskState;
  }): void {
    this.#tasks.set(`${task.framework_id.value}/${task.task_id.value}`, task.state);
  }

  #framework(framework: {
    readonly framework_info: { readonly id?: { readonly value: string } | undefined };
    readonly connected: boolean;
  }): void {
    this.#frameworks.set(framework.framework_info.id?.value ?? "", framework.connected);
  }
}

/** SUBSCRIBED as it is written at this moment. */
export function snapshotOf(state: MasterState): MasterEvent {
  const event = new MessageDocument<MasterEvent>();
  describeSubscribed(event, state);
  return event.whole();
}
