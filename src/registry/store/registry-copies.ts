/** Registry files of masters that do not run: copied, read without being changed, and restored. */
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log, SqlOpen } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { copyDatabase } from "../../database/copy-database.ts";
import { DatabaseError } from "../../database/database-error.ts";
import { isRegistryEmpty } from "../core/registry-state.ts";
import { AGENTS_AT_ONCE } from "./limits.ts";
import { RegistryFile } from "./registry-file.ts";
import { imageOf, type RegistryImage } from "./registry-image.ts";
import { REGISTRY_MIGRATIONS } from "./schema.ts";

/** What files are opened with. */
export interface FileParts {
  readonly open: SqlOpen;
  readonly log: Log;
}

/** Throws `DatabaseError`, as `copyDatabase`. */
export function copyRegistryFile({ open }: FileParts, path: string, target: string): void {
  const knownVersion = REGISTRY_MIGRATIONS.length;
  copyDatabase({ path, open, name: "registry", knownVersion }, target);
}

/** What is in the file, by way of a copy. Rejects with `DatabaseError`, as `copyDatabase`. */
export async function readRegistryFile(parts: FileParts, path: string): Promise<RegistryImage> {
  const folder = mkdtempSync(join(tmpdir(), "allot-registry-"));
  try {
    const copy = join(folder, "registry.db");
    copyRegistryFile(parts, path, copy);
    const file = await RegistryFile.open({ path: copy, ...parts });
    const image = imageOf(file);
    file.close();
    return image;
  } catch (error) {
    throw aboutFile(error, folder, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The same, in turns of the loop: `pace` is waited for between transactions of some milliseconds.
 * The file is whole when this resolves.
 */
export async function writeRegistryFileInTurns(
  parts: FileParts,
  path: string,
  image: RegistryImage,
  pace: () => Promise<void>,
): Promise<void> {
  const file = await RegistryFile.open({ path, ...parts });
  try {
    const { admitted, unreachable, gone } = image.state;
    const agentIds = [...admitted.keys(), ...unreachable.keys(), ...gone.keys()];
    for (let start = 0; start < agentIds.length; start += AGENTS_AT_ONCE) {
      file.addAgents(image.state, agentIds.slice(start, start + AGENTS_AT_ONCE));
      await pace();
    }
    file.replaceSettings(image.state, image.mark, image.cluster);
    file.write([], { masters: image.masters });
  } finally {
    file.close();
  }
}

/** A new file with that content. Rejects with `DatabaseError`. */
export async function writeRegistryFile(
  parts: FileParts,
  path: string,
  image: RegistryImage,
): Promise<void> {
  const file = await RegistryFile.open({ path, ...parts });
  try {
    file.replace(image.state, image.mark, image.cluster);
    file.write([], { masters: image.masters });
  } finally {
    file.close();
  }
}

export interface RestoreOptions {
  /** Also where there is something, or what is there cannot be read. */
  readonly isForced: boolean;
  /** The master is one alone from here on, whatever it was. */
  readonly isAlone: boolean;
  /** Where what is there is kept. */
  readonly aside: string;
}

/**
 * Puts `image` into the file of a master that does not run. True where something was kept aside.
 * Errors: `conflict`, the file holds something, or belongs to several masters. Rejects with
 * `DatabaseError`: `locked` while the master runs.
 */
export async function restoreRegistryFile(
  parts: FileParts,
  path: string,
  image: RegistryImage,
  { isForced, isAlone, aside }: RestoreOptions,
): Promise<Result<boolean>> {
  const there = existsSync(path) ? await tryRead(parts, path) : undefined;
  if (there instanceof DatabaseError) {
    if (!isForced) {
      return refuse("conflict", `${there.message}; or --force to keep it aside and restore`);
    }
    moveAside(path, aside);
  } else if (there !== undefined) {
    const isHeld = !isRegistryEmpty(there.state);
    if (there.mark.position > 0 && !isAlone) {
      const remedy =
        "restore it there with --zk=zk://…, or use --alone to have this master leave the others";
      return refuse(
        "conflict",
        `${path} is shared by several masters through ZooKeeper; ${remedy}`,
      );
    }
    if (isHeld && !isForced) {
      return refuse(
        "conflict",
        `${path} holds a registry; use --force to keep it aside and restore`,
      );
    }
    if (isHeld) copyRegistryFile(parts, path, aside);
  }
  await writeRegistryFile(parts, path, { ...image, mark: { position: 0, hash: "" } });
  const wasKept = there !== undefined && existsSync(aside);
  return ok(wasKept);
}

async function tryRead(parts: FileParts, path: string): Promise<RegistryImage | DatabaseError> {
  try {
    return await readRegistryFile(parts, path);
  } catch (error) {
    const isUnreadable =
      error instanceof DatabaseError && (error.code === "damaged" || error.code === "foreign");
    if (isUnreadable) return error;
    throw error;
  }
}

function moveAside(path: string, aside: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${aside}${suffix}`);
  }
}

/** A person knows the file and not its copy. */
function aboutFile(error: unknown, folder: string, path: string): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const copy = join(folder, "registry.db");
  return new DatabaseError(error.code, error.message.replaceAll(copy, path), error);
}
