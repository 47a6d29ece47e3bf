/**
 * What a host that loses power may leave of the checkpoint: of the writes of one transaction, or of
 * moving the log into the file, some sectors are on the disk and others are not. Method: the bytes of
 * file and log before and after each transaction of a random life, every cut between them and random
 * mixtures of their sectors; what is then opened is the state before or the state after, and the
 * latter once the transaction had returned. `POWER_CUT_SEED` repeats a life. Source: issue 4.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Checkpoint } from "../../../src/agent/checkpoint/checkpoint.ts";
import type { CheckpointOperation } from "../../../src/agent/core/checkpoint-state.ts";
import type { SqlOpen } from "../../../src/base/ports.ts";
import { loadBunSqlite } from "../../../src/platform/sqlite-bun.ts";
import { MemoryLog } from "../../database/support.ts";
import { seededRandom } from "../../protocol/seeded-random.ts";
import { checkpointOperation } from "./checkpoint-arbitrary.ts";
import { byTaskAndSequence, CheckpointModel } from "./checkpoint-model.ts";

const TRANSACTIONS = 24;
/** Disks write a sector whole or not at all. */
const SECTOR_BYTES = 512;
const LOG_HEADER_BYTES = 32;
const MIXTURES = 6;
/** Instead of 1000, so that the log is moved into the file every few transactions. */
const AUTOCHECKPOINT = "wal_autocheckpoint = 12";
const TIMEOUT_MS = 120_000;
const seed = Number(process.env["POWER_CUT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(seed);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Without a disk behind it where there is one: nothing here depends on what is synced. */
function newFolder(): string {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(parent, "allot-power-cut-"));
  folders.push(folder);
  return folder;
}

interface Disk {
  readonly file: Uint8Array;
  readonly log: Uint8Array;
}

test(
  `a power cut leaves the checkpoint before or after a transaction, never between (seed ${seed}) [issue 4]`,
  async () => {
    const open = await loadBunSqlite();
    const path = join(newFolder(), "checkpoint.db");
    const checkpoint = await Checkpoint.open({ path, open: hasty(open), log: new MemoryLog() });
    const model = new CheckpointModel();
    let images = 0;
    let moves = 0;
    let before = { disk: diskAt(path), state: told(model) };
    for (const batch of batches()) {
      checkpoint.apply(batch.filter((operation) => applied(model, operation)));
      const after = { disk: diskAt(path), state: told(model) };
      expect(await loadedFrom(open, after.disk)).toEqual(after.state);
      for (const log of tornCopies(begun(before.disk.log, after.disk.log), after.disk.log)) {
        const state = await loadedFrom(open, { file: before.disk.file, log });
        expect([before.state, after.state]).toContainEqual(state);
        images += 1;
      }
      const files = tornCopies(before.disk.file, after.disk.file);
      if (files.length > 0) moves += 1;
      for (const file of files) {
        expect(await loadedFrom(open, { file, log: after.disk.log })).toEqual(after.state);
        images += 1;
      }
      before = after;
    }
    checkpoint.close();
    expect(moves).toBeGreaterThan(1);
    expect(images).toBeGreaterThan(TRANSACTIONS * MIXTURES);
  },
  TIMEOUT_MS,
);

/** The engine with another setting of its own. */
function hasty(open: SqlOpen): SqlOpen {
  return (path) => {
    const connection = open(path);
    return {
      prepare: (sql) => connection.prepare(sql.replace(/wal_autocheckpoint = \d+/, AUTOCHECKPOINT)),
      close: () => connection.close(),
    };
  };
}

function batches(): CheckpointOperation[][] {
  const batch = fc.array(checkpointOperation, { minLength: 1, maxLength: 4 });
  return fc.sample(batch, { seed, numRuns: TRANSACTIONS });
}

/** False for an update in a place where there is one, which is no operation of an agent. */
function applied(model: CheckpointModel, operation: CheckpointOperation): boolean {
  if (model.isRepeat(operation)) return false;
  model.apply(operation);
  return true;
}

/** As it comes back from text. */
function told(model: CheckpointModel): unknown {
  return JSON.parse(JSON.stringify(model.state()));
}

function diskAt(path: string): Disk {
  const log = `${path}-wal`;
  return { file: readFileSync(path), log: existsSync(log) ? readFileSync(log) : new Uint8Array() };
}

/** A log that begins anew has its header synced before anything else is written over it. */
function begun(before: Uint8Array, after: Uint8Array): Uint8Array {
  const log = new Uint8Array(Math.max(before.length, LOG_HEADER_BYTES));
  log.set(before);
  log.set(after.subarray(0, LOG_HEADER_BYTES));
  return log;
}

/** What is between the two: whole up to each sector, and any sector of either. None when equal. */
function tornCopies(before: Uint8Array, after: Uint8Array): Uint8Array[] {
  const isOther = (index: number): boolean => before[index] !== after[index];
  const length = Math.max(before.length, after.length);
  let first = 0;
  while (first < length && !isOther(first)) first += 1;
  if (first === length) return [];
  const sectors = Math.ceil(length / SECTOR_BYTES);
  const start = Math.floor(first / SECTOR_BYTES);
  const cuts = Array.from({ length: sectors - start }, (_, index) => start + index);
  const copies = cuts.map((cut) => mixture(before, after, (sector) => sector < cut));
  for (let count = 0; count < MIXTURES; count += 1) {
    copies.push(mixture(before, after, () => random.integer(2) === 0));
  }
  return copies;
}

function mixture(
  before: Uint8Array,
  after: Uint8Array,
  isWritten: (sector: number) => boolean,
): Uint8Array {
  const mixed = new Uint8Array(Math.max(before.length, after.length));
  mixed.set(before);
  for (let at = 0; at < after.length; at += SECTOR_BYTES) {
    if (isWritten(at / SECTOR_BYTES)) mixed.set(after.subarray(at, at + SECTOR_BYTES), at);
  }
  return mixed;
}

async function loadedFrom(open: SqlOpen, { file, log }: Disk): Promise<unknown> {
  const folder = join(newFolder(), "image");
  mkdirSync(folder);
  const path = join(folder, "checkpoint.db");
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, log);
  const checkpoint = await Checkpoint.open({ path, open, log: new MemoryLog() });
  const state = checkpoint.load();
  checkpoint.close();
  rmSync(folders.pop() ?? "", { recursive: true, force: true });
  return JSON.parse(JSON.stringify({ ...state, updates: byTaskAndSequence(state.updates) }));
}
