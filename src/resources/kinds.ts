/**
 * Interns what makes two resources mergeable (everything but the value) into a small integer, the
 * kind, so that arithmetic compares numbers instead of messages. One table per core; kinds are
 * never forgotten, so their number grows with the variety of resources, not with their amount.
 * Source: DESIGN §3; what counts as equal is Mesos' (`src/common/resources.cpp`, `type_utils.cpp`).
 */
import { assert, must } from "../base/assert.ts";
import type {
  Labels,
  Resource,
  ResourceDiskInfo,
  ResourceReservationInfo,
} from "../protocol/v1/types.ts";
import { toMilli } from "./milli.ts";
import { toPostRefinement } from "./refinement.ts";

export type ResourceType = "SCALAR" | "RANGES" | "SET";

/** One kind of resource. Kinds of one table are equal exactly when they are the same object. */
export interface ResourceKind {
  /** Position in the table. */
  readonly kind: number;
  readonly name: string;
  readonly type: ResourceType;
  /** Post-refinement form; carries a value only where `unitMilli` is set. */
  readonly template: Resource;
  /** Role of the topmost reservation; `*` when unreserved. */
  readonly reservationRole: string;
  readonly reservations: readonly ResourceReservationInfo[];
  readonly allocationRole: string | undefined;
  readonly isRevocable: boolean;
  readonly isShared: boolean;
  readonly hasDisk: boolean;
  readonly isPersistentVolume: boolean;
  /** Taken whole or not at all: persistent volumes, MOUNT and BLOCK disks, RAW ones with an id. */
  readonly isIndivisible: boolean;
  /** Thousandths of one copy where whole copies are counted: indivisible and shared kinds. */
  readonly unitMilli: number | undefined;
}

export class ResourceKinds {
  readonly #kinds: ResourceKind[] = [];
  readonly #byKey = new Map<string, ResourceKind>();
  readonly #unallocated = new Map<number, number>();
  readonly #allocated = new Map<string, Map<number, number>>();

  /** Number of kinds seen so far; kinds are 0 … size - 1. */
  get size(): number {
    return this.#kinds.length;
  }

  /** The kind of a validated resource, whatever its reservation format. */
  intern(resource: Resource): number {
    const refined = toPostRefinement(resource);
    const unitMilli = unitOf(refined);
    const key = keyOf(refined, unitMilli);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.kind;
    const added = makeKind(this.#kinds.length, refined, unitMilli);
    this.#kinds.push(added);
    this.#byKey.set(key, added);
    return added.kind;
  }

  get(kind: number): ResourceKind {
    return must(this.#kinds[kind], "resource kind");
  }

  /** The same kind, allocated to `role`. */
  allocate(kind: number, role: string): number {
    let forRole = this.#allocated.get(role);
    if (forRole === undefined) {
      forRole = new Map();
      this.#allocated.set(role, forRole);
    }
    const known = forRole.get(kind);
    if (known !== undefined) return known;
    const result = this.intern({ ...this.get(kind).template, allocation_info: { role } });
    forRole.set(kind, result);
    return result;
  }

  /** The same kind, allocated to nobody. */
  unallocate(kind: number): number {
    const known = this.#unallocated.get(kind);
    if (known !== undefined) return known;
    const { allocation_info: _, ...rest } = this.get(kind).template;
    const result = this.intern(rest);
    this.#unallocated.set(kind, result);
    return result;
  }
}

function makeKind(kind: number, resource: Resource, unitMilli: number | undefined): ResourceKind {
  const { type } = resource;
  assert(type !== "TEXT", () => `resource ${resource.name} is of type TEXT`);
  const reservations = resource.reservations ?? [];
  return {
    kind,
    name: resource.name,
    type,
    template: unitMilli === undefined ? withoutValue(resource) : resource,
    reservationRole: reservations.at(-1)?.role ?? "*",
    reservations,
    allocationRole: resource.allocation_info?.role,
    isRevocable: resource.revocable !== undefined,
    isShared: resource.shared !== undefined,
    hasDisk: resource.disk !== undefined,
    isPersistentVolume: resource.disk?.persistence !== undefined,
    isIndivisible: isIndivisible(resource.disk),
    unitMilli,
  };
}

function withoutValue(resource: Resource): Resource {
  const { scalar: _scalar, ranges: _ranges, set: _set, ...template } = resource;
  return template;
}

function unitOf(resource: Resource): number | undefined {
  const isCounted = resource.shared !== undefined || isIndivisible(resource.disk);
  return isCounted ? toMilli(resource.scalar?.value ?? 0) : undefined;
}

function isIndivisible(disk: ResourceDiskInfo | undefined): boolean {
  if (disk === undefined) return false;
  const { type, id } = disk.source ?? {};
  const isRawWithIdentity = type === "RAW" && id !== undefined;
  return (
    disk.persistence !== undefined || type === "MOUNT" || type === "BLOCK" || isRawWithIdentity
  );
}

/** Equal for equal kinds whatever the order of keys; the order of reservations counts. */
function keyOf(resource: Resource, unitMilli: number | undefined): string {
  return JSON.stringify([
    resource.name,
    resource.type,
    resource.allocation_info?.role ?? null,
    (resource.reservations ?? []).map(reservationKey),
    resource.provider_id?.value ?? null,
    resource.revocable !== undefined,
    resource.shared !== undefined,
    resource.disk === undefined ? null : diskKey(resource.disk),
    unitMilli ?? null,
  ]);
}

function reservationKey(reservation: ResourceReservationInfo): unknown {
  const { type, role, principal, labels } = reservation;
  return [type ?? null, role ?? null, principal ?? null, labelsKey(labels)];
}

/**
 * The volume is left out, since it says how a disk is used and each task may say that anew; of the
 * persistence only the id counts.
 */
function diskKey(disk: ResourceDiskInfo): unknown {
  const { source, persistence } = disk;
  const sourceKey =
    source === undefined
      ? null
      : [
          source.type,
          source.path === undefined ? null : [source.path.root ?? null],
          source.mount === undefined ? null : [source.mount.root ?? null],
          source.vendor ?? null,
          source.id ?? null,
          source.profile ?? null,
          labelsKey(source.metadata),
        ];
  return [sourceKey, persistence?.id ?? null];
}

/** Labels are a multiset; an absent list differs from an empty one, an absent value does not. */
function labelsKey(labels: Labels | undefined): readonly string[] | null {
  if (labels === undefined) return null;
  return (labels.labels ?? []).map(({ key, value }) => JSON.stringify([key, value ?? ""])).sort();
}
