/**
 * Paths inside a sandbox, which belongs to a task: links in it may lead anywhere, and folders may be
 * replaced by links at any moment. So what acts with the agent's rights goes from one held folder to
 * the next and follows none.
 */
import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  symlinkSync,
} from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { ContainerizerError, type HostUser } from "../containerizer.ts";
import type { HeldFolder } from "./held-folder.ts";

type Parts = readonly [string, ...string[]];

/** The parts of a path inside a folder. Errors: `ContainerizerError` for one that leads out of it. */
function partsInside(path: string, field: string): Parts {
  const parts = normalize(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  const [first, ...rest] = parts;
  if (isAbsolute(path) || parts.includes("..") || first === undefined || path.includes("\0")) {
    throw new ContainerizerError(`${field} ${JSON.stringify(path)} is not inside the sandbox`);
  }
  return [first, ...rest];
}

/** What is at a path, without links on the way: what whoever uses the path has to find there. */
export interface Place {
  readonly path: string;
  readonly kind: "folder" | "file";
}

/** What is there; undefined for nothing. Errors: `ContainerizerError`, also for a link on the way. */
export function existingInside(folder: HeldFolder, path: string, field: string): Place | undefined {
  return existingAt(folder, partsInside(path, field), field);
}

function existingAt(folder: HeldFolder, [name, ...rest]: Parts, field: string): Place | undefined {
  const { place, stat } = sight(folder, name, field);
  if (stat === undefined) return undefined;
  const [next, ...others] = rest;
  if (next === undefined) return { path: place, kind: stat.isDirectory() ? "folder" : "file" };
  return folder.inner(name).use((inner) => existingAt(inner, [next, ...others], field));
}

/**
 * Text of a file of at most `bytesMax`; undefined for a larger one, and for what is no file, a link
 * to one among it. Throws what the system does for what is not there, too.
 */
export function textInside(folder: HeldFolder, path: string, bytesMax: number): string | undefined {
  const [name, ...rest] = partsInside(path, "the file's path");
  const [next, ...others] = rest;
  if (next !== undefined) {
    const inner = [next, ...others].join("/");
    return folder.inner(name).use((held) => textInside(held, inner, bytesMax));
  }
  // Whoever put a pipe there would have all wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = openSync(join(folder.path, name), flags);
  try {
    const stat = fstatSync(file);
    return stat.isFile() && stat.size <= bytesMax ? readFileSync(file, "utf8") : undefined;
  } finally {
    closeSync(file);
  }
}

export interface TargetOptions {
  readonly field: string;
  /** Whose what is made is to be. */
  readonly user: HostUser | undefined;
}

/**
 * A path to mount something at, without links: a folder, or a file where a file is to be mounted;
 * made where it is missing, with its parents, for the user. Errors: `ContainerizerError`.
 */
export function targetInside(
  folder: HeldFolder,
  path: string,
  options: TargetOptions & { readonly kind: Place["kind"] },
): string {
  return inParent(folder, partsInside(path, options.field), options, (parent, name) =>
    options.kind === "file"
      ? fileAt(parent, name, options)
      : folderAt(parent, name, options).use((target) => target.realPath),
  );
}

/** Puts a link at a path where nothing is, with its parents. Throws what the system does, too. */
export function linkInside(
  folder: HeldFolder,
  path: string,
  options: TargetOptions & { readonly leadsTo: string },
): void {
  inParent(folder, partsInside(path, options.field), options, (parent, name) => {
    symlinkSync(options.leadsTo, join(parent.path, name));
  });
}

function inParent<T>(
  folder: HeldFolder,
  [name, ...rest]: Parts,
  options: TargetOptions,
  work: (parent: HeldFolder, name: string) => T,
): T {
  const [next, ...others] = rest;
  if (next === undefined) return work(folder, name);
  return folderAt(folder, name, options).use((inner) =>
    inParent(inner, [next, ...others], options, work),
  );
}

function folderAt(folder: HeldFolder, name: string, { field, user }: TargetOptions): HeldFolder {
  const { place, stat } = sight(folder, name, field);
  if (stat?.isDirectory() === true) return folder.inner(name);
  if (stat !== undefined) throw new ContainerizerError(`${field} ${place} is no folder`);
  const made = folder.make(name);
  if (user !== undefined) chownSync(made.path, user.uid, user.gid);
  return made;
}

function fileAt(folder: HeldFolder, name: string, { field, user }: TargetOptions): string {
  const { place, stat } = sight(folder, name, field);
  if (stat?.isDirectory() === true) throw new ContainerizerError(`${field} ${place} is a folder`);
  if (stat !== undefined) return place;
  const file = openSync(join(folder.path, name), "wx", 0o600);
  try {
    if (user !== undefined) fchownSync(file, user.uid, user.gid);
  } finally {
    closeSync(file);
  }
  return place;
}

function sight(
  folder: HeldFolder,
  name: string,
  field: string,
): { readonly place: string; readonly stat: Stats | undefined } {
  const place = join(folder.realPath, name);
  const stat = lstatSync(join(folder.path, name), { throwIfNoEntry: false });
  if (stat?.isSymbolicLink() !== true) return { place, stat };
  throw new ContainerizerError(
    `${field} leads through the link ${place}; use a path without links`,
  );
}

/** What is at a path of the host. Errors: `ContainerizerError` when there is nothing. */
export function kindOf(path: string, field: string): "folder" | "file" {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ContainerizerError(`${field} ${path} does not exist`);
  return stat.isDirectory() ? "folder" : "file";
}
