/**
 * Entries and snapshots of the log that several masters share, as bytes. Each entry carries a hash
 * over itself and all before it, so that a registry that differs is found at the next entry.
 */
import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { ok, type Result, refuse } from "../../base/result.ts";
import { decodeUtf8, encodeUtf8, joinedBytes } from "../../base/text.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import type { RegistryOperation, RegistryState } from "../core/registry-state.ts";
import type { LogMark } from "./registry-file.ts";

/** What one batch of the leader changed. */
export interface LogEntry {
  readonly operations: readonly RegistryOperation[];
  /** Masters that took office. */
  readonly masters: readonly MasterInfo[];
}

export interface Snapshot {
  readonly state: RegistryState;
  readonly mark: LogMark;
  /** Which cluster's registry it is, if that is told. */
  readonly cluster: string | undefined;
}

/** Longer ones are zipped. */
const PLAIN_BYTES_MAX = 4096;
/** Text of a snapshot that is zipped at once: some milliseconds. */
const PIECE_CHARACTERS = 256 * 1024;
/** Of a snapshot of 1,000,000 agents, about. */
const UNPACKED_BYTES_MAX = 1024 * 1024 * 1024;

/** Of the forms below; a master reads what it knows and refuses what is newer. */
const FORMAT = 1;

/** The entry that follows `before`, and the mark of a registry that has it. */
export function encodeEntry(
  before: LogMark,
  entry: LogEntry,
): { readonly bytes: Uint8Array; readonly mark: LogMark } {
  const content = JSON.stringify([entry.operations, entry.masters]);
  const hash = hashOf(before.hash, content);
  const bytes = packed(`{"format":${FORMAT},"hash":"${hash}","content":${content}}`);
  return { bytes, mark: { position: before.position + 1, hash } };
}

/** Errors: `invalid`, it is no entry; `conflict`, it does not follow a registry with that mark. */
export function decodeEntry(
  before: LogMark,
  bytes: Uint8Array,
): Result<LogEntry & { readonly mark: LogMark }> {
  const what = `entry ${before.position + 1} of the registry's log`;
  const parsed = parse(what, bytes);
  if (!parsed.ok) return parsed;
  const { hash, content } = parsed.value;
  if (!Array.isArray(content) || !Array.isArray(content[0]) || !Array.isArray(content[1])) {
    return refuse("invalid", `${what} has no operations`);
  }
  if (hash !== hashOf(before.hash, JSON.stringify(content))) {
    return refuse("conflict", `${what} does not follow what this master has`);
  }
  const [operations, masters] = content as [RegistryOperation[], MasterInfo[]];
  return ok({ operations, masters, mark: { position: before.position + 1, hash } });
}

/** The hash that an entry says it has; undefined when it is none. */
export function hashOfEntry(bytes: Uint8Array): string | undefined {
  const parsed = parse("an entry", bytes);
  return parsed.ok ? parsed.value.hash : undefined;
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return joinedBytes([...snapshotPieces(snapshot)]);
}

/**
 * The same bytes, made in turns of the loop: `pace` is waited for between pieces of some milliseconds.
 * The state must not change meanwhile.
 */
export async function encodeSnapshotInTurns(
  snapshot: Snapshot,
  pace: () => Promise<void>,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const piece of snapshotPieces(snapshot)) {
    pieces.push(piece);
    await pace();
  }
  return joinedBytes(pieces);
}

/** Zipped each for itself, which together are one zipped text; a short one is left as it is. */
function* snapshotPieces(snapshot: Snapshot): Generator<Uint8Array> {
  let text = "";
  let isFirst = true;
  for (const more of snapshotText(snapshot)) {
    text += more;
    if (text.length < PIECE_CHARACTERS) continue;
    yield zipped(text);
    text = "";
    isFirst = false;
  }
  if (isFirst) yield packed(text);
  else yield zipped(text);
}

function* snapshotText({ state, mark, cluster }: Snapshot): Generator<string> {
  const { schedule } = state;
  const content = JSON.stringify({ cluster, position: mark.position, schedule });
  yield `{"format":${FORMAT},"hash":${JSON.stringify(mark.hash)},"content":${content.slice(0, -1)}`;
  for (const name of SNAPSHOT_MAPS) {
    yield `,"${name}":[`;
    let separator = "";
    for (const entry of state[name]) {
      yield separator + JSON.stringify(entry);
      separator = ",";
    }
    yield "]";
  }
  yield "}}";
}

/** Errors: `invalid`, naming what is not as it should be. */
export function decodeSnapshot(bytes: Uint8Array): Result<Snapshot> {
  const parsed = parse("the registry's snapshot", bytes);
  if (!parsed.ok) return parsed;
  const { content, hash } = parsed.value;
  if (typeof content !== "object" || content === null) {
    return refuse("invalid", "the registry's snapshot has no content");
  }
  const fields = content as Readonly<Record<string, unknown>>;
  const broken = SNAPSHOT_MAPS.find((name) => !isPairs(fields[name]));
  if (broken !== undefined) {
    return refuse("invalid", `${broken} of the registry's snapshot is no list of pairs`);
  }
  const map = <Value>(name: (typeof SNAPSHOT_MAPS)[number]): Map<string, Value> =>
    new Map(fields[name] as [string, Value][]);
  const { position, schedule, cluster } = fields;
  if (typeof position !== "number" || !Number.isSafeInteger(position)) {
    return refuse("invalid", "the registry's snapshot has no position");
  }
  return ok({
    mark: { position, hash },
    cluster: typeof cluster === "string" ? cluster : undefined,
    state: {
      admitted: map("admitted"),
      unreachable: map("unreachable"),
      gone: map("gone"),
      weights: map("weights"),
      quotas: map("quotas"),
      machines: map("machines"),
      schedule: schedule as RegistryState["schedule"],
    },
  });
}

const SNAPSHOT_MAPS = ["admitted", "unreachable", "gone", "weights", "quotas", "machines"] as const;

function isPairs(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return value.every(
    (pair: unknown) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string",
  );
}

/** Of what one master brings along when the log is empty. */
export function hashOfSeed(state: RegistryState, cluster: string): string {
  const seed = encodeSnapshot({ state, mark: { position: 0, hash: "" }, cluster });
  return createHash("sha256").update(seed).digest("base64");
}

function hashOf(before: string, content: string): string {
  return createHash("sha256").update(`${before}\n${content}`).digest("base64");
}

/** Names of agents and machines are much alike; what is short is left as people can read it. */
function packed(text: string): Uint8Array {
  const bytes = encodeUtf8(text);
  return bytes.length < PLAIN_BYTES_MAX ? bytes : zipped(bytes);
}

function zipped(content: string | Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(content));
}

function unpacked(bytes: Uint8Array): string {
  const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = isZipped ? gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX }) : bytes;
  return decodeUtf8(plain) ?? "";
}

function parse(
  what: string,
  bytes: Uint8Array,
): Result<{ readonly hash: string; readonly content: unknown }> {
  try {
    const value: unknown = JSON.parse(unpacked(bytes));
    if (typeof value === "object" && value !== null && "format" in value) {
      if (value.format !== FORMAT) {
        return refuse("invalid", `${what} is of a newer version; bring this master to the same`);
      }
      if ("hash" in value && typeof value.hash === "string" && "content" in value) {
        return ok({ hash: value.hash, content: value.content });
      }
    }
  } catch {
    // Below: no JSON is no entry either.
  }
  return refuse("invalid", `${what} cannot be read`);
}
