/**
 * The registry of several masters: the log that they share is where a batch is committed, the
 * SQLite file of each is a copy that follows it. Whoever leads appends; the others apply what comes,
 * so that a new leader has next to nothing to read. A copy that is lost, old or different is made
 * anew of a snapshot and the log. Source: DESIGN §5.
 */
import type { Clock, Log } from "../../base/ports.ts";
import { type Refusal, type Result, refuse } from "../../base/result.ts";
import { DatabaseError } from "../../database/database-error.ts";
import type { MasterInfo } from "../../protocol/v1/types.ts";
import { applyOperation } from "../core/registry-operations.ts";
import {
  copyRegistry,
  isRegistryEmpty,
  type RegistryOperation,
  type RegistryState,
} from "../core/registry-state.ts";
import {
  ENTRIES_PER_SNAPSHOT,
  ENTRY_BYTES_MAX,
  ENTRY_BYTES_PER_SNAPSHOT,
  ENTRY_OPERATIONS_MAX,
  LOOK_AGAIN_MS,
} from "./limits.ts";
import {
  decodeEntry,
  encodeEntry,
  encodeSnapshot,
  encodeSnapshotInTurns,
  hashOfEntry,
  hashOfSeed,
} from "./log-entries.ts";
import { nextTurnOf } from "./next-turn.ts";
import type { LogMark, RegistryFile } from "./registry-file.ts";
import { imageOf, type RegistryImage, replayLog } from "./registry-image.ts";
import type { RegistryStore, RegistryStoreStats } from "./registry-store.ts";
import type { LogContent, SharedLog, WriteOutcome } from "./shared-log.ts";
import { type AppliedBatch, applyBatch, type Submission, Submissions } from "./submissions.ts";

export interface ReplicatedRegistrarOptions {
  readonly file: RegistryFile;
  readonly clock: Clock;
  readonly log: Log;
  /** Entries after which a leader writes a snapshot. */
  readonly entriesPerSnapshot?: number;
  /** The log is that of another cluster: nothing is read or written until it is another one. */
  readonly onForeignLog?: (error: DatabaseError) => void;
}

export class ReplicatedRegistrar implements RegistryStore {
  readonly #file: RegistryFile;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #entriesPerSnapshot: number;
  readonly #onForeignLog: ((error: DatabaseError) => void) | undefined;
  /** Of the present session; undefined without one. */
  #shared: SharedLog | undefined;
  #isLeading = false;
  #isCatchingUp = false;
  #reading: Promise<boolean> = Promise.resolve(true);
  #isBehind = false;
  #isLogEmpty = false;
  #cancelLook: () => void = () => undefined;
  readonly #submissions: Submissions;
  #isAppending = false;
  /** Asked for while a batch is under way. */
  readonly #imagesWanted: ((image: RegistryImage) => void)[] = [];
  #snapshotPosition = 0;
  /** Of the newest snapshot that this master wrote, and of all entries that it appended since. */
  #snapshotBytes = 0;
  #entryBytes = 0;
  #fetchMs = 0;

  constructor(options: ReplicatedRegistrarOptions) {
    const { file, clock, log, entriesPerSnapshot, onForeignLog } = options;
    this.#onForeignLog = onForeignLog;
    this.#entriesPerSnapshot = entriesPerSnapshot ?? ENTRIES_PER_SNAPSHOT;
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#submissions = new Submissions("the shared registry");
    this.#snapshotPosition = file.mark.position;
  }

  /** How far this copy is. */
  get mark(): LogMark {
    return this.#file.mark;
  }

