/**
 * Interns what makes two resources mergeable (everything but the value) into a small integer, the
 * kind, so that arithmetic compares numbers instead of messages. One table per core; kinds are
 * never forgotten, their number is bounded by the variety of resources, not by their amount.
 */
import { assert, must } from "../base/assert.ts";
import type { Labels, Resource, ResourceReservationInfo } from "../protocol/v1/types.ts";
import { toPostRefinement } from "./refinement.ts";

export type ResourceType = "SCALAR" | "RANGES" | "SET";

/** One kind of resource. */
export interface ResourceKind {
  /** Position in the table. */
  readonly kind: number;
  readonly name: string;
  readonly type: ResourceType;
  /** Post-refinement form without a value. */
  readonly template: Resource;
  /** Role of the topmost reservation; `*` when unreserved. */
  readonly reservationRole: string;
  readonly reservations: readonly ResourceReservationInfo[];
  readonly allocationRole: string | undefined;
  readonly isRevocable: boolean;
  readonly isShared: boolean;
  readonly hasDisk: boolean;
  readonly isPersistentVolume: boolean;
  /** Taken whole or not at all: persistent volumes, MOUNT and BLOCK disks. */
  readonly isIndivisible: boolean;
}

export class ResourceKinds {
  readonly #kinds: ResourceKind[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #unallocated = new Map<number, number>();
  readonly #allocated = new Map<string, Map<number, number>>();

  /** Number of kinds seen so far; kinds are 0 … size - 1. */
  get size(): number {
    return this.#kinds.length;
  }

  /** The kind of a validated resource, whatever its reservation format. */
  intern(resource: Resource): number {
    const template = withoutValue(toPostRefinement(resource));
    const key = keyOf(template);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const kind = this.#kinds.length;
    this.#kinds.push(describe(kind, template));
    this.#byKey.set(key, kind);
    return kind;
  }

  get(kind: number): ResourceKind {
    return must(this.#kinds[kind], `resource kind ${kind}`);
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

function withoutValue(resource: Resource): Resource {
  const { scalar: _scalar, ranges: _ranges, set: _set, ...template } = resource;
  return template;
}

function describe(kind: number, template: Resource): ResourceKind {
  const { type } = template;
  assert(type !== "TEXT", () => `resource ${template.name} is of type TEXT`);
  const reservations = template.reservations ?? [];
  const source = template.disk?.source?.type;
  const isPersistentVolume = template.disk?.persistence !== undefined;
  return {
    kind,
    name: template.name,
    type,
    template,
    reservationRole: reservations.at(-1)?.role ?? "*",
    reservations,
    allocationRole: template.allocation_info?.role,
    isRevocable: template.revocable !== undefined,
    isShared: template.shared !== undefined,
    hasDisk: template.disk !== undefined,
    isPersistentVolume,
    isIndivisible: isPersistentVolume || source === "MOUNT" || source === "BLOCK",
  };
}

/** Equal for equal kinds whatever the order of keys; labels compare as multisets. */
function keyOf(template: Resource): string {
  const reservations = (template.reservations ?? []).map((reservation) => [
    reservation.type ?? "",
    reservation.role ?? "",
    reservation.principal ?? null,
    labelKey(reservation.labels),
  ]);
  return JSON.stringify([
    template.name,
    template.type,
    template.allocation_info?.role ?? null,
    reservations,
    template.provider_id?.value ?? null,
    template.revocable !== undefined,
    template.shared !== undefined,
    canonical(template.disk),
  ]);
}

function labelKey(labels: Labels | undefined): readonly string[] {
  return (labels?.labels ?? []).map((label) => JSON.stringify([label.key, label.value ?? null])).sort();
}

/** A plain value with the keys of its records sorted and absent ones left out. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [name, canonical(field)]);
}
