/**
 * Paths inside a sandbox, which belongs to a task: links in it may lead anywhere, so none is
 * followed by what acts with the agent's rights.
 */
import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { ContainerizerError, type HostUser } from "../containerizer.ts";

/** The parts of a path inside a folder. Errors: `ContainerizerError` for one that leads out of it. */
function partsInside(path: string, field: string): string[] {
  const parts = normalize(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (isAbsolute(path) || parts.includes("..") || parts.length === 0 || path.includes("\0")) {
    throw new ContainerizerError(`${field} ${JSON.stringify(path)} is not inside the sandbox`);
  }
  return parts;
}

/** A path that is there. Errors: `ContainerizerError`, also for a link on the way. */
export function existingInside(folder: string, path: string, field: string): string {
  let current = folder;
  for (const part of partsInside(path, field)) {
    current = join(current, part);
    const stat = lstatSync(current, { throwIfNoEntry: false });
    if (stat === undefined) throw new ContainerizerError(`${field} ${current} does not exist`);
    if (stat.isSymbolicLink()) throw linkError(field, current);
  }
  return current;
}

/**
 * A path to mount something at: a folder, or a file where a file is to be mounted; made where it is
 * missing, with its parents, for the user. Errors: `ContainerizerError`.
 */
export function targetInside(
  folder: string,
  path: string,
  options: {
    readonly field: string;
    readonly kind: "folder" | "file";
    readonly user: HostUser | undefined;
  },
): string {
  const { field, kind, user } = options;
  const parts = partsInside(path, field);
  let current = folder;
  for (const [index, part] of parts.entries()) {
    current = join(current, part);
    const isFile = index === parts.length - 1 && kind === "file";
    const stat = lstatSync(current, { throwIfNoEntry: false });
    if (stat === undefined) {
      if (isFile) closeSync(openSync(current, "wx", 0o600));
      else mkdirSync(current, { mode: 0o755 });
      if (!isFile) chmodSync(current, 0o755);
      if (user !== undefined) chownSync(current, user.uid, user.gid);
    } else if (stat.isSymbolicLink()) {
      throw linkError(field, current);
    } else if (stat.isDirectory() === isFile) {
      throw new ContainerizerError(`${field} ${current} is ${isFile ? "a" : "no"} folder`);
    }
  }
  return current;
}

/** What is at a path of the host. Errors: `ContainerizerError` when there is nothing. */
export function kindOf(path: string, field: string): "folder" | "file" {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ContainerizerError(`${field} ${path} does not exist`);
  return stat.isDirectory() ? "folder" : "file";
}

function linkError(field: string, path: string): ContainerizerError {
  return new ContainerizerError(
    `${field} leads through the link ${path}; use a path without links`,
  );
}
