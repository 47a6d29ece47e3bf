/**
 * Folders of persistent volumes, in the Mesos layout. A destroyed volume is renamed into the trash,
 * so that an operator who made a mistake takes it back by renaming. Source: semantics 7.6.
 */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { posix as paths } from "node:path";
import { excerpt } from "../../base/text.ts";
import type { ContainerVolume } from "../../containerizer/containerizer.ts";
import type { Resource } from "../../protocol/v1/types.ts";

/** Makes the folder unless it is there. Throws what the file system throws. */
export function createVolume(workDir: string, volume: Resource): void {
  const folder = volumeFolder(workDir, volume);
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
}

/** Where the persistent volumes among these are, and where a task finds them in its sandbox. */
export function volumesIn(workDir: string, resources: readonly Resource[]): ContainerVolume[] {
  return resources.flatMap((resource) => {
    const containerPath = resource.disk?.volume?.container_path;
    const hostPath = volumeFolder(workDir, resource) ?? resource.disk?.source?.mount?.root;
    if (resource.disk?.persistence === undefined) return [];
    if (containerPath === undefined || hostPath === undefined) return [];
    const isReadOnly = resource.disk.volume?.mode === "RO";
    return [{ hostPath: paths.resolve(hostPath), containerPath, isReadOnly }];
  });
}

/**
 * Moves the folder to the trash of its disk; returns where it is now, or undefined when there was
 * none. Throws as above.
 */
export function trashVolume(workDir: string, volume: Resource, nowMs: number): string | undefined {
  const folder = volumeFolder(workDir, volume);
  if (folder === undefined || !existsSync(folder)) return undefined;
  const trash = paths.join(rootOf(workDir, volume), "volumes", "trash");
  mkdirSync(trash, { recursive: true });
  const target = paths.join(trash, `${paths.basename(folder)}.${nowMs}`);
  renameSync(folder, target);
  return target;
}

/**
 * `<root>/volumes/roles/<role>/<id>`, with a space for each `/` of the role; root is the work folder
 * or the PATH disk's. Undefined for whole disks (MOUNT), which are their own folder.
 */
function volumeFolder(workDir: string, volume: Resource): string | undefined {
  if (volume.disk?.source?.type === "MOUNT") return undefined;
  const id = volume.disk?.persistence?.id;
  const role = volume.reservations?.at(-1)?.role ?? volume.role;
  if (id === undefined || role === undefined) return undefined;
  if (id.includes("/") || id === "." || id === "..") {
    throw new Error(`volume id ${excerpt(id)} is no folder name`);
  }
  return paths.join(rootOf(workDir, volume), "volumes", "roles", role.replaceAll("/", " "), id);
}

function rootOf(workDir: string, volume: Resource): string {
  const root = volume.disk?.source?.path?.root;
  return root === undefined ? workDir : paths.resolve(workDir, root);
}
