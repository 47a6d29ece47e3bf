/**
 * The registry as rows: reads the whole state when the file is opened, and writes the entries that
 * a batch of operations touched.
 */
import { assert } from "../../base/assert.ts";
import type { SqlStatement } from "../../base/ports.ts";
import { SharedValues } from "../../base/shared-values.ts";
import type { Database } from "../../database/database.ts";
import { damaged } from "../../database/identity.ts";
import type { AgentInfo, DrainInfo, MasterInfo } from "../../protocol/v1/types.ts";
import { agentsTouchedBy, registryFaults } from "../core/registry-operations.ts";
import {
  emptyRegistry,
  type RegistryOperation,
  type RegistryState,
} from "../core/registry-state.ts";
import { MASTERS_MAX } from "./limits.ts";
import { parseRow } from "./row-json.ts";
import type { AgentList, RegistrySchema } from "./schema.ts";
import { SettingRows } from "./setting-rows.ts";

/** Tables of one open file. Writing methods are called inside a transaction of the caller. */
export class RegistryRows {
  readonly #database: Database<RegistrySchema>;
  readonly #insertAgent: SqlStatement;
  readonly #updateAgent: SqlStatement;
  readonly #deleteAgent: SqlStatement;
  readonly #deleteAgents: SqlStatement;
  readonly #settings: SettingRows;
  readonly #putMaster: SqlStatement;
  readonly #pruneMasters: SqlStatement;
  #nextPosition: number;

  constructor(database: Database<RegistrySchema>) {
    this.#database = database;
    this.#nextPosition = highestPosition(database) + 1;
    this.#insertAgent = database.prepare(INSERT_AGENT);
    this.#updateAgent = database.prepare(UPDATE_AGENT);
    this.#deleteAgent = database.prepare("DELETE FROM agent WHERE id = ?");
    this.#deleteAgents = database.prepare("DELETE FROM agent");
    this.#settings = new SettingRows(database);
    this.#putMaster = database.prepare(PUT_MASTER);
    this.#pruneMasters = database.prepare(
      `DELETE FROM master WHERE position <= (SELECT max(position) FROM master) - ${MASTERS_MAX}`,
    );
  }

  /** Reads every agent, in the order it entered its list. Throws `DatabaseError` `damaged`. */
  readState(): RegistryState {
    const state = emptyRegistry();
    const query = this.#database.query.selectFrom("agent").selectAll().orderBy("position");
    const shared = new SharedValues();
    for (const row of this.#database.all(query)) this.#file(row, state, shared);
    this.#settings.read(state);
    const [fault] = registryFaults(state);
    if (fault !== undefined) throw damaged(this.#database.path, fault);
    return state;
  }

  /** Reads the recorded masters, newest last. */
  readMasters(): MasterInfo[] {
    const query = this.#database.query.selectFrom("master").selectAll().orderBy("position");
    return this.#database.all(query).map(({ id, info }) => this.#parse(`master ${id}`, info));
  }

  /** Writes the entries that `operations`, already applied to `state`, may have changed. */
  writeTouched(state: RegistryState, operations: readonly RegistryOperation[]): void {
    for (const [agentId, position] of this.#touched(operations)) {
      this.#writeAgent(state, agentId, position);
    }
    this.#settings.writeTouched(state, operations);
  }

  /** This state in place of whatever there is. */
  writeAll(state: RegistryState): void {
    this.#deleteAgents.run([]);
    for (const list of [state.admitted, state.unreachable, state.gone]) {
      this.addAgents(state, list.keys());
    }
    this.replaceSettings(state);
  }

  /** In that order, behind those that are there. */
  addAgents(state: RegistryState, agentIds: Iterable<string>): void {
    for (const agentId of agentIds) this.#writeAgent(state, agentId, this.#nextPosition++);
  }

  /** What operators decided, in place of what is there. */
  replaceSettings(state: RegistryState): void {
    this.#settings.writeAll(state);
  }

  /** Adds a master, or moves it to the end; the oldest ones beyond the limit go. */
  writeMaster(info: MasterInfo): void {
    this.#putMaster.run([info.id, JSON.stringify(info)]);
    this.#pruneMasters.run([]);
  }

  /**
   * Agents to write, each once. A position of undefined means that the agent stays where it is in
   * its list: the maps of the state keep their order in the same cases.
   */
  #touched(operations: readonly RegistryOperation[]): Map<string, number | undefined> {
    const touched = new Map<string, number | undefined>();
    for (const operation of operations) {
      const staysInPlace = KINDS_IN_PLACE.has(operation.kind);
      for (const agentId of agentsTouchedBy(operation)) {
        touched.set(agentId, staysInPlace ? touched.get(agentId) : this.#nextPosition++);
      }
    }
    return touched;
  }

  #writeAgent(state: RegistryState, agentId: string, position: number | undefined): void {
    const entry = entryOf(state, agentId);
    if (entry === undefined) {
      this.#deleteAgent.run([agentId]);
      return;
    }
    const { list, info, sinceMs, isDeactivated, drain } = entry;
    const json = info === undefined ? null : JSON.stringify(info);
    const drainJson = drain === undefined ? null : JSON.stringify(drain);
    const values = [list, json, sinceMs ?? null, isDeactivated ? 1 : 0, drainJson, agentId];
    if (position !== undefined) {
      this.#insertAgent.run([...values, position]);
      return;
    }
    const { changes } = this.#updateAgent.run(values);
    assert(changes === 1, () => `agent ${agentId} is in the registry but not in its file`);
  }

  #file(row: RegistrySchema["agent"], state: RegistryState, shared: SharedValues): void {
    const { id, info, since_ms: sinceMs } = row;
    const isDeactivated = row.is_deactivated === 1;
    if (row.list === "gone") {
      state.gone.set(id, { sinceMs: sinceMs ?? 0 });
      return;
    }
    const agent = this.#parse<AgentInfo>(`agent ${id}`, info ?? "");
    if (agent.id?.value !== id)
      throw damaged(this.#database.path, `the row of agent ${id} names another`);
    const drain =
      row.drain === null ? undefined : this.#parse<DrainInfo>(`draining of ${id}`, row.drain);
    const entry = { info: withShared(agent, shared), isDeactivated, drain };
    if (row.list === "admitted") state.admitted.set(id, entry);
    else state.unreachable.set(id, { ...entry, sinceMs: sinceMs ?? 0 });
  }

  #parse<Message>(what: string, json: string): Message {
    return parseRow(this.#database.path, what, json);
  }
}

