/**
 * Layers copied over each other into one root, for hosts that cannot mount them so. The root belongs
 * to nobody else while this goes on. Source: Mesos docs/container-image.md, backend `copy`.
 */
import {
  chmodSync,
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
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { UnpackedLayer } from "../helper-jobs.ts";

/** `root`: absolute, exists. Errors: those of the system. */
export async function copyLayers(layers: readonly UnpackedLayer[], root: string): Promise<void> {
  for (const layer of layers) {
    for (const path of layer.whiteouts) removeInside(root, path);
    for (const path of layer.opaques) emptyInside(root, path);
    await copyFolder(layer.root, root, new Map());
  }
}

async function copyFolder(from: string, to: string, links: Map<number, string>): Promise<void> {
  const stat = lstatSync(from);
  for (const name of readdirSync(from)) {
    const source = join(from, name);
    const target = join(to, name);
    const entry = lstatSync(source);
    if (entry.isDirectory()) {
      if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() !== true) {
        rmSync(target, { force: true });
        mkdirSync(target);
      }
      await copyFolder(source, target, links);
    } else {
      copyEntry({ source, target, entry }, links);
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

function dress(path: string, { uid, gid, mode, atimeMs, mtimeMs }: Stats): void {
  lchownSync(path, uid, gid);
  // After the owner, whose change takes the setuid bit away.
  chmodSync(path, mode & 0o7777);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
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
