/** Reads a whole checkpoint back, as the agent does once when it recovers. */
import type { Database } from "../../database/database.ts";
import { damaged } from "../../database/identity.ts";
import type { TaskState } from "../../protocol/v1/types.ts";
import type {
  CheckpointedContainer,
  CheckpointedExecutor,
  CheckpointedFramework,
  CheckpointedTask,
  CheckpointedUpdate,
  CheckpointState,
} from "../core/checkpoint-state.ts";
import { messageOf } from "./message-json.ts";
import type { CheckpointSchema } from "./schema.ts";

/** Order and errors as `Checkpoint.load` promises. */
export function readCheckpoint(database: Database<CheckpointSchema>): CheckpointState {
  const parse: ParseColumn = <Message>(what: string, json: string) => {
    try {
      return messageOf(json) as Message;
    } catch (error) {
      throw damaged(database.path, `the row of ${what} is not JSON`, error);
    }
  };
  const [agent] = database.all(database.query.selectFrom("agent").selectAll());
  const [command] = database.all(database.query.selectFrom("command").selectAll());
  const [held] = database.all(database.query.selectFrom("resources").selectAll());
  const operations = database.query.selectFrom("operation").selectAll().orderBy("position");
  return {
    resources: held === undefined ? [] : parse("the resources", held.resources),
    drain: held === undefined || held.drain === null ? undefined : parse("draining", held.drain),
    operations: database
      .all(operations)
      .map(({ uuid, value }) => parse(`operation ${uuid}`, value)),
    containers: readContainers(database, parse),
    agentInfo: agent === undefined ? undefined : parse("the agent", agent.info),
    bootId: agent?.boot_id,
    epoch: command?.epoch,
    lastCommand: command?.number ?? 0,
    frameworks: readFrameworks(database, parse),
    executors: readExecutors(database, parse),
    tasks: readTasks(database, parse),
    updates: readUpdates(database, parse),
  };
}

/** Parses one column; the message types are those that were written. */
type ParseColumn = <Message>(what: string, json: string) => Message;

function readFrameworks(
  database: Database<CheckpointSchema>,
  parse: ParseColumn,
): CheckpointedFramework[] {
  const query = database.query.selectFrom("framework").selectAll().orderBy("position");
  return database
    .all(query)
    .map((row) => ({ framework: parse(`framework ${row.framework_id}`, row.info) }));
}

function readExecutors(
  database: Database<CheckpointSchema>,
  parse: ParseColumn,
): CheckpointedExecutor[] {
  const query = database.query.selectFrom("executor").selectAll().orderBy("position");
  return database.all(query).map((row) => {
    const what = `executor ${row.executor_id} of framework ${row.framework_id}`;
    return {
      frameworkId: row.framework_id,
      executorId: row.executor_id,
      containerId: row.container_id,
      executor: parse(what, row.info),
      isCommandExecutor: row.is_command_executor === 1,
      directory: row.directory,
      parentId: row.parent_id ?? undefined,
      pendingEnd: row.pending_end === null ? undefined : parse(what, row.pending_end),
    };
  });
}

/** What is left out in JSON is undefined again. */
function readContainers(
  database: Database<CheckpointSchema>,
  parse: ParseColumn,
): CheckpointedContainer[] {
  const query = database.query.selectFrom("container").selectAll().orderBy("position");
  return database
    .all(query)
    .map((row) => parse<CheckpointedContainer>(`container ${row.container_id}`, row.value));
}

function readTasks(database: Database<CheckpointSchema>, parse: ParseColumn): CheckpointedTask[] {
  const query = database.query.selectFrom("task").selectAll().orderBy("position");
  return database.all(query).map((row) => {
    const what = `task ${row.task_id} of framework ${row.framework_id}`;
    const { kill_grace_ms: graceMs, kill_at_ms: atMs } = row;
    return {
      frameworkId: row.framework_id,
      taskId: row.task_id,
      executorId: row.executor_id,
      info: parse(what, row.info),
      taskGroup: row.task_group === null ? undefined : parse(what, row.task_group),
      state: row.state as TaskState,
      kill: graceMs === null || atMs === null ? undefined : { graceMs, atMs },
      checked: row.checked === null ? undefined : parse(what, row.checked),
      status: row.status === null ? undefined : parse(what, row.status),
    };
  });
}

function readUpdates(
  database: Database<CheckpointSchema>,
  parse: ParseColumn,
): CheckpointedUpdate[] {
  const query = database.query
    .selectFrom("status_update")
    .selectAll()
    .orderBy("framework_id")
    .orderBy("task_id")
    .orderBy("sequence");
  return database.all(query).map((row) => ({
    frameworkId: row.framework_id,
    taskId: row.task_id,
    sequence: row.sequence,
    status: parse(`an update of task ${row.task_id}`, row.status),
    isAcknowledged: row.is_acknowledged === 1,
  }));
}
