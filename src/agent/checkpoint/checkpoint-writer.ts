/**
 * Checkpoint operations as prepared statements. Kysely is left out here: it costs two thirds of the
 * rows per second (stack.md §3).
 */
import { assert, must, unreachable } from "../../base/assert.ts";
import type { SqlStatement, SqlValue } from "../../base/ports.ts";
import type { Database } from "../../database/database.ts";
import type {
  CheckpointedExecutor,
  CheckpointedFramework,
  CheckpointedStatus,
  CheckpointedTask,
  CheckpointedUpdate,
  CheckpointOperation,
} from "../core/checkpoint-state.ts";
import { messageText } from "./message-json.ts";
import type { CheckpointSchema } from "./schema.ts";

/** Writes single operations; the caller holds the transaction. */
export class CheckpointWriter {
  readonly #statements: Readonly<Record<CheckpointOperation["kind"], SqlStatement>>;

  constructor(database: Database<CheckpointSchema>) {
    const prepare = (kind: CheckpointOperation["kind"]): SqlStatement =>
      database.prepare(STATEMENTS[kind]);
    this.#statements = {
      putAgent: prepare("putAgent"),
      putCommand: prepare("putCommand"),
      putFramework: prepare("putFramework"),
      removeFramework: prepare("removeFramework"),
      putExecutor: prepare("putExecutor"),
      removeExecutor: prepare("removeExecutor"),
      putTask: prepare("putTask"),
      putStatus: prepare("putStatus"),
      removeTask: prepare("removeTask"),
      putContainer: prepare("putContainer"),
      removeContainer: prepare("removeContainer"),
      putResources: prepare("putResources"),
      putOperation: prepare("putOperation"),
      removeOperation: prepare("removeOperation"),
      putDrain: prepare("putDrain"),
      appendUpdate: prepare("appendUpdate"),
      acknowledgeUpdate: prepare("acknowledgeUpdate"),
      removeUpdate: prepare("removeUpdate"),
    };
  }

  /** Throws what the engine throws, and `AssertionError` for a framework without an id. */
  write(operation: CheckpointOperation): void {
    const { changes } = this.#statements[operation.kind].run(valuesOf(operation));
    assert(changes <= 1, () => `${operation.kind} changed ${changes} rows of the checkpoint`);
  }
}

/** In each, `ON CONFLICT` rather than `REPLACE`: the row keeps its place in the order. */
const STATEMENTS: Readonly<Record<CheckpointOperation["kind"], string>> = {
  putAgent: `
    INSERT INTO agent (single, info, boot_id) VALUES (1, ?, ?)
    ON CONFLICT (single) DO UPDATE SET info = excluded.info, boot_id = excluded.boot_id`,
  putCommand: `
    INSERT INTO command (single, epoch, number) VALUES (1, ?, ?)
    ON CONFLICT (single) DO UPDATE SET epoch = excluded.epoch, number = excluded.number`,
  putFramework: `
    INSERT INTO framework (framework_id, info) VALUES (?, ?)
    ON CONFLICT (framework_id) DO UPDATE SET info = excluded.info`,
  removeFramework: "DELETE FROM framework WHERE framework_id = ?",
  putExecutor: `
    INSERT INTO executor
      (framework_id, executor_id, container_id, info, is_command_executor, directory, parent_id,
       pending_end)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (framework_id, executor_id) DO UPDATE SET container_id = excluded.container_id,
      info = excluded.info, is_command_executor = excluded.is_command_executor,
      directory = excluded.directory, parent_id = excluded.parent_id,
      pending_end = excluded.pending_end`,
  removeExecutor: "DELETE FROM executor WHERE framework_id = ? AND executor_id = ?",
  putTask: `
    INSERT INTO task
      (framework_id, task_id, executor_id, info, task_group, state, kill_grace_ms, kill_at_ms,
       checked, status)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (framework_id, task_id) DO UPDATE SET executor_id = excluded.executor_id,
      info = excluded.info, task_group = excluded.task_group, state = excluded.state,
      kill_grace_ms = excluded.kill_grace_ms, kill_at_ms = excluded.kill_at_ms,
      checked = excluded.checked, status = excluded.status`,
  putStatus: `
    UPDATE task SET state = ?, checked = ?, status = ?
    WHERE framework_id = ? AND task_id = ?`,
  removeTask: "DELETE FROM task WHERE framework_id = ? AND task_id = ?",
  putContainer: `
    INSERT INTO container (container_id, value) VALUES (?, ?)
    ON CONFLICT (container_id) DO UPDATE SET value = excluded.value`,
  removeContainer: "DELETE FROM container WHERE container_id = ?",
  putResources: `
    INSERT INTO resources (single, resources) VALUES (1, ?)
    ON CONFLICT (single) DO UPDATE SET resources = excluded.resources`,
  putOperation: `
    INSERT INTO operation (uuid, value) VALUES (?, ?)
    ON CONFLICT (uuid) DO UPDATE SET value = excluded.value`,
  removeOperation: "DELETE FROM operation WHERE uuid = ?",
  putDrain: `
    INSERT INTO resources (single, drain) VALUES (1, ?)
    ON CONFLICT (single) DO UPDATE SET drain = excluded.drain`,
  // No `ON CONFLICT`: a second update in one place would replace one nobody has acknowledged.
  appendUpdate: `
    INSERT INTO status_update (framework_id, task_id, sequence, status, is_acknowledged)
    VALUES (?, ?, ?, ?, ?)`,
  acknowledgeUpdate: `
    UPDATE status_update SET is_acknowledged = 1
    WHERE framework_id = ? AND task_id = ? AND sequence = ?`,
  removeUpdate: "DELETE FROM status_update WHERE framework_id = ? AND task_id = ? AND sequence = ?",
};

