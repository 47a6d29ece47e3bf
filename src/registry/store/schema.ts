/**
 * Tables of the registry's file. One row per agent, whichever list it is in: the unique id is what
 * keeps it out of the others.
 */

import { sql } from "kysely";
import type { Migration } from "../../database/migrate.ts";

export type AgentList = "admitted" | "unreachable" | "gone";

export type SettingKind = "weight" | "quota" | "machine" | "schedule";

export interface RegistrySchema {
  readonly agent: {
    /** Order within the list; grows whenever an agent enters one. */
    readonly position: number;
    readonly id: string;
    readonly list: AgentList;
    /** `AgentInfo` as JSON; null when gone. */
    readonly info: string | null;
    /** Wall milliseconds since the epoch; null when admitted. */
    readonly since_ms: number | null;
    readonly is_deactivated: number;
    /** `DrainInfo` as JSON; null when not draining. */
    readonly drain: string | null;
  };
  /** What operators decided: weights and quotas by role, the schedule, machines that are down. */
  readonly setting: {
    readonly kind: SettingKind;
    readonly key: string;
    /** JSON. */
    readonly value: string;
  };
  /** At most one row: how far the log that several masters share is in this file. */
  readonly log_mark: {
    readonly only: number;
    readonly position: number;
    readonly hash: string;
  };
  /** At most one row: which cluster's registry this is. */
  readonly cluster: {
    readonly only: number;
    readonly id: string;
  };
  readonly master: {
    readonly position: number;
    readonly id: string;
    /** `MasterInfo` as JSON. */
    readonly info: string;
  };
}

/** All migrations, oldest first. Released ones never change. */
export const REGISTRY_MIGRATIONS: readonly Migration[] = [
  {
    name: "tables of agents and masters",
    up: async (database) => {
      await database.schema
        .createTable("agent")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("id", "text", (column) => column.notNull().unique())
        .addColumn("list", "text", (column) => column.notNull())
        .addColumn("info", "text")
        .addColumn("since_ms", "real")
        .addColumn("is_deactivated", "integer", (column) => column.notNull())
        .addCheckConstraint("known_list", sql`list IN ('admitted', 'unreachable', 'gone')`)
        .addCheckConstraint("info_unless_gone", sql`(info IS NULL) = (list = 'gone')`)
        .addCheckConstraint("since_unless_admitted", sql`(since_ms IS NULL) = (list = 'admitted')`)
        .modifyEnd(sql`strict`)
        .execute();
      await database.schema
        .createTable("master")
        .addColumn("position", "integer", (column) => column.primaryKey())
        .addColumn("id", "text", (column) => column.notNull().unique())
        .addColumn("info", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
    },
  },
  {
    name: "settings of operators, draining of agents",
    up: async (database) => {
      await database.schema.alterTable("agent").addColumn("drain", "text").execute();
      await database.schema
        .createTable("setting")
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("one_per_key", ["kind", "key"])
        .addCheckConstraint("known_kind", sql`kind IN ('weight', 'quota', 'machine', 'schedule')`)
        .modifyEnd(sql`strict, without rowid`)
        .execute();
    },
  },
  {
    // Which machines drain is told by the schedule, which may name every machine of a cluster.
    name: "rows of machines that are down only",
    up: async (database) => {
      await sql`DELETE FROM setting WHERE kind = 'machine' AND value ->> 'mode' <> 'DOWN'`.execute(
        database,
      );
    },
  },
  {
    name: "mark of the shared log",
    up: async (database) => {
      await database.schema
        .createTable("log_mark")
        .addColumn("only", "integer", (column) => column.primaryKey())
        .addColumn("position", "integer", (column) => column.notNull())
        .addColumn("hash", "text", (column) => column.notNull())
        .addCheckConstraint("only_one", sql`only = 1`)
        .modifyEnd(sql`strict`)
        .execute();
    },
  },
  {
    name: "id of the cluster",
    up: async (database) => {
      await database.schema
        .createTable("cluster")
        .addColumn("only", "integer", (column) => column.primaryKey())
        .addColumn("id", "text", (column) => column.notNull())
        .addCheckConstraint("only_one", sql`only = 1`)
        .modifyEnd(sql`strict`)
        .execute();
    },
  },
];
