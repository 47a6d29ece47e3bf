/**
 * Registry files for the masters of a simulation. Opening one costs far more than a whole run, so
 * that the files of one run serve the next, emptied; a master that starts again reads its own anew.
 */
import { drainMicrotasks } from "bun:jsc";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { SqlOpen } from "../../../src/base/ports.ts";
import { loadBunSqlite } from "../../../src/platform/sqlite-bun.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import { RegistryFile } from "../../../src/registry/store/registry-file.ts";

/** In memory where that is possible: every write of a run is a transaction of its own. */
const MEMORY = "/dev/shm";

/** All are of one cluster from the start: an id of chance would not replay. */
const CLUSTER = "simulation";

const open: SqlOpen = await loadBunSqlite();
const free: RegistryFile[] = [];
let folder: string | undefined;
let count = 0;

/** An empty registry on disk. */
export function takeRegistryFile(): RegistryFile {
  const file = free.pop() ?? openFile();
  file.replace(emptyRegistry(), { position: 0, hash: "" }, CLUSTER);
  return file;
}

export function giveBack(files: readonly RegistryFile[]): void {
  free.push(...files);
}

function openFile(): RegistryFile {
  folder ??= makeFolder();
  let opened: RegistryFile | undefined;
  const path = join(folder, String(count++), "registry.db");
  void RegistryFile.open({ path, open, log: { write: () => undefined } }).then((file) => {
    opened = file;
  });
  drainMicrotasks();
  if (opened === undefined) throw new Error(`${path} could not be opened at once`);
  return opened;
}

function makeFolder(): string {
  const made = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "allot-sim-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}
