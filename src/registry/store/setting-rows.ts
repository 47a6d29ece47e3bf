/** What operators decided (weights, quotas, maintenance) as rows of one table. */
import type { SqlStatement } from "../../base/ports.ts";
import type { Database } from "../../database/database.ts";
import { damaged } from "../../database/identity.ts";
import type { MaintenanceSchedule } from "../../protocol/v1/types.ts";
import { machinesOf } from "../core/maintenance-operations.ts";
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
  readonly #deleteAll: SqlStatement;

  constructor(database: Database<RegistrySchema>) {
    this.#database = database;
    this.#put = database.prepare(
      `INSERT INTO setting (kind, key, value) VALUES (?, ?, ?)
       ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`,
    );
    this.#deleteAll = database.prepare("DELETE FROM setting");
    this.#delete = database.prepare("DELETE FROM setting WHERE kind = ? AND key = ?");
  }

  /** Throws `DatabaseError` `damaged`. */
  read(state: RegistryState): void {
    const query = this.#database.query.selectFrom("setting").selectAll().orderBy("key");
    const down = new Set<string>();
    for (const { kind, key, value } of this.#database.all(query)) {
      const what = `${kind} ${key}`;
      const { path } = this.#database;
      if (kind === "weight") state.weights.set(key, parseRow<number>(path, what, value));
      else if (kind === "quota") state.quotas.set(key, parseRow<Quota>(path, what, value));
      else if (kind === "machine") down.add(key);
      else state.schedule = parseRow<MaintenanceSchedule>(path, what, value);
    }
    this.#readMachines(state, down);
  }

  /** Writes the entries that `operations`, already applied to `state`, may have changed. */
  writeTouched(state: RegistryState, operations: readonly RegistryOperation[]): void {
    for (const touched of operations.flatMap(settingsTouchedBy)) {
      if (touched.kind === "schedule") {
        this.#write("schedule", SCHEDULE_KEY, state.schedule);
        continue;
      }
      const { kind, key } = touched;
      this.#write(kind, key, settingOf(state, kind, key));
    }
  }

  /** These settings in place of whatever there is. */
  writeAll(state: RegistryState): void {
    this.#deleteAll.run([]);
    for (const [role, weight] of state.weights) this.#write("weight", role, weight);
    for (const [role, quota] of state.quotas) this.#write("quota", role, quota);
    for (const key of state.machines.keys()) {
      this.#write("machine", key, settingOf(state, "machine", key));
    }
    this.#write("schedule", SCHEDULE_KEY, state.schedule);
  }

  #readMachines(state: RegistryState, down: ReadonlySet<string>): void {
    for (const [key, machine] of machinesOf(state.schedule, down)) state.machines.set(key, machine);
    for (const key of down) {
      if (state.machines.has(key)) continue;
      const name = key.trim().replace("\n", " ");
      throw damaged(
        this.#database.path,
        `machine ${name} is down and in no window of the schedule`,
      );
    }
  }

  #write(kind: SettingKind, key: string, value: unknown): void {
    if (value === undefined) this.#delete.run([kind, key]);
    else this.#put.run([kind, key, JSON.stringify(value)]);
  }
}

/** A machine has a row of its own only while it is down; that it drains is in the schedule. */
function settingOf(
  state: RegistryState,
  kind: "weight" | "quota" | "machine",
  key: string,
): unknown {
  if (kind === "weight") return state.weights.get(key);
  if (kind === "quota") return state.quotas.get(key);
  return state.machines.get(key)?.mode === "DOWN" ? "DOWN" : undefined;
}
