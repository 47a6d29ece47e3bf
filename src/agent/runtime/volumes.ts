/**
 * Folders of persistent volumes, in the Mesos layout. A destroyed volume is renamed into the trash,
 * so that an operator who made a mistake takes it back by renaming. Source: semantics 7.6.
 */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { posix as paths } from "node:path";
import type { ContainerVolume } from "../../containerizer/containerizer.ts";
import {
  persistentVolumes,
  volumeFolder,
  volumeRoot,
} from "../../containerizer/persistent-volumes.ts";
import type { Resource } from "../../protocol/v1/types.ts";

/** Linux takes 255 in all; behind it stand the time and a number. */
const TRASHED_ID_BYTES = 230;

/** Makes the folder unless it is there. Throws what the file system throws. */
export function createVolume(workDir: string, volume: Resource): void {
  const folder = volumeFolder(workDir, volume);
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
}

/** Where the persistent volumes among these are, and where a task finds them in its sandbox. */
export function volumesIn(workDir: string, resources: readonly Resource[]): ContainerVolume[] {
  return persistentVolumes(workDir, resources).map(({ disk, hostPath, containerPath }) => {
    return { hostPath, containerPath, isReadOnly: disk.volume?.mode === "RO" };
  });
}

/**
 * Moves the folder to the trash of its disk; returns where it is now, or undefined when there was
 * none. Throws as above.
 */
export function trashVolume(workDir: string, volume: Resource, nowMs: number): string | undefined {
  const folder = volumeFolder(workDir, volume);
  if (folder === undefined || !existsSync(folder)) return undefined;
  const trash = paths.join(volumeRoot(workDir, volume), "volumes", "trash");
  mkdirSync(trash, { recursive: true });
  const target = freeName(paths.join(trash, beginning(paths.basename(folder))), nowMs);
  renameSync(folder, target);
  return target;
}

/** Volumes of several roles may have the same id, and go at the same time. */
function freeName(path: string, nowMs: number): string {
  const first = `${path}.${nowMs}`;
  let name = first;
  for (let count = 2; existsSync(name); count += 1) name = `${first}.${count}`;
  return name;
}

/** As much of an id as leaves room for what comes behind it. */
function beginning(id: string): string {
  let text = id;
  while (Buffer.byteLength(text) > TRASHED_ID_BYTES) text = text.slice(0, -1);
  return text;
}