/** Agents by the thousand have the same resources and attributes, which are then kept once. */
function withShared(info: AgentInfo, shared: SharedValues): AgentInfo {
  const { hostname, port, resources, attributes, id, domain } = info;
  return {
    hostname,
    port,
    resources: resources && shared.share(resources),
    attributes: attributes && shared.share(attributes),
    id,
    domain: domain && shared.share(domain),
  };
}

/** Pruning names agents that leave their list, or that were in another and stay there. */
const KINDS_IN_PLACE: ReadonlySet<RegistryOperation["kind"]> = new Set([
  "updateAgent",
  "prune",
  "drainAgent",
  "markAgentDrained",
  "deactivateAgent",
  "reactivateAgent",
]);

/** The first six values in the order of `INSERT_AGENT`, so that both take the same list. */
const UPDATE_AGENT = `
  UPDATE agent SET list = ?, info = ?, since_ms = ?, is_deactivated = ?, drain = ? WHERE id = ?`;

const INSERT_AGENT = `
  INSERT INTO agent (list, info, since_ms, is_deactivated, drain, id, position)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET position = excluded.position, list = excluded.list,
    info = excluded.info, since_ms = excluded.since_ms, is_deactivated = excluded.is_deactivated,
    drain = excluded.drain`;

const PUT_MASTER = `
  INSERT INTO master (position, id, info)
  VALUES ((SELECT coalesce(max(position), 0) + 1 FROM master), ?, ?)
  ON CONFLICT (id) DO UPDATE SET position = excluded.position, info = excluded.info`;

interface Entry {
  readonly list: AgentList;
  readonly info?: AgentInfo;
  readonly sinceMs?: number;
  readonly isDeactivated: boolean;
  readonly drain?: DrainInfo | undefined;
}

function entryOf(state: RegistryState, agentId: string): Entry | undefined {
  const admitted = state.admitted.get(agentId);
  if (admitted !== undefined) return { list: "admitted", ...admitted };
  const unreachable = state.unreachable.get(agentId);
  if (unreachable !== undefined) return { list: "unreachable", ...unreachable };
  const gone = state.gone.get(agentId);
  return gone === undefined ? undefined : { list: "gone", ...gone, isDeactivated: false };
}

function highestPosition(database: Database<RegistrySchema>): number {
  const query = database.query
    .selectFrom("agent")
    .select((expression) => expression.fn.max<number | null>("position").as("highest"));
  return database.all(query)[0]?.highest ?? 0;
}
