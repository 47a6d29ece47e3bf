/**
 * Tables of the agent's checkpoint. Messages are JSON in one column; what is looked up or changes
 * alone has its own.
 */
import { type Generated, sql } from "kysely";
import type { Migration } from "../../database/migrate.ts";

export interface CheckpointSchema {
  /** At most one row. */
  readonly agent: {
    readonly single: number;
    readonly info: string;
    readonly boot_id: string;
  };
  /** At most one row: the newest command obeyed. */
  readonly command: {
    readonly single: number;
    readonly epoch: string;
    readonly number: number;
  };
  readonly framework: {
    /** Given by SQLite: the order of first insertion. */
    readonly position: Generated<number>;
    readonly framework_id: string;
    readonly info: string;
  };
  readonly executor: {
    /** Given by SQLite: the order of first insertion. */
    readonly position: Generated<number>;
    readonly framework_id: string;
    readonly executor_id: string;
    readonly container_id: string;
    readonly info: string;
    readonly is_command_executor: number;
    readonly directory: string;
    readonly parent_id: string | null;
    /** JSON of why it is being destroyed; null for one that is not. */
    readonly pending_end: string | null;
  };
  /** Launched by calls of the operator API. */
  readonly container: {
    /** Given by SQLite: the order of first insertion. */
    readonly position: Generated<number>;
    readonly container_id: string;
    /** `CheckpointedContainer` as JSON. */
    readonly value: string;
  };
  readonly task: {
    /** Given by SQLite: the order of first insertion. */
    readonly position: Generated<number>;
    readonly framework_id: string;
    readonly task_id: string;
    readonly executor_id: string;
    readonly info: string;
    readonly task_group: string | null;
    readonly state: string;
    /** Both null until a kill was asked for. */
    readonly kill_grace_ms: number | null;
    readonly kill_at_ms: number | null;
    /** JSON of what its checks have found; null before they have. */
    readonly checked: string | null;
    /** JSON of its newest status; null before there is one. */
    readonly status: string | null;
  };
  /** At most one row: reservations and volumes, and the order to drain. */
  readonly resources: {
    readonly single: number;
    readonly resources: string;
    readonly drain: string | null;
  };
  /** Operations whose status is not acknowledged. */
  readonly operation: {
    /** Given by SQLite: the order of first insertion. */
    readonly position: Generated<number>;
    readonly uuid: string;
    /** `ReportedOperation` as JSON. */
    readonly value: string;
  };
  /** Called so because `update` is a word of SQL. */
  readonly status_update: {
    readonly framework_id: string;
    readonly task_id: string;
    readonly sequence: number;
    readonly status: string;
    readonly is_acknowledged: Generated<number>;
  };
}

/** All migrations, oldest first. Released ones never change. */
export const CHECKPOINT_MIGRATIONS: readonly Migration[] = [
  {
    name: "tables of agent, frameworks, executors, tasks and updates",
    up: async (database) => {
      await database.schema
        .createTable("agent")
        .addColumn("single", "integer", (column) => column.primaryKey().check(sql`single = 1`))
        .addColumn("info", "text", (column) => column.notNull())
        .addColumn("boot_id", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("command")
        .addColumn("single", "integer", (column) => column.primaryKey().check(sql`single = 1`))
        .addColumn("epoch", "text", (column) => column.notNull())
        .addColumn("number", "integer", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("framework")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("framework_id", "text", (column) => column.notNull().unique())
        .addColumn("info", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("executor")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("framework_id", "text", (column) => column.notNull())
        .addColumn("executor_id", "text", (column) => column.notNull())
        .addColumn("container_id", "text", (column) => column.notNull())
        .addColumn("info", "text", (column) => column.notNull())
        .addColumn("is_command_executor", "integer", (column) => column.notNull())
        .addColumn("directory", "text", (column) => column.notNull())
        .addUniqueConstraint("executor_key", ["framework_id", "executor_id"])
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("task")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("framework_id", "text", (column) => column.notNull())
        .addColumn("task_id", "text", (column) => column.notNull())
        .addColumn("executor_id", "text", (column) => column.notNull())
        .addColumn("info", "text", (column) => column.notNull())
        .addColumn("task_group", "text")
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("kill_grace_ms", "real")
        .addColumn("kill_at_ms", "real")
        .addUniqueConstraint("task_key", ["framework_id", "task_id"])
        .addCheckConstraint("whole_kill", sql`(kill_grace_ms IS NULL) = (kill_at_ms IS NULL)`)
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("status_update")
        .addColumn("framework_id", "text", (column) => column.notNull())
        .addColumn("task_id", "text", (column) => column.notNull())
        .addColumn("sequence", "integer", (column) => column.notNull())
        .addColumn("status", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("status_update_key", ["framework_id", "task_id", "sequence"])
        .modifyEnd(sql`strict, without rowid`)
        .execute();
    },
  },
  {
    name: "reservations, volumes, operations and draining",
    up: async (database) => {
      await database.schema
        .createTable("resources")
        .addColumn("single", "integer", (column) => column.primaryKey().check(sql`single = 1`))
        .addColumn("resources", "text", (column) => column.notNull().defaultTo("[]"))
        .addColumn("drain", "text")
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("operation")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("uuid", "text", (column) => column.notNull().unique())
        .addColumn("value", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
    },
  },
  {
    name: "updates that are acknowledged",
    up: async (database) => {
      await database.schema
        .alterTable("status_update")
        .addColumn("is_acknowledged", "integer", (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
  {
    name: "containers launched by calls, and what executors are nested in",
    up: async (database) => {
      await database.schema
        .createTable("container")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("container_id", "text", (column) => column.notNull().unique())
        .addColumn("value", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema.alterTable("executor").addColumn("parent_id", "text").execute();
    },
  },
  {
    name: "what checks of tasks have found",
    up: async (database) => {
      await database.schema.alterTable("task").addColumn("checked", "text").execute();
    },
  },
  {
    name: "why executors are being destroyed",
    up: async (database) => {
      await database.schema.alterTable("executor").addColumn("pending_end", "text").execute();
    },
  },
  {
    name: "newest statuses of tasks",
    up: async (database) => {
      await database.schema.alterTable("task").addColumn("status", "text").execute();
    },
  },
];
