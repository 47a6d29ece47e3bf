/** What operators decided (weights, quotas, maintenance) as rows of one table. */
import type { SqlStatement } from "../../base/ports.ts";
import type { Database } from "../../database/database.ts";
import type { MachineInfo, MaintenanceSchedule } from "../../protocol/v1/types.ts";
import { settingsTouchedBy } from "../core/registry-operations.ts";
import type { Quota, RegistryOperation, RegistryState } from "../core/registry-state.ts";
import { parseRow } from "./row-json.ts";
import type { RegistrySchema, SettingKind } from "./schema.ts";

/** Key of the one row that holds the schedule. */
const SCHEDULE_KEY = "";

/** Writing methods are called inside a transaction of the caller. */
export class SettingRows {
  readonly #database: Database<RegistrySchema>;
  readonly #put: SqlStatement;
  readonly #delete: SqlStatement;
  readonly #clear: SqlStatement;

  constructor(database: Database<RegistrySchema>) {
    this.#database = database;
    this.#put = database.prepare(
      `INSERT INTO setting (kind, key, value) VALUES (?, ?, ?)
       ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`,
    );
    this.#delete = database.prepare("DELETE FROM setting WHERE kind = ? AND key = ?");
    this.#clear = database.prepare("DELETE FROM setting WHERE kind = ?");
  }

  /** Throws `DatabaseError` `damaged`. */
  read(state: RegistryState): void {
    const query = this.#database.query.selectFrom("setting").selectAll().orderBy("key");
    for (const { kind, key, value } of this.#database.all(query)) {
      const what = `${kind} ${key}`;
      const { path } = this.#database;
      if (kind === "weight") state.weights.set(key, parseRow<number>(path, what, value));
      else if (kind === "quota") state.quotas.set(key, parseRow<Quota>(path, what, value));
      else if (kind === "machine") {
        state.machines.set(key, parseRow<MachineInfo>(path, what, value));
      } else state.schedule = parseRow<MaintenanceSchedule>(path, what, value);
    }
  }

  /** Writes the entries that `operations`, already applied to `state`, may have changed. */
  writeTouched(state: RegistryState, operations: readonly RegistryOperation[]): void {
    for (const touched of operations.flatMap(settingsTouchedBy)) {
      if (touched.kind === "maintenance") {
        this.#writeMaintenance(state);
        continue;
      }
      const { kind, key } = touched;
      this.#write(kind, key, kind === "weight" ? state.weights.get(key) : state.quotas.get(key));
    }
  }

  #writeMaintenance(state: RegistryState): void {
    this.#clear.run(["machine"]);
    for (const [key, machine] of state.machines) this.#write("machine", key, machine);
    this.#write("schedule", SCHEDULE_KEY, state.schedule);
  }

  #write(kind: SettingKind, key: string, value: unknown): void {
    if (value === undefined) this.#delete.run([kind, key]);
    else this.#put.run([kind, key, JSON.stringify(value)]);
  }
}
