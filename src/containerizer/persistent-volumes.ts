/** Which of a container's resources are persistent volumes, and where they are. Source: semantics 7.6. */
import { posix as paths } from "node:path";
import { excerpt } from "../base/text.ts";
import type { Resource, ResourceDiskInfo } from "../protocol/v1/types.ts";

export interface PersistentVolume {
  readonly disk: ResourceDiskInfo;
  readonly megabytes: number;
  /** Absolute. */
  readonly hostPath: string;
  /** Relative to the sandbox. */
  readonly containerPath: string;
}

/** Those among the resources, each once. Throws for one whose id is no folder name. */
export function persistentVolumes(
  workDir: string,
  resources: readonly Resource[],
): PersistentVolume[] {
  const found = new Map<string, PersistentVolume>();
  for (const resource of resources) {
    const { disk, scalar } = resource;
    const containerPath = disk?.volume?.container_path;
    const path = volumeFolder(workDir, resource) ?? disk?.source?.mount?.root;
    if (disk?.persistence === undefined || containerPath === undefined) continue;
    if (path === undefined) continue;
    const hostPath = paths.resolve(workDir, path);
    const volume = { disk, megabytes: scalar?.value ?? 0, hostPath, containerPath };
    // One that tasks of an executor share may be there for each of them.
    found.set(`${hostPath}\0${containerPath}`, volume);
  }
  return [...found.values()];
}

/**
 * `<root>/volumes/roles/<role>/<id>`, with a space for each `/` of the role; root is the work folder
 * or the PATH disk's. Undefined for whole disks (MOUNT), which are their own folder.
 */
export function volumeFolder(workDir: string, volume: Resource): string | undefined {
  if (volume.disk?.source?.type === "MOUNT") return undefined;
  const id = volume.disk?.persistence?.id;
  const role = volume.reservations?.at(-1)?.role ?? volume.role;
  if (id === undefined || role === undefined) return undefined;
  if (id.includes("/") || id === "." || id === "..") {
    throw new Error(`volume id ${excerpt(id)} is no folder name`);
  }
  const name = role.replaceAll("/", " ");
  return paths.join(volumeRoot(workDir, volume), "volumes", "roles", name, id);
}

/** The work folder or that of a PATH disk. */
export function volumeRoot(workDir: string, volume: Resource): string {
  const root = volume.disk?.source?.path?.root;
  return root === undefined ? workDir : paths.resolve(workDir, root);
}