function valuesOf(operation: CheckpointOperation): readonly SqlValue[] {
  switch (operation.kind) {
    case "putAgent":
      return [JSON.stringify(operation.agentInfo), operation.bootId];
    case "putCommand":
      return [operation.epoch, operation.number];
    case "putFramework":
      return frameworkValues(operation.framework);
    case "removeFramework":
      return [operation.frameworkId];
    case "putExecutor":
      return executorValues(operation.executor);
    case "removeExecutor":
      return [operation.frameworkId, operation.executorId];
    case "putTask":
      return taskValues(operation.task);
    case "putStatus":
      return [
        ...statusValues(operation.status),
        operation.status.frameworkId,
        operation.status.taskId,
      ];
    case "removeTask":
      return [operation.frameworkId, operation.taskId];
    case "putContainer":
      return [operation.container.containerId, messageText(operation.container)];
    case "removeContainer":
      return [operation.containerId];
    case "putResources":
      return [JSON.stringify(operation.resources)];
    case "putOperation":
      return [operation.operation.operation.uuid, JSON.stringify(operation.operation)];
    case "removeOperation":
      return [operation.operationUuid];
    case "putDrain":
      return [operation.config === undefined ? null : JSON.stringify(operation.config)];
    case "appendUpdate":
      return updateValues(operation.update);
    case "acknowledgeUpdate":
    case "removeUpdate":
      return [operation.frameworkId, operation.taskId, operation.sequence];
    default:
      return unreachable(operation, "checkpoint operation");
  }
}

function frameworkValues({ framework }: CheckpointedFramework): readonly SqlValue[] {
  const { value: frameworkId } = must(framework.id, "the id of a checkpointed framework");
  return [frameworkId, JSON.stringify(framework)];
}

function executorValues(executor: CheckpointedExecutor): readonly SqlValue[] {
  return [
    executor.frameworkId,
    executor.executorId,
    executor.containerId,
    messageText(executor.executor),
    executor.isCommandExecutor ? 1 : 0,
    executor.directory,
    executor.parentId ?? null,
    executor.pendingEnd === undefined ? null : JSON.stringify(executor.pendingEnd),
  ];
}

function taskValues(task: CheckpointedTask): readonly SqlValue[] {
  const [state, checked, status] = statusValues(task);
  return [
    task.frameworkId,
    task.taskId,
    task.executorId,
    messageText(task.info),
    task.taskGroup === undefined ? null : messageText(task.taskGroup),
    state,
    task.kill?.graceMs ?? null,
    task.kill?.atMs ?? null,
    checked,
    status,
  ];
}

/** Columns `state`, `checked` and `status`. */
function statusValues({
  state,
  checked,
  status,
}: Omit<CheckpointedStatus, "frameworkId" | "taskId">): readonly [string, SqlValue, SqlValue] {
  return [
    state,
    checked === undefined ? null : JSON.stringify(checked),
    status === undefined ? null : messageText(status),
  ];
}

function updateValues(update: CheckpointedUpdate): readonly SqlValue[] {
  return [
    update.frameworkId,
    update.taskId,
    update.sequence,
    messageText(update.status),
    update.isAcknowledged ? 1 : 0,
  ];
}
