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
import { ALLOCATED_CONTENTS } from "./limits.ts";
import { toMilli } from "./milli.ts";
import { toPostRefinement } from "./refinement.ts";

export type ResourceType = "SCALAR" | "RANGES" | "SET";

/** One kind of resource. Kinds of one table are equal exactly when they are the same object. */
export interface ResourceKind {
  /** Position in the table. */
  readonly kind: number;
  readonly name: string;
  readonly type: ResourceType;
  /** Number of the name among the table's scalar names; -1 unless it is a scalar. */
  readonly scalarIndex: number;
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
  /** Contents of this table that equal bundles share, by key; kept by `content.ts`. */
  readonly contents: Map<string, unknown> = new Map();
  readonly #kinds: ResourceKind[] = [];
  readonly #byKey = new Map<string, ResourceKind>();
  /** Kinds of which only name, type and allocation are said: nearly all there are. */
  readonly #plain = new Map<string, Map<string, ResourceKind>>();
  readonly #scalarNames: string[] = [];
  readonly #scalarIndexes = new Map<string, number>();
  #generation = 0;
  #allocatedCount = 0;
  /** By kind, and for `#allocated` by role before. */
  readonly #unallocated: (number | undefined)[] = [];
  readonly #allocated = new Map<string, (number | undefined)[]>();

  /** Number of kinds seen so far; kinds are 0 … size - 1. */
  get size(): number {
    return this.#kinds.length;
  }

  /** Goes up when allocated contents that were remembered are to be forgotten. */
  get generation(): number {
    return this.#generation;
  }

  /** Notes that one more allocated content is remembered; returns the generation it belongs to. */
  countAllocated(): number {
    this.#allocatedCount += 1;
    if (this.#allocatedCount > ALLOCATED_CONTENTS) {
      this.#allocatedCount = 0;
      this.#generation += 1;
    }
    return this.#generation;
  }

  /** Names of scalars by `scalarIndex`, in order of first sight. */
  get scalarNames(): readonly string[] {
    return this.#scalarNames;
  }

  /** The number of a scalar name; -1 when nothing has that name. */
  findScalarIndex(name: string): number {
    return this.#scalarIndexes.get(name) ?? -1;
  }

  /**
   * The number of a scalar name, a new one when nothing has that name yet. Tables are as wide as
   * there are names, so names that a framework makes up must not come here.
   */
  scalarIndexOf(name: string): number {
    const known = this.#scalarIndexes.get(name);
    if (known !== undefined) return known;
    const index = this.#scalarNames.push(name) - 1;
    this.#scalarIndexes.set(name, index);
    return index;
  }

  /** The kind of a validated resource, whatever its reservation format. */
  intern(resource: Resource): number {
    const refined = toPostRefinement(resource);
    if (!isPlain(refined)) return this.#internByKey(refined).kind;
    const role = refined.allocation_info?.role ?? "";
    let byName = this.#plain.get(role);
    if (byName === undefined) {
      byName = new Map();
      this.#plain.set(role, byName);
    }
    const known = byName.get(refined.name);
    if (known?.type === refined.type) return known.kind;
    const kind = this.#internByKey(refined);
    byName.set(refined.name, kind);
    return kind.kind;
  }

  /**
   * True when the kind of a validated resource was seen before. Kinds are remembered for good, so
   * what a stranger names is asked for in this way first: one not known is held by nobody.
   */
  isKnown(resource: Resource): boolean {
    const refined = toPostRefinement(resource);
    const plain = this.#plain.get(refined.allocation_info?.role ?? "")?.get(refined.name);
    if (isPlain(refined) && plain?.type === refined.type) return true;
    return this.#byKey.has(keyOf(refined, unitOf(refined)));
  }

  get(kind: number): ResourceKind {
    return must(this.#kinds[kind], "resource kind");
  }

  /** The same kind, allocated to `role`. */
  allocate(kind: number, role: string): number {
    let forRole = this.#allocated.get(role);
    if (forRole === undefined) {
      forRole = [];
      this.#allocated.set(role, forRole);
    }
    const known = forRole[kind];
    if (known !== undefined) return known;
    const result = this.intern({ ...this.get(kind).template, allocation_info: { role } });
    forRole[kind] = result;
    return result;
  }

  /** The same kind, allocated to nobody. */
  unallocate(kind: number): number {
    const known = this.#unallocated[kind];
    if (known !== undefined) return known;
    const { allocation_info: _, ...rest } = this.get(kind).template;
    const result = this.intern(rest);
    this.#unallocated[kind] = result;
    return result;
  }

  #internByKey(refined: Resource): ResourceKind {
    const unitMilli = unitOf(refined);
    const key = keyOf(refined, unitMilli);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const kind = this.#kinds.length;
    const scalarIndex = refined.type === "SCALAR" ? this.scalarIndexOf(refined.name) : -1;
    const added = makeKind({ kind, scalarIndex, unitMilli }, refined);
    this.#kinds.push(added);
    this.#byKey.set(key, added);
    return added;
  }
}

function isPlain({ reservations, provider_id, revocable, shared, disk }: Resource): boolean {
  const isBare = reservations === undefined && provider_id === undefined && disk === undefined;
  return isBare && revocable === undefined && shared === undefined;
}

function makeKind(
  numbers: Pick<ResourceKind, "kind" | "scalarIndex" | "unitMilli">,
  resource: Resource,
): ResourceKind {
  const { type } = resource;
  const { unitMilli } = numbers;
  assert(type !== "TEXT", () => `resource ${resource.name} is of type TEXT`);
  const reservations = resource.reservations ?? [];
  return {
    ...numbers,
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
