/**
 * The registry's log in ZooKeeper, below the node where the masters are elected:
 *
 *     log_replicas/allot                  {"format":1,"snapshot":"0000001000-7","chunks":3}
 *     log_replicas/allot/epoch            who leads; its version fences those before
 *     log_replicas/allot/log/0000001001   one entry
 *     log_replicas/allot/snapshots/0000001000-7/0000  a piece of a snapshot: position and epoch
 *
 * Every write is one transaction with a check of the epoch's version. Source: DESIGN §5.
 */
import { assert } from "../../base/assert.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { decodeUtf8, encodeUtf8, isSameBytes, joinedBytes } from "../../base/text.ts";
import type { SessionErrorCode, Write } from "../../election/zookeeper/client.ts";
import {
  ANY_VERSION,
  childOf,
  type SessionResult,
  type ZooKeeperSession,
} from "../../election/zookeeper/session.ts";
import type { LogContent, SharedLog, WriteOutcome } from "../store/shared-log.ts";
import {
  CHUNK_BYTES,
  ENTRIES_KEPT,
  READ_ATTEMPTS,
  READS_AT_ONCE,
  REMOVES_AT_ONCE,
} from "./limits.ts";

/**
 * The first part is the one child beside candidates that every detector knows: some take any other
 * for a master.
 */
const FOLDER = "log_replicas/allot";
const DIGITS = 10;
const SNAPSHOT_NAME = /^\d{10}-\d+$/;

/** Who took the log over last. */
export interface LogEpoch {
  /** Grows with each who takes it over. */
  readonly number: number;
  /** The master's id. */
  readonly leader: string;
  /** Wall milliseconds of ZooKeeper's clock. */
  readonly sinceMs: number;
}

/** The present epoch of the log of masters that meet at `path`; undefined: there is none yet. */
export async function readEpoch(
  session: ZooKeeperSession,
  path: string,
): Promise<SessionResult<LogEpoch | undefined>> {
  const node = await session.read(epochPath(childOf(path, FOLDER)));
  if (!node.ok) return node.error.code === "noNode" ? ok(undefined) : node;
  const { version: number, data, writtenMs: sinceMs } = node.value;
  return ok(number === 0 ? undefined : { number, leader: decodeUtf8(data) ?? "", sinceMs });
}

function epochPath(root: string): string {
  return `${root}/epoch`;
}

interface Root {
  /** Name of the newest whole snapshot. */
  readonly snapshot: string | undefined;
  readonly chunks: number;
}

export class ZooKeeperLog implements SharedLog {
  readonly #root: string;
  readonly #session: ZooKeeperSession;
  readonly #leader: string;
  readonly #entriesKept: number;
  /** Version of the epoch's node since it was claimed. */
  #epochVersion: number | undefined;
  #onChange: (() => void) | undefined;

  /**
   * `path` is where masters are elected; `leader` stands in the epoch for people to read. A trimmed
   * log still has `entriesKept` entries behind the snapshot.
   */
  constructor(
    session: ZooKeeperSession,
    path: string,
    leader: string,
    entriesKept: number = ENTRIES_KEPT,
  ) {
    this.#session = session;
    this.#root = childOf(path, FOLDER);
    this.#leader = leader;
    this.#entriesKept = entriesKept;
  }