  /** Follows that log from here on, in place of any other. */
  follow(shared: SharedLog): void {
    this.#shared = shared;
    shared.watch(() => void this.#catchUp());
    void this.#catchUp();
  }

  /** The session of the log is over; what this copy has stays. */
  unfollow(): void {
    this.#shared = undefined;
    this.#cancelLook();
    this.#endReign("this master does not lead any more");
  }

  /**
   * Takes the log over and reads what is missing; commits are taken once this is `done`. An empty
   * log begins with what this master has.
   */
  async lead(shared: SharedLog): Promise<WriteOutcome> {
    const startMs = this.#clock.monotonicMs();
    this.#shared = shared;
    const claimed = await shared.claim();
    if (claimed !== "done") return claimed;
    // Deposed meanwhile, it follows another log by now, and must go on with that.
    if (this.#shared !== shared || !(await this.#readAll(shared))) return "lost";
    const seeded = this.#isLogEmpty ? await this.#seed(shared) : "done";
    if (seeded !== "done" || this.#shared !== shared) return seeded === "done" ? "lost" : seeded;
    this.#fetchMs = this.#clock.monotonicMs() - startMs;
    this.#isLeading = true;
    return "done";
  }

  load(): RegistryState {
    return copyRegistry(this.#file.state);
  }

  commit(operations: readonly RegistryOperation[]): Promise<readonly Result<boolean>[]> {
    return this.#submit(operations, []);
  }

  async putMaster(master: MasterInfo): Promise<void> {
    await this.#submit([], [master]);
  }

  masters(): readonly MasterInfo[] {
    return this.#file.masters();
  }

  stats(): RegistryStoreStats {
    return this.#submissions.stats({ fetchMs: this.#fetchMs, bytes: this.#file.bytes() });
  }

  metrics(): Readonly<Record<string, number>> {
    return {
      ...this.#submissions.metrics({ fetchMs: this.#fetchMs, bytes: this.#file.bytes() }),
      "registrar/log/recovered": this.#isLeading ? 1 : 0,
    };
  }

  /** What this copy has up to its mark; waits for the batch that is under way, if one is. */
  image(): Promise<RegistryImage> {
    if (!this.#isAppending) return Promise.resolve(imageOf(this.#file));
    return new Promise((resolve) => {
      this.#imagesWanted.push(resolve);
    });
  }

  async close(): Promise<void> {
    this.unfollow();
    this.#file.close();
  }

  #submit(
    operations: readonly RegistryOperation[],
    masters: readonly MasterInfo[],
  ): Promise<readonly Result<boolean>[]> {
    return new Promise((resolve, reject) => {
      if (!this.#isLeading) {
        reject(new DatabaseError("closed", "this master does not lead"));
        return;
      }
      this.#submissions.add({ operations, masters, resolve, reject });
      // What is asked for in the same turn shares the entry.
      if (!this.#isAppending) queueMicrotask(() => void this.#appendPending());
    });
  }

  /** One entry at a time: the next one holds all that came meanwhile. */
  async #appendPending(): Promise<void> {
    if (this.#isAppending) return;
    this.#isAppending = true;
    while (this.#isLeading && !this.#submissions.isEmpty) {
      await this.#append(this.#submissions.take(ENTRY_OPERATIONS_MAX));
      for (const give of this.#imagesWanted.splice(0)) give(imageOf(this.#file));
    }
    this.#isAppending = false;
  }

  /** Commits these as one entry, or one by one where they do not fit into one. */
  async #append(batch: readonly Submission[]): Promise<void> {
    const shared = this.#shared;
    if (shared === undefined || !this.#isLeading) {
      this.#submissions.reject(new DatabaseError("closed", "this master does not lead"), batch);
      return;
    }
    const startMs = this.#clock.monotonicMs();
    const applied = applyBatch(this.#file.state, batch);
    const { mutations, masters } = applied;
    if (mutations.length > 0 || masters.length > 0) {
      const { bytes, mark } = encodeEntry(this.#file.mark, { operations: mutations, masters });
      if (bytes.length > ENTRY_BYTES_MAX) {
        this.#file.reload();
        await this.#appendApart(batch);
        return;
      }
      const outcome = await shared.append(mark.position, bytes);
      if (outcome !== "done" || shared !== this.#shared) {
        const why =
          outcome === "fenced" ? "another master leads" : "ZooKeeper could not be reached";
        this.#submissions.reject(new DatabaseError("closed", why), batch);
        this.#endReign(why);
        return;
      }
      this.#entryBytes += bytes.length;
      if (!this.#copy(applied, mark)) return;
      this.#submissions.measure(this.#clock.monotonicMs() - startMs);
    }
    this.#submissions.complete(applied);
    await this.#snapshotIfDue(shared);
  }

  /** What is too large even alone is refused, and nothing of it was done. */
  async #appendApart(batch: readonly Submission[]): Promise<void> {
    const [only] = batch;
    if (only === undefined || batch.length > 1) {
      for (const submission of batch) await this.#append([submission]);
      return;
    }
    const why = `It does not fit into one entry of the shared registry (${ENTRY_BYTES_MAX} bytes, packed)`;
    const refusal = refuse("tooLarge", why);
    const results = [only.operations.map(() => refusal)];
    this.#submissions.complete({ batch, results, mutations: [], masters: [] });
  }

  /** False when this master's own file took no more; committed it is all the same. */
  #copy({ batch, mutations, masters }: AppliedBatch, mark: LogMark): boolean {
    try {
      this.#file.write(mutations, { masters, mark });
      return true;
    } catch (error) {
      this.#submissions.reject(error, batch);
      this.#endReign("its copy of the registry could not be written");
      return false;
    }
  }

  /** What was not committed is forgotten here too: the log knows best, and is read again. */
  #endReign(why: string): void {
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#submissions.reject(new DatabaseError("closed", why));
    this.#file.reload();
    this.#snapshotPosition = this.#file.mark.position;
  }

  async #snapshotIfDue(shared: SharedLog): Promise<void> {
    const { position } = this.#file.mark;
    const isLong = position - this.#snapshotPosition >= this.#entriesPerSnapshot;
    const isLarge = this.#entryBytes >= Math.max(ENTRY_BYTES_PER_SNAPSHOT, this.#snapshotBytes);
    if (!isLong && !isLarge) return;
    const { state, mark, cluster } = this.#file;
    // No batch is under way until this is done, so the state stays as it is.
    const bytes = await encodeSnapshotInTurns({ state, mark, cluster }, () =>
      nextTurnOf(this.#clock),
    );
    if (shared !== this.#shared || !this.#isLeading) return;
    const outcome = await shared.putSnapshot(position, bytes);
    if (outcome === "done") {
      this.#snapshotPosition = position;
      this.#snapshotBytes = bytes.length;
      this.#entryBytes = 0;
    } else if (shared === this.#shared)
      this.#endReign("the registry's snapshot could not be written");
  }

  /**
   * The log begins with what this master has. That it does is written here first: whoever is found
   * with entries has been one of several, whatever became of its first write.
   */
  async #seed(shared: SharedLog): Promise<WriteOutcome> {
    const { state } = this.#file;
    const cluster = this.#file.ensureCluster();
    const mark = { position: this.#file.mark.position + 1, hash: hashOfSeed(state, cluster) };
    this.#file.write([], { mark });
    const snapshot = encodeSnapshot({ state, mark, cluster });
    const outcome = await shared.putSnapshot(mark.position, snapshot);
    if (outcome === "done") this.#snapshotPosition = mark.position;
    return outcome;
  }

  /** A follower reads on; once at a time, and again when something came meanwhile, be it another log. */
  async #catchUp(): Promise<void> {
    this.#isBehind = true;
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    while (this.#isBehind && this.#shared !== undefined && !this.#isLeading) {
      this.#isBehind = false;
      const isRead = await this.#readAll(this.#shared);
      // What was not there, or not to be read, cannot be watched either.
      if (!isRead || this.#isLogEmpty) this.#lookAgain();
    }
    this.#isCatchingUp = false;
  }

  #lookAgain(): void {
    this.#cancelLook();
    this.#cancelLook = this.#clock.schedule(LOOK_AGAIN_MS, () => void this.#catchUp());
  }

  /** True when this copy has all that the log had. One read at a time. */
  #readAll(shared: SharedLog): Promise<boolean> {
    this.#reading = this.#reading
      .then(() => this.#readNow(shared))
      .catch((error: unknown) => {
        this.#log.write("error", "this master's copy of the registry could not be written", {
          error,
        });
        this.#file.reload();
        return false;
      });
    return this.#reading;
  }

  async #readNow(shared: SharedLog): Promise<boolean> {
    const content = await this.#contentOf(shared, this.#file.mark.position);
    if (content === undefined || shared !== this.#shared || this.#isLeading) return false;
    const { snapshot, entries } = content;
    // Of a new ensemble, or one that lost everything: what this copy has is all there is.
    this.#isLogEmpty = snapshot === undefined && entries.length === 0;
    if (this.#isLogEmpty) return true;
    const { position, hash } = this.#file.mark;
    // One that was never in this log holds what the log may not know.
    if (snapshot !== undefined) return this.#rebuild(content, position === 0);
    const own = entries.find((entry) => entry.position === position);
    const isSame = position === 0 || (own !== undefined && hashOfEntry(own.bytes) === hash);
    const later = entries.filter((entry) => entry.position > position);
    if (isSame && this.#applyEntries(later)) return true;
    return this.#rebuildFrom(shared);
  }

  /** Undefined: not now, or not ever, which is told. */
  async #contentOf(shared: SharedLog, position: number): Promise<LogContent | undefined> {
    const content = await shared.read(position);
    if (content.ok) return content.value;
    if (content.error.code !== "notReady") this.#complain(content.error);
    return undefined;
  }

  #complain({ message }: Refusal): void {
    this.#log.write("error", "the shared registry cannot be read", { why: message });
  }

  /** This copy is another than the log's: it is made anew, whatever it holds. */
  async #rebuildFrom(shared: SharedLog): Promise<boolean> {
    const { position } = this.#file.mark;
    this.#log.write("error", "this master's registry differs from the shared one and is replaced", {
      position,
    });
    const content = await this.#contentOf(shared, 0);
    if (content === undefined || shared !== this.#shared) return false;
    return this.#rebuild(content, true);
  }

  /** Whether this copy may be replaced by that of the log; one that holds nothing may by any. */
  #isOfCluster(cluster: string | undefined): boolean {
    const own = this.#file.cluster;
    if (own === undefined || cluster === undefined || own === cluster) return true;
    return isRegistryEmpty(this.#file.state);
  }

  #refuseForeign(cluster: string | undefined): void {
    const { path } = this.#file;
    const remedy = `give the --zk of its own cluster, or move ${path} away to join the other one`;
    const what = `${path} is of cluster ${this.#file.cluster}, and the registry in ZooKeeper of cluster ${cluster}`;
    this.#log.write("error", "the shared registry is that of another cluster", { what });
    this.#onForeignLog?.(new DatabaseError("foreign", `${what}; ${remedy}`));
  }

  /** False for a log that cannot be read to its end: no copy is given up for a broken one. */
  #rebuild(content: LogContent, isDifferent: boolean): boolean {
    const replayed = replayLog(content);
    if (!replayed.ok) {
      this.#complain(replayed.error);
      return false;
    }
    const { state, mark, masters, cluster, snapshotPosition } = replayed.value;
    if (!this.#isOfCluster(cluster)) {
      this.#refuseForeign(cluster);
      return false;
    }
    if (isDifferent) this.#keepAside();
    this.#file.replace(state, mark, cluster ?? this.#file.cluster);
    this.#file.write([], { masters });
    this.#snapshotPosition = snapshotPosition;
    return true;
  }

  /** What no log may know is kept beside the file. */
  #keepAside(): void {
    const copy = `${this.#file.path}.replaced`;
    if (isRegistryEmpty(this.#file.state)) return;
    this.#file.copyTo(copy);
    this.#log.write("warning", "what this master's registry held is kept aside", { copy });
  }

  /** False at the first entry that does not follow; those before it are kept. */
  #applyEntries(entries: readonly Entry[]): boolean {
    const operations: RegistryOperation[] = [];
    const masters: MasterInfo[] = [];
    let { mark } = this.#file;
    for (const { position, bytes } of entries) {
      const entry = position === mark.position + 1 ? decodeEntry(mark, bytes) : undefined;
      const isApplied =
        entry?.ok === true &&
        entry.value.operations.every((operation) => applyOperation(this.#file.state, operation).ok);
      if (entry?.ok !== true || !isApplied) {
        this.#file.reload();
        return false;
      }
      operations.push(...entry.value.operations);
      masters.push(...entry.value.masters);
      mark = entry.value.mark;
    }
    if (mark !== this.#file.mark) this.#file.write(operations, { masters, mark });
    return true;
  }
}

interface Entry {
  readonly position: number;
  readonly bytes: Uint8Array;
}
