/**
 * Figures for metrics that would otherwise take a look at every agent or task: kept up to date
 * where things change, and equal to a recount at any time (invariants.ts).
 */
import type { LinkId } from "../../base/ids.ts";
import type { OperationState } from "../../protocol/v1/types.ts";
import type { Bundle } from "../../resources/bundle.ts";

/** What counts of an agent. */
interface Agent {
  readonly linkId: LinkId | undefined;
  readonly isDeactivated: boolean;
  readonly total: Bundle;
}

/** What counts of an operation. */
interface Operation {
  readonly operation: { readonly info: { readonly type?: string | undefined } };
  readonly latest: { readonly state: OperationState };
}

/** Thousandths by scalar name. Ranges and sets are not summed. */
export interface ScalarSums {
  readonly plain: Map<string, number>;
  readonly revocable: Map<string, number>;
}

export interface Tally {
  /** What registered agents have. */
  readonly total: ScalarSums;
  /** What tasks and executors hold; a shared volume counts once for each framework on an agent. */
  readonly used: ScalarSums;
  /** What outstanding offers hold. */
  readonly offered: ScalarSums;
  /** Used and offered by the role it is allocated to, then by name. */
  readonly roles: Map<string, Map<string, number>>;
  connectedAgents: number;
  /** Connected and not deactivated; those on their way out of the registry are among them. */
  willingAgents: number;
  /** Operations by type and newest state, those whose last status is not acknowledged. */
  readonly operations: Map<string, Map<OperationState, number>>;
}

export function emptyTally(): Tally {
  const sums = (): ScalarSums => ({ plain: new Map(), revocable: new Map() });
  return {
    total: sums(),
    used: sums(),
    offered: sums(),
    roles: new Map(),
    connectedAgents: 0,
    willingAgents: 0,
    operations: new Map(),
  };
}

/** A registered agent comes (1) or goes (-1). */
export function tallyAgent(tally: Tally, agent: Agent, by: 1 | -1): void {
  tallyBundle(tally.total, agent.total, by);
  if (agent.linkId === undefined) return;
  tally.connectedAgents += by;
  if (!agent.isDeactivated) tally.willingAgents += by;
}

/** Resources are taken by an offer, a task or an executor (1), or given back (-1). */
export function tallyHeld(
  tally: Tally,
  what: "used" | "offered",
  bundle: Bundle | undefined,
  by: 1 | -1,
): void {
  if (bundle === undefined) return;
  tallyBundle(tally[what], bundle, by);
  bundle.forEach(({ name, type, allocationRole = "*" }, milli) => {
    if (type === "SCALAR") add(rowOf(tally.roles, allocationRole), name, milli * by);
  });
}

function tallyBundle(sums: ScalarSums, bundle: Bundle, by: 1 | -1): void {
  bundle.forEach(({ name, type, isRevocable }, milli) => {
    if (type === "SCALAR") add(isRevocable ? sums.revocable : sums.plain, name, milli * by);
  });
}

/** An operation comes into the state it is in (1), or leaves it (-1). */
export function tallyOperation(tally: Tally, entry: Operation, by: 1 | -1): void {
  const { type = "UNKNOWN" } = entry.operation.info;
  add(rowOf(tally.operations, type), entry.latest.state, by);
}

function rowOf<Column>(table: Map<string, Map<Column, number>>, name: string): Map<Column, number> {
  let row = table.get(name);
  if (row === undefined) {
    row = new Map();
    table.set(name, row);
  }
  return row;
}

/** What has come to nothing is left out, so that roles of the past cost nothing. */
function add<Column>(row: Map<Column, number>, column: Column, by: number): void {
  const sum = (row.get(column) ?? 0) + by;
  if (sum === 0) row.delete(column);
  else row.set(column, sum);
}
