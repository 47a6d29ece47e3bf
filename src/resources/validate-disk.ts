/**
 * Disk details, persistent volumes and sharing, as far as they concern the resource itself; what
 * CREATE asks on top is the master's. Source: reference/semantics.md 5.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { Resource, ResourceDiskInfo } from "../protocol/v1/types.ts";
import { validateId } from "../protocol/validation/ids.ts";

/** Checks disk and shared; reservations must have been checked before. */
export function validateDisk(resource: Resource, path: string): Result<void> {
  const { disk, shared } = resource;
  if (shared !== undefined && disk?.persistence === undefined) {
    const message = `${path} is shared; only persistent volumes can be`;
    return refuse("invalid", message, `${path}.shared`);
  }
  if (disk === undefined) return ok(undefined);
  if (resource.name !== "disk" || resource.type !== "SCALAR") {
    const message = `${path} is ${excerpt(resource.name)} with disk details; only disk has them`;
    return refuse("invalid", message, `${path}.disk`);
  }
  if (disk.source?.type === "UNKNOWN") {
    const message = `${path} has a disk source of no type; use PATH, MOUNT, BLOCK or RAW`;
    return refuse("invalid", message, `${path}.disk.source.type`);
  }
  return disk.persistence === undefined
    ? ok(undefined)
    : validateVolume(resource, disk, disk.persistence.id, path);
}

function validateVolume(
  resource: Resource,
  { volume }: ResourceDiskInfo,
  id: string,
  path: string,
): Result<void> {
  const safe = validateId(id, `${path}.disk.persistence.id`);
  if (!safe.ok) return safe;
  if ((resource.reservations?.length ?? 0) === 0 && (resource.role ?? "*") === "*") {
    const message = `${path} is a persistent volume of no role; reserve it first`;
    return refuse("invalid", message, `${path}.reservations`);
  }
  if (resource.revocable !== undefined) {
    const message = `${path} is a revocable persistent volume; use non-revocable disk`;
    return refuse("invalid", message, `${path}.revocable`);
  }
  if (volume?.host_path !== undefined) {
    const message = `${path} is a persistent volume with a host path; leave host_path out`;
    return refuse("invalid", message, `${path}.disk.volume.host_path`);
  }
  return ok(undefined);
}
