/** The agent's disk as a slow, obvious model: what the SQLite checkpoint promises, in memory. */
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
import type { AgentInfo, DrainConfig, Resource } from "../../../src/protocol/v1/types.ts";

export class MemoryCheckpoint {
  agentInfo: AgentInfo | undefined;
  bootId: string | undefined;
  epoch: string | undefined;
  lastCommand = 0;
  readonly frameworks: Map<string, CheckpointedFramework> = new Map();
  readonly executors: Map<string, CheckpointedExecutor> = new Map();
  readonly tasks: Map<string, CheckpointedTask> = new Map();
  readonly updates: Map<string, CheckpointedUpdate> = new Map();

  readonly containers: Map<string, CheckpointedContainer> = new Map();
  resources: readonly Resource[] = [];
  drain: DrainConfig | undefined;
  readonly operations: Map<string, ReportedOperation> = new Map();

  apply(operations: readonly CheckpointOperation[]): void {
    for (const operation of operations) this.#apply(operation);
  }

  /** Nothing to release: the disk stays when the agent ends. */
  close(): void {
    return;
  }

  load(): CheckpointState {
    return structuredClone({
      agentInfo: this.agentInfo,
      bootId: this.bootId,
      epoch: this.epoch,
      lastCommand: this.lastCommand,
      frameworks: [...this.frameworks.values()],
      executors: [...this.executors.values()],
      tasks: [...this.tasks.values()],
      containers: [...this.containers.values()],
      resources: this.resources,
      drain: this.drain,
      operations: [...this.operations.values()],
      updates: [...this.updates.values()].sort((left, right) => left.sequence - right.sequence),
    });
  }

  #apply(operation: CheckpointOperation): void {
    switch (operation.kind) {
      case "putAgent":
        this.agentInfo = operation.agentInfo;
        this.bootId = operation.bootId;
        break;
      case "putCommand":
        this.epoch = operation.epoch;
        this.lastCommand = operation.number;
        break;
      case "putFramework":
        this.frameworks.set(operation.framework.framework.id?.value ?? "", operation.framework);
        break;
      case "removeFramework":
        this.frameworks.delete(operation.frameworkId);
        break;
      case "putExecutor":
        this.executors.set(
          key(operation.executor, operation.executor.executorId),
          operation.executor,
        );
        break;
      case "removeExecutor":
        this.executors.delete(key(operation, operation.executorId));
        break;
      case "putTask":
        this.tasks.set(key(operation.task, operation.task.taskId), operation.task);
        break;
      case "putStatus": {
        const { status } = operation;
        const place = key(status, status.taskId);
        const task = this.tasks.get(place);
        if (task === undefined) throw new Error(`status of task ${place}, which was never put`);
        this.tasks.set(place, { ...task, ...status });
        break;
      }
      case "removeTask":
        this.tasks.delete(key(operation, operation.taskId));
        break;
      case "putContainer":
        this.containers.set(operation.container.containerId, operation.container);
        break;
      case "removeContainer":
        this.containers.delete(operation.containerId);
        break;
      case "putResources":
        this.resources = operation.resources;
        break;
      case "putOperation":
        this.operations.set(operation.operation.operation.uuid, operation.operation);
        break;
      case "removeOperation":
        this.operations.delete(operation.operationUuid);
        break;
      case "putDrain":
        this.drain = operation.config;
        break;
      case "appendUpdate": {
        const { update } = operation;
        const place = key(update, `${update.taskId}#${update.sequence}`);
        if (this.updates.has(place)) throw new Error(`update ${place} appended twice`);
        this.updates.set(place, update);
        break;
      }
      case "acknowledgeUpdate": {
        const place = key(operation, `${operation.taskId}#${operation.sequence}`);
        const update = this.updates.get(place);
        if (update !== undefined) this.updates.set(place, { ...update, isAcknowledged: true });
        break;
      }
      case "removeUpdate":
        this.updates.delete(key(operation, `${operation.taskId}#${operation.sequence}`));
        break;
    }
  }
}

function key(owner: { readonly frameworkId: string }, id: string): string {
  return `${owner.frameworkId}/${id}`;
}
