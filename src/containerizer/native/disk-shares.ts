/**
 * What a container may hold where: in its sandbox, and in each of its persistent volumes. Pure.
 * Source: semantics 7.13, 7.14.
 */
import type { DiskStatistics, Resource, ResourceDiskInfo } from "../../protocol/v1/types.ts";
import type { Limitation } from "../containerizer.ts";
import { persistentVolumes } from "../persistent-volumes.ts";

export interface DiskShare {
  readonly quotaBytes: number;
  /** Undefined for the sandbox. */
  readonly disk: ResourceDiskInfo | undefined;
}

export interface VolumeShare extends DiskShare {
  /** Absolute, on the host. */
  readonly path: string;
  readonly disk: ResourceDiskInfo;
  /** A disk of its own (MOUNT), which has no other bound than its size. */
  readonly isWhole: boolean;
}

/** Disk of the sandbox: what is neither a volume nor on a disk of its own. */
export function quotaBytes(resources: readonly Resource[]): number | undefined {
  const own = resources.filter(({ name, disk }) => {
    return name === "disk" && disk?.persistence === undefined && disk?.source === undefined;
  });
  if (own.length === 0) return undefined;
  return bytes(own.reduce((sum, resource) => sum + (resource.scalar?.value ?? 0), 0));
}

/** Of each persistent volume among the resources. */
export function volumeShares(workDir: string, resources: readonly Resource[]): VolumeShare[] {
  const shares = persistentVolumes(workDir, resources).map(({ disk, megabytes, hostPath }) => {
    const isWhole = disk.source?.type === "MOUNT";
    return { path: hostPath, quotaBytes: bytes(megabytes), disk, isWhole };
  });
  // It may be seen at several places.
  return [...new Map(shares.map((share) => [share.path, share])).values()];
}

/** What to end a container for that holds `used` bytes of the share; undefined where it may. */
export function excessOf(share: DiskShare, used: number): Limitation | undefined {
  const { quotaBytes: quota, disk } = share;
  if (used <= quota) return undefined;
  const id = disk?.persistence?.id;
  const where = id === undefined ? "" : ` for volume '${id}'`;
  const value = megabytes(used);
  return {
    reason: "REASON_CONTAINER_LIMITATION_DISK",
    message: `Disk usage (${value}MB) exceeds quota (${megabytes(quota)}MB)${where}`,
    resources: [
      { name: "disk", type: "SCALAR", scalar: { value }, ...(disk === undefined ? {} : { disk }) },
    ],
  };
}

/** Undefined: what is not known of it. */
export function statisticsOf(
  disk: ResourceDiskInfo | undefined,
  limitBytes: number | undefined,
  usedBytes: number | undefined,
): DiskStatistics {
  return {
    ...(disk?.source === undefined ? {} : { source: disk.source }),
    ...(disk?.persistence === undefined ? {} : { persistence: disk.persistence }),
    ...(limitBytes === undefined ? {} : { limit_bytes: limitBytes }),
    ...(usedBytes === undefined ? {} : { used_bytes: usedBytes }),
  };
}

function bytes(ofMegabytes: number): number {
  return Math.round(ofMegabytes * 1024 * 1024);
}

function megabytes(ofBytes: number): number {
  return Math.round((ofBytes / (1024 * 1024)) * 1000) / 1000;
}
