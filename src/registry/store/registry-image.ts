/** A whole registry as plain data: of a file, or of the log that several masters share. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import { applyOperation, registryFaults } from "../core/registry-operations.ts";
import { copyRegistry, emptyRegistry, type RegistryState } from "../core/registry-state.ts";
import { isSameMessage } from "../core/same-message.ts";
import { decodeEntry, decodeSnapshot } from "./log-entries.ts";
import type { LogMark, RegistryFile } from "./registry-file.ts";
import type { LogContent } from "./shared-log.ts";

export interface RegistryImage {
  /** Undefined for one that was never that of any cluster. */
  readonly cluster: string | undefined;
  /** Position 0 for a master without others. */
  readonly mark: LogMark;
  readonly state: RegistryState;
  /** Who took office, newest last; of a log those since its snapshot. */
  readonly masters: readonly MasterInfo[];
}

/** What a file holds while no batch is under way; it stays as it is. */
export function imageOf(file: RegistryFile): RegistryImage {
  const { cluster, mark, state } = file;
  return { cluster, mark, state: copyRegistry(state), masters: file.masters() };
}

/** What a log holds, and from where on. */
export interface ReplayedLog extends RegistryImage {
  /** Of the snapshot that it begins with; 0: it has all its entries. */
  readonly snapshotPosition: number;
}

/**
 * The registry that a log holds, read from its beginning. Errors: `notFound`, it is empty; `invalid` or
 * `conflict`, naming the entry that cannot be read, does not follow or does not apply.
 */
export function replayLog({ snapshot, entries }: LogContent): Result<ReplayedLog> {
  if (snapshot === undefined && entries.length === 0) return refuse("notFound", "the log is empty");
  let state = emptyRegistry();
  let mark: LogMark = { position: 0, hash: "" };
  let cluster: string | undefined;
  if (snapshot !== undefined) {
    const decoded = decodeSnapshot(snapshot);
    if (!decoded.ok) return decoded;
    ({ state, mark, cluster } = decoded.value);
  }
  const snapshotPosition = mark.position;
  const masters: MasterInfo[] = [];
  for (const { position, bytes } of entries) {
    if (position <= mark.position) continue;
    if (position !== mark.position + 1) {
      return refuse("conflict", `entry ${mark.position + 1} of the registry's log is missing`);
    }
    const entry = decodeEntry(mark, bytes);
    if (!entry.ok) return entry;
    for (const operation of entry.value.operations) {
      const applied = applyOperation(state, operation);
      if (applied.ok) continue;
      const what = `entry ${position} of the registry's log does not apply`;
      return refuse("conflict", `${what}: ${applied.error.message}`);
    }
    masters.push(...entry.value.masters);
    ({ mark } = entry.value);
  }
  return ok({ cluster, mark, state, masters, snapshotPosition });
}

/** What contradicts itself in a registry that can be read; empty when nothing does. */
export function faultsOf({ cluster, mark, state }: RegistryImage): readonly string[] {
  const faults = [...registryFaults(state)];
  if (mark.position > 0 && mark.hash === "") {
    faults.push(`it is at entry ${mark.position} of a shared log, and has no hash of it`);
  }
  if (mark.position > 0 && cluster === undefined) {
    faults.push(`it is at entry ${mark.position} of a shared log, and of no cluster`);
  }
  for (const [role, weight] of state.weights) {
    if (!(weight > 0)) faults.push(`role ${role} weighs ${weight}, which is not above 0`);
  }
  return faults;
}

/** How the copy of a master differs from the log; undefined when it does not. */
export function differenceOf(
  copy: RegistryImage,
  log: RegistryImage,
  content: LogContent,
): string | undefined {
  if (copy.cluster !== log.cluster) {
    return `the copy is of cluster ${copy.cluster ?? "none"}, the log of cluster ${log.cluster ?? "none"}`;
  }
  const { position, hash } = copy.mark;
  if (position > log.mark.position) {
    return `the copy is at entry ${position}, the log ends with entry ${log.mark.position}`;
  }
  const inLog = hashAt(position, log, content);
  if (inLog !== undefined && inLog !== hash)
    return `entry ${position} of the log is another than the copy's`;
  if (position !== log.mark.position || isSameState(copy.state, log.state)) return undefined;
  return `the copy is at the log's last entry, ${position}, and holds something else`;
}

/** Undefined where the log does not go back so far. */
function hashAt(
  position: number,
  log: RegistryImage,
  { snapshot, entries }: LogContent,
): string | undefined {
  if (position === log.mark.position) return log.mark.hash;
  const until = replayLog({
    snapshot,
    entries: entries.filter((entry) => entry.position <= position),
  });
  return until.ok && until.value.mark.position === position ? until.value.mark.hash : undefined;
}

/** The order of agents is their age; that of settings means nothing. */
function isSameState(one: RegistryState, other: RegistryState): boolean {
  const areAgentsSame = (["admitted", "unreachable", "gone"] as const).every(
    (list) =>
      isSameMessage([...one[list].keys()], [...other[list].keys()]) &&
      hasSameEntries(one[list], other[list]),
  );
  return (
    areAgentsSame &&
    (["weights", "quotas", "machines"] as const).every((map) =>
      hasSameEntries(one[map], other[map]),
    ) &&
    isSameMessage(one.schedule, other.schedule)
  );
}

function hasSameEntries(
  one: ReadonlyMap<string, unknown>,
  other: ReadonlyMap<string, unknown>,
): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (!isSameMessage(value, other.get(key))) return false;
  return true;
}
