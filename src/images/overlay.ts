/**
 * Layers as one root by overlayfs. The mount itself is made in the container's own mount namespace,
 * so that it ends with the container whatever happens to the agent; what has to be looked up or made
 * in the root beforehand sees it for a moment on the host. Source: kernel documentation, overlayfs.
 */
import { execFile } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../containerizer/keeper/host-tools.ts";
import { quote } from "../containerizer/keeper/launch-plan.ts";
import { mountsBelow } from "../containerizer/posix/mounts.ts";
import { dress } from "./dress.ts";
import type { UnpackedLayer } from "./helper-jobs.ts";
import { ImageError, reasonOf } from "./image-error.ts";
import { type FolderLooks, impliedFolders, makeFolders } from "./implied-folders.ts";
import { PROGRAM_DEADLINE_MS } from "./limits.ts";

const run = promisify(execFile);

/** The new calls for mounts take no text as long as the names of many layers. */
const MOUNT_ENVIRONMENT = { LIBMOUNT_FORCE_MOUNT2: "always" };

/** A stack that can be mounted. */
export interface Overlay {
  /** Where it is to be seen, absolute. */
  readonly root: string;
  /** A line of shell that mounts it. */
  readonly line: string;
  /** Folders that hold what is written in it, absolute. */
  readonly written: readonly string[];
}

/** Lays out everything in the container's folder. Errors: `ImageError`, those of the system. */
export async function prepareOverlay(
  folder: string,
  layers: readonly UnpackedLayer[],
): Promise<Overlay> {
  const [root, upper, work] = [join(folder, "root"), join(folder, "upper"), join(folder, "work")];
  for (const made of [root, upper, work, join(folder, "l")]) mkdirSync(made);
  const looks = await impliedFolders(layers);
  dressRoot(upper, looks, layers.at(-1));
  const lowers: string[] = [];
  const stack = (path: string): void => {
    // Short names: all of them have to fit into one page.
    const name = `l/${lowers.length}`;
    symlinkSync(path, join(folder, name));
    lowers.unshift(name);
  };
  for (const [index, layer] of layers.entries()) {
    const veil = await makeVeil(folder, index, layers);
    if (veil !== undefined) stack(veil);
    stack(layer.root);
  }
  // The root, which is always among them, is the upper one's.
  if (looks.size > 1) stack(await makeCover(folder, looks));
  // An image without layers is an empty root.
  if (lowers.length === 0) lowers.push("root");
  const options = `lowerdir=${lowers.join(":")},upperdir=upper,workdir=work`;
  const mount = findProgram("mount");
  if (mount === undefined) throw new ImageError("the program mount is missing: install util-linux");
  const variables = Object.entries(MOUNT_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  const words = [...variables, mount, "-t", "overlay", "-o", options, "overlay", "root"];
  return { root, written: [upper, work], line: `(cd ${quote(folder)} && ${words.join(" ")})` };
}

/** Mounts it on the host, for a moment. */
export async function mountHere({ line }: Overlay): Promise<void> {
  try {
    await run("/bin/sh", ["-c", line], { timeout: PROGRAM_DEADLINE_MS });
  } catch (error) {
    throw new ImageError(`The image's layers cannot be mounted: ${complaintOf(error)}`);
  }
}

/** Takes away whatever is mounted on the host at or below the path. Safe to repeat. */
export async function unmountHere(path: string): Promise<void> {
  // The innermost first.
  for (const target of mountsBelow(path).reverse()) {
    await run(findProgram("umount") ?? "umount", ["--", target], { timeout: PROGRAM_DEADLINE_MS });
  }
}

/** Why overlays cannot be mounted in the folder; undefined when they can. */
export async function overlayObstacle(parent: string): Promise<string | undefined> {
  const folder = mkdtempSync(join(parent, "probe-"));
  try {
    const lower = join(folder, "lower");
    mkdirSync(lower);
    const overlay = await prepareOverlay(folder, [
      { root: lower, whiteouts: [], opaques: [], implied: [] },
    ]);
    await mountHere(overlay);
    await unmountHere(overlay.root);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The root looks as the topmost layer has it that says something of it. */
function dressRoot(upper: string, looks: FolderLooks, top: UnpackedLayer | undefined): void {
  const stat = looks.get("") ?? (top === undefined ? undefined : statSync(top.root));
  if (stat !== undefined) dress(upper, stat);
}

/** A layer above all others, with nothing in it but folders that look as they should. */
async function makeCover(folder: string, looks: FolderLooks): Promise<string> {
  const cover = join(folder, "cover");
  mkdirSync(cover);
  await makeFolders(cover, looks);
  return cover;
}

/**
 * A layer whose folders hide what is below them needs a veil: a layer of its own beneath it in which
 * everything is gone that those below have there. (The attribute that overlayfs has for that can be
 * set by no program that every host has.)
 */
async function makeVeil(
  folder: string,
  index: number,
  layers: readonly UnpackedLayer[],
): Promise<string | undefined> {
  const opaques = layers[index]?.opaques ?? [];
  const below = layers.slice(0, index);
  if (opaques.length === 0 || below.length === 0) return undefined;
  const veil = join(folder, `veil-${index}`);
  mkdirSync(veil);
  const sign = join(folder, `sign-${index}`);
  await run(findProgram("mknod") ?? "mknod", ["--", sign, "c", "0", "0"], {
    timeout: PROGRAM_DEADLINE_MS,
  });
  for (const path of opaques) {
    const names = new Set(below.flatMap(({ root }) => namesIn(root, path)));
    mkdirSync(join(veil, path), { recursive: true });
    for (const name of names) {
      const target = join(veil, path, name);
      if (lstatSync(target, { throwIfNoEntry: false }) === undefined) linkSync(sign, target);
    }
  }
  rmSync(sign);
  return veil;
}

/** Names in a folder of a layer, if it has that folder and not a link in its place. */
function namesIn(root: string, path: string): string[] {
  let folder = root;
  for (const part of path.split("/").filter((one) => one !== "")) {
    folder = join(folder, part);
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  }
  return readdirSync(folder);
}

function complaintOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return stderr === "" ? reasonOf(error) : stderr;
}