  async read(position: number): Promise<Result<LogContent>> {
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const content = await this.#readOnce(position);
      // Entries and snapshots that are trimmed meanwhile are looked for anew.
      if (content !== "changed") return content;
    }
    return UNREADABLE;
  }

  /** Of its newest entry, whether that can be read or not; 0: it has none. Undefined: not now. */
  async lastPosition(): Promise<number | undefined> {
    const names = await this.#session.children(this.#path("log"));
    return names.ok ? Math.max(0, ...names.value.map(Number)) : undefined;
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange;
  }

  async claim(): Promise<WriteOutcome> {
    for (const path of [epochPath(this.#root), this.#path("log"), this.#path("snapshots")]) {
      if (!(await this.#surely(() => this.#session.ensure(path))).ok) return "lost";
    }
    for (;;) {
      const epoch = await this.#surely(() => this.#session.read(epochPath(this.#root)));
      if (!epoch.ok) return "lost";
      const { version } = epoch.value;
      const data = encodeUtf8(this.#leader);
      const set = { kind: "set", path: epochPath(this.#root), data, version } as const;
      const claimed = await this.#session.write([set]);
      if (claimed.ok) {
        this.#epochVersion = version + 1;
        return "done";
      }
      // Somebody else was quicker, or the answer got lost: a version more does no harm.
      const isWorthTrying = CLAIM_AGAIN.has(claimed.error.code);
      if (!isWorthTrying || !(await this.#session.untilConnected())) return "lost";
    }
  }

  async append(position: number, bytes: Uint8Array): Promise<WriteOutcome> {
    const path = this.#entryPath(position);
    const outcome = await this.#guarded([{ kind: "create", path, data: bytes }]);
    if (outcome !== "exists") return outcome;
    // An attempt whose answer was lost was carried out; nobody else can have written here since.
    const there = await this.#surely(() => this.#session.read(path));
    if (!there.ok) return "lost";
    return isSameBytes(there.value.data, bytes) ? "done" : "fenced";
  }

  async putSnapshot(position: number, bytes: Uint8Array): Promise<WriteOutcome> {
    const written = await this.#writeSnapshot(position, bytes);
    if (typeof written === "string") return written;
    const kept = await this.#guarded([this.#rootAs(written)]);
    if (kept === "fenced" || kept === "lost") return kept;
    return this.#trim(position, written.snapshot);
  }

  /**
   * Another registry in place of the log's: no entry is left, so that every master reads it. To be
   * called while none stands for election.
   */
  async putRestored(position: number, bytes: Uint8Array): Promise<WriteOutcome> {
    const written = await this.#writeSnapshot(position, bytes);
    if (typeof written === "string") return written;
    const removes = (await this.#names("log")).map(
      (name): Write => ({
        kind: "remove",
        path: `${this.#path("log")}/${name}`,
        version: ANY_VERSION,
      }),
    );
    // At once: entries of the old registry do not follow the new one.
    const kept = await this.#guarded([this.#rootAs(written), ...removes]);
    if (kept === "fenced" || kept === "lost") return kept;
    return this.#trim(position, written.snapshot);
  }

  #rootAs(root: { readonly snapshot: string; readonly chunks: number }): Write {
    const data = encodeUtf8(JSON.stringify({ format: 1, ...root }));
    return { kind: "set", path: this.#root, data, version: ANY_VERSION };
  }

  async #writeSnapshot(
    position: number,
    bytes: Uint8Array,
  ): Promise<{ readonly snapshot: string; readonly chunks: number } | WriteOutcome> {
    assert(this.#epochVersion !== undefined, "the log was claimed before it is written");
    const snapshot = `${digits(position)}-${this.#epochVersion}`;
    const folder = `${this.#path("snapshots")}/${snapshot}`;
    const made = await this.#guarded([{ kind: "create", path: folder, data: new Uint8Array(0) }]);
    if (made !== "done" && made !== "exists") return made;
    let chunks = 0;
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      const data = bytes.slice(start, start + CHUNK_BYTES);
      const path = chunkPath(folder, chunks++);
      const written = await this.#guarded([{ kind: "create", path, data }]);
      if (written === "fenced" || written === "lost") return written;
    }
    return { snapshot, chunks };
  }

  /**
   * Removes what no reader needs: entries that a snapshot before this one has, at the latest, so that
   * large ones do not pile up. Cut short it is done by the next snapshot.
   */
  async #trim(position: number, snapshot: string): Promise<WriteOutcome> {
    const log = await this.#names("log");
    const earlier = (await this.#names("snapshots")).filter((name) => name !== snapshot);
    const covered = earlier.map(positionIn).filter((before) => before < position);
    const until = Math.max(position - this.#entriesKept, ...covered);
    const old = log.filter((name) => Number(name) <= until);
    const paths = old.map((name) => `${this.#path("log")}/${name}`);
    for (const name of earlier) {
      const folder = `${this.#path("snapshots")}/${name}`;
      const chunks = await this.#session.children(folder);
      for (const chunk of chunks.ok ? chunks.value : []) paths.push(`${folder}/${chunk}`);
      paths.push(folder);
    }
    for (let start = 0; start < paths.length; start += REMOVES_AT_ONCE) {
      const some = paths.slice(start, start + REMOVES_AT_ONCE);
      const outcome = await this.#guarded(
        some.map((path) => ({ kind: "remove", path, version: ANY_VERSION })),
      );
      if (outcome === "fenced" || outcome === "lost") return outcome;
    }
    return "done";
  }

  async #readOnce(position: number): Promise<Result<LogContent> | "changed"> {
    const rootNode = await this.#session.read(this.#root);
    if (!rootNode.ok) return rootNode.error.code === "noNode" ? EMPTY : UNREADABLE;
    const names = await this.#session.children(this.#path("log"), () => this.#onChange?.());
    if (!names.ok) return names.error.code === "noNode" ? EMPTY : UNREADABLE;
    const positions = names.value.map(Number).toSorted((left, right) => left - right);
    const parsed = parseRoot(this.#root, rootNode.value.data);
    if (!parsed.ok) return parsed;
    const root = parsed.value;
    const first = positions[0] ?? Number.POSITIVE_INFINITY;
    const snapshotPosition = root.snapshot === undefined ? 0 : positionIn(root.snapshot);
    const isBehind = position === 0 || first > position;
    const needsSnapshot = root.snapshot !== undefined && isBehind;
    const from = needsSnapshot ? snapshotPosition + 1 : position;
    const snapshot = needsSnapshot ? await this.#readSnapshot(root) : undefined;
    if (needsSnapshot && snapshot === undefined) return "changed";
    const wanted = positions.filter((one) => one >= from);
    const entries: { position: number; bytes: Uint8Array }[] = [];
    for (let start = 0; start < wanted.length; start += READS_AT_ONCE) {
      const some = wanted.slice(start, start + READS_AT_ONCE);
      const read = await Promise.all(some.map((one) => this.#session.read(this.#entryPath(one))));
      for (const [index, node] of read.entries()) {
        if (!node.ok) return node.error.code === "noNode" ? "changed" : UNREADABLE;
        entries.push({ position: some[index] ?? 0, bytes: node.value.data });
      }
    }
    return ok({ snapshot, entries });
  }

  async #readSnapshot({ snapshot, chunks }: Root): Promise<Uint8Array | undefined> {
    const folder = `${this.#path("snapshots")}/${snapshot}`;
    const parts: Uint8Array[] = [];
    for (let index = 0; index < chunks; index++) {
      const chunk = await this.#session.read(chunkPath(folder, index));
      if (!chunk.ok) return undefined;
      parts.push(chunk.value.data);
    }
    return joinedBytes(parts);
  }

  /** All of these or none, and none once another master leads; again until there is an answer. */
  async #guarded(writes: readonly Write[]): Promise<WriteOutcome | "exists"> {
    assert(this.#epochVersion !== undefined, "the log was claimed before it is written");
    const epoch = {
      kind: "check",
      path: epochPath(this.#root),
      version: this.#epochVersion,
    } as const;
    const result = await this.#surely(() => this.#session.write([epoch, ...writes]));
    if (result.ok) return "done";
    if (result.error.code === "badVersion") return "fenced";
    // Removing what is gone, creating what is there: an earlier attempt of ours did it.
    return result.error.code === "nodeExists" || result.error.code === "noNode" ? "exists" : "lost";
  }

  /** Asks again as long as the connection, and not the answer, is what fails. */
  async #surely<T>(ask: () => Promise<SessionResult<T>>): Promise<SessionResult<T>> {
    for (;;) {
      const result = await ask();
      const isAnswered =
        result.ok || (result.error.code !== "unknown" && result.error.code !== "notConnected");
      if (isAnswered || !(await this.#session.untilConnected())) return result;
    }
  }

  async #names(folder: "log" | "snapshots"): Promise<readonly string[]> {
    const names = await this.#surely(() => this.#session.children(this.#path(folder)));
    return names.ok ? names.value : [];
  }

  #path(folder: "log" | "snapshots"): string {
    return `${this.#root}/${folder}`;
  }

  #entryPath(position: number): string {
    return `${this.#path("log")}/${digits(position)}`;
  }
}

const CLAIM_AGAIN: ReadonlySet<SessionErrorCode> = new Set([
  "badVersion",
  "unknown",
  "notConnected",
]);
const EMPTY: Result<LogContent> = ok({ entries: [] });
const UNREADABLE: Result<LogContent> = refuse(
  "notReady",
  "the registry in ZooKeeper cannot be read now; try again",
);

function digits(position: number): string {
  return String(position).padStart(DIGITS, "0");
}

/** Of a snapshot, by its name. */
function positionIn(snapshot: string): number {
  return Number(snapshot.slice(0, DIGITS));
}

function chunkPath(folder: string, index: number): string {
  return `${folder}/${String(index).padStart(4, "0")}`;
}

/** Errors: `invalid`. */
function parseRoot(path: string, data: Uint8Array): Result<Root> {
  const text = decodeUtf8(data);
  if (text === "") return ok({ snapshot: undefined, chunks: 0 });
  const value = text === undefined ? undefined : parseJson(text);
  if (typeof value === "object" && value !== null && "snapshot" in value && "chunks" in value) {
    const { snapshot, chunks } = value;
    const isName = typeof snapshot === "string" && SNAPSHOT_NAME.test(snapshot);
    if (isName && typeof chunks === "number") return ok({ snapshot, chunks });
  }
  const remedy = "`allot registry restore FILE --zk=zk://…` puts a backup in its place";
  return refuse("invalid", `${path} in ZooKeeper names no snapshot; ${remedy}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Said by the caller, who knows where it stands.
    return undefined;
  }
}
