/** A checked copy of a database file that nobody has open. */
import { existsSync } from "node:fs";
import type { SqlConnection, SqlOpen } from "../base/ports.ts";
import { explainOpening } from "./database.ts";
import { DatabaseError } from "./database-error.ts";
import { replaceFile } from "./files.ts";
import { assertIntact, assertKnownVersion, type DatabaseName, readVersion } from "./identity.ts";
import { takeExclusively } from "./pragma.ts";

export interface CopyOptions {
  readonly path: string;
  readonly open: SqlOpen;
  readonly name: DatabaseName;
  /** Schema version that this program knows. */
  readonly knownVersion: number;
}

/**
 * Checks every page and index, and writes a copy in place of what is at `target`; the file itself
 * keeps its schema. Throws `DatabaseError`: `missing`, `locked`, `foreign`, `newer`, `damaged` or what
 * the disk says.
 */
export function copyDatabase(
  { path, open, name, knownVersion }: CopyOptions,
  target: string,
): void {
  if (!existsSync(path)) throw new DatabaseError("missing", `there is no file ${path}`);
  let connection: SqlConnection | undefined;
  try {
    connection = open(path);
    const source = connection;
    takeExclusively(source);
    assertKnownVersion(path, readVersion(source, path, name), knownVersion);
    assertIntact(source, path, "integrity_check");
    replaceFile(target, (partial) => source.prepare("VACUUM INTO ?").run([partial]));
  } catch (error) {
    throw explainOpening(error, path);
  } finally {
    connection?.close();
  }
}
