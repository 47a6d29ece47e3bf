/**
 * Layers copied over each other into one root, for hosts that cannot mount them so. The root belongs
 * to nobody else while this goes on. Source: Mesos docs/container-image.md, backend `copy`.
 */
import {
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { dress } from "../dress.ts";
import type { UnpackedLayer } from "../helper-jobs.ts";

/** `root`: absolute, exists. Errors: those of the system. */
export async function copyLayers(layers: readonly UnpackedLayer[], root: string): Promise<void> {
  for (const layer of layers) {
    for (const path of layer.whiteouts) removeInside(root, path);
    for (const path of layer.opaques) emptyInside(root, path);
    const implied = new Set(layer.implied.map((path) => join(layer.root, path)));
    await copyFolder(layer.root, root, { implied, links: new Map() });
  }
}

interface LayerCopy {
  /** Folders of the layer that stay as those below it have them. */
  readonly implied: ReadonlySet<string>;
  /** Where files with several names are already. */
  readonly links: Map<number, string>;
}

/** `to` is there; `isMade` when nothing below has it. */
async function copyFolder(
  from: string,
  to: string,
  layer: LayerCopy,
  isMade: boolean = false,
): Promise<void> {
  const stat = lstatSync(!isMade && layer.implied.has(from) ? to : from);
  for (const name of readdirSync(from)) {
    const source = join(from, name);
    const target = join(to, name);
    const entry = lstatSync(source);
    if (entry.isDirectory()) {
      const isMissing = lstatSync(target, { throwIfNoEntry: false })?.isDirectory() !== true;
      if (isMissing) {
        rmSync(target, { force: true });
        mkdirSync(target);
      }
      await copyFolder(source, target, layer, isMissing);
    } else {
      copyEntry({ source, target, entry }, layer.links);
    }
  }
  dress(to, stat);
  await nextTurn();
}

function copyEntry(
  { source, target, entry }: { source: string; target: string; entry: Stats },
  links: Map<number, string>,
): void {
  // What is gone is a device here, and has been removed already.
  if (entry.isCharacterDevice()) return;
  rmSync(target, { recursive: true, force: true });
  const first = entry.nlink > 1 ? links.get(entry.ino) : undefined;
  if (first !== undefined) {
    linkSync(first, target);
    return;
  }
  if (entry.nlink > 1) links.set(entry.ino, target);
  if (entry.isSymbolicLink()) {
    symlinkSync(readlinkSync(source), target);
    lchownSync(target, entry.uid, entry.gid);
    return;
  }
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  dress(target, entry);
}

function removeInside(root: string, path: string): void {
  if (isBehindLink(root, path)) return;
  rmSync(join(root, path), { recursive: true, force: true });
}

function emptyInside(root: string, path: string): void {
  const folder = join(root, path);
  if (isBehindLink(root, path)) return;
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** What lies behind a link in the layers below is not what the layer above means. */
function isBehindLink(root: string, path: string): boolean {
  let folder = root;
  for (const part of path.split("/").slice(0, -1)) {
    folder = join(folder, part);
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return true;
  }
  return false;
}
