/** The checkpoint as a slow, obvious model: maps by a joined key, in insertion order. */
import type {
  CheckpointedContainer,
  CheckpointedExecutor,
  CheckpointedFramework,
  CheckpointedTask,
  CheckpointedUpdate,
  CheckpointOperation,
  CheckpointState,
} from "../../../src/agent/core/checkpoint-state.ts";
import type { ReportedOperation } from "../../../src/protocol/link-frames.ts";
import type { DrainConfig, Resource } from "../../../src/protocol/v1/types.ts";

const key = (...parts: readonly (string | number)[]): string => JSON.stringify(parts);

/** Answers what a checkpoint that was given the same operations must load. */
export class CheckpointModel {
  #agent: Pick<CheckpointState, "agentInfo" | "bootId"> = {
    agentInfo: undefined,
    bootId: undefined,
  };
  #command: Pick<CheckpointState, "epoch" | "lastCommand"> = { epoch: undefined, lastCommand: 0 };
  readonly #frameworks: Map<string, CheckpointedFramework> = new Map();
  readonly #executors: Map<string, CheckpointedExecutor> = new Map();
  readonly #tasks: Map<string, CheckpointedTask> = new Map();
  readonly #updates: Map<string, CheckpointedUpdate> = new Map();
  readonly #operations: Map<string, ReportedOperation> = new Map();
  readonly #containers: Map<string, CheckpointedContainer> = new Map();
  #resources: readonly Resource[] = [];
  #drain: DrainConfig | undefined;

  /** True when the operation appends an update where one is. */
  isRepeat(operation: CheckpointOperation): boolean {
    if (operation.kind !== "appendUpdate") return false;
    const { frameworkId, taskId, sequence } = operation.update;
    return this.#updates.has(key(frameworkId, taskId, sequence));
  }

  apply(operation: CheckpointOperation): void {
    switch (operation.kind) {
      case "putAgent":
        this.#agent = { agentInfo: operation.agentInfo, bootId: operation.bootId };
        return;
      case "putCommand":
        this.#command = { epoch: operation.epoch, lastCommand: operation.number };
        return;
      case "putFramework":
        this.#frameworks.set(operation.framework.framework.id?.value ?? "", operation.framework);
        return;
      case "removeFramework":
        this.#frameworks.delete(operation.frameworkId);
        return;
      case "putExecutor": {
        const { frameworkId, executorId } = operation.executor;
        this.#executors.set(key(frameworkId, executorId), operation.executor);
        return;
      }
      case "removeExecutor":
        this.#executors.delete(key(operation.frameworkId, operation.executorId));
        return;
      case "putTask":
        this.#tasks.set(key(operation.task.frameworkId, operation.task.taskId), operation.task);
        return;
      case "putStatus": {
        const place = key(operation.status.frameworkId, operation.status.taskId);
        const task = this.#tasks.get(place);
        if (task !== undefined) this.#tasks.set(place, { ...task, ...operation.status });
        return;
      }
      case "removeTask":
        this.#tasks.delete(key(operation.frameworkId, operation.taskId));
        return;
      case "putContainer":
        this.#containers.set(operation.container.containerId, operation.container);
        return;
      case "removeContainer":
        this.#containers.delete(operation.containerId);
        return;
      case "putResources":
        this.#resources = operation.resources;
        return;
      case "putOperation":
        this.#operations.set(operation.operation.operation.uuid, operation.operation);
        return;
      case "removeOperation":
        this.#operations.delete(operation.operationUuid);
        return;
      case "putDrain":
        this.#drain = operation.config;
        return;
      case "appendUpdate": {
        const { frameworkId, taskId, sequence } = operation.update;
        this.#updates.set(key(frameworkId, taskId, sequence), operation.update);
        return;
      }
      case "acknowledgeUpdate": {
        const place = key(operation.frameworkId, operation.taskId, operation.sequence);
        const update = this.#updates.get(place);
        if (update !== undefined) this.#updates.set(place, { ...update, isAcknowledged: true });
        return;
      }
      case "removeUpdate":
        this.#updates.delete(key(operation.frameworkId, operation.taskId, operation.sequence));
        return;
    }
  }

  /** Updates sorted as the checkpoint promises: by sequence within a task. */
  state(): CheckpointState {
    return {
      ...this.#agent,
      ...this.#command,
      frameworks: [...this.#frameworks.values()],
      executors: [...this.#executors.values()],
      tasks: [...this.#tasks.values()],
      containers: [...this.#containers.values()],
      resources: this.#resources,
      operations: [...this.#operations.values()],
      drain: this.#drain,
      updates: byTaskAndSequence([...this.#updates.values()]),
    };
  }
}

/** A fixed order of tasks, so that two lists of updates can be compared. */
export function byTaskAndSequence(updates: readonly CheckpointedUpdate[]): CheckpointedUpdate[] {
  const taskOf = (update: CheckpointedUpdate): string => key(update.frameworkId, update.taskId);
  const tasks = [...new Set(updates.map(taskOf))].sort();
  return tasks.flatMap((task) =>
    updates
      .filter((update) => taskOf(update) === task)
      .sort((left, right) => left.sequence - right.sequence),
  );
}
