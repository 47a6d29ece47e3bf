/**
 * What an offer operation makes of resources: which go in, which come out, never more or less of
 * them. Resources are post-refinement messages, allocated or not; both sides of a conversion carry
 * the same allocation. Source: semantics 5.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import type { OfferOperation, Resource, ResourceDiskInfo } from "../protocol/v1/types.ts";
import { Bundle } from "./bundle.ts";
import { formatResources } from "./format.ts";
import { ResourceKinds } from "./kinds.ts";
import { fromMilli, toMilli } from "./milli.ts";
import { toPostRefinement } from "./refinement.ts";

/** Both sides hold the same amount of every name. */
export interface Conversion {
  readonly consumed: readonly Resource[];
  readonly converted: readonly Resource[];
}

/**
 * The conversion of an operation whose message is complete. Refusals: `invalid` when there is
 * nothing to take off or put on; `notImplemented` for operations of resource providers.
 */
export function conversionOf(operation: OfferOperation): Result<Conversion> {
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation;
  switch (operation.type) {
    case "RESERVE":
      return reserved(post(reserve?.resources), reserve?.source);
    case "UNRESERVE":
      return mapped(post(unreserve?.resources), withoutLastReservation);
    case "CREATE":
      return inverted(mapped(post(create?.volumes), withoutVolume));
    case "DESTROY":
      return mapped(post(destroy?.volumes), withoutVolume);
    case "GROW_VOLUME":
      if (grow_volume === undefined) return missing("grow_volume");
      return grown(toPostRefinement(grow_volume.volume), toPostRefinement(grow_volume.addition));
    case "SHRINK_VOLUME":
      if (shrink_volume === undefined) return missing("shrink_volume");
      return shrunk(toPostRefinement(shrink_volume.volume), shrink_volume.subtract.value);
    default:
      return refuse("notImplemented", `${operation.type} needs a resource provider; none is here`);
  }
}

/** The agent must remember it: reserved at run time, or a persistent volume. */
export function isCheckpointed(resource: Resource): boolean {
  const isDynamic = (resource.reservations ?? []).some(({ type }) => type === "DYNAMIC");
  return isDynamic || resource.disk?.persistence !== undefined;
}

/** What an agent has, as far as that is enough for what was reserved or made volumes. */
export interface Settled {
  readonly total: readonly Resource[];
  /** Reservations and volumes there is too little for; `total` has what they could have been made from. */
  readonly unmet: readonly Resource[];
}

/**
 * What an agent was started with (`base`), with `checkpointed` in place of the part they were made
 * from. O(resources).
 */
export function settleCheckpointed(
  kinds: ResourceKinds,
  base: readonly Resource[],
  checkpointed: readonly Resource[],
): Settled {
  const total = Bundle.from(kinds, base);
  const met: Resource[] = [];
  const unmet: Resource[] = [];
  for (const resource of checkpointed) {
    const origin = Bundle.from(kinds, [toOrigin(toPostRefinement(resource))]);
    if (total.contains(origin)) {
      total.subtract(origin);
      met.push(resource);
    } else {
      unmet.push(resource);
    }
  }
  total.add(Bundle.from(kinds, met));
  return { total: total.toResources(), unmet };
}

/** The same where all has to fit. Refusal: `conflict`, naming what `base` has too little for. */
export function withCheckpointed(
  kinds: ResourceKinds,
  base: readonly Resource[],
  checkpointed: readonly Resource[],
): Result<readonly Resource[]> {
  const { total, unmet } = settleCheckpointed(kinds, base, checkpointed);
  if (unmet.length === 0) return ok(total);
  const what = formatResources(unmet);
  return refuse("conflict", `reserved resources or volumes (${what}) exceed what there is now`);
}

/**
 * The conversion as bundles, in the form the operation has. Refusals: as `conversionOf`, and
 * `invalid` when it would make resources out of others, or out of nothing.
 */
export function bundlesOfConversion(
  kinds: ResourceKinds,
  operation: OfferOperation,
): Result<{ readonly consumed: Bundle; readonly converted: Bundle }> {
  const conversion = conversionOf(operation);
  if (!conversion.ok) return conversion;
  const { consumed, converted } = conversion.value;
  const before = Bundle.from(kinds, consumed.map(toOrigin));
  const after = Bundle.from(kinds, converted.map(toOrigin));
  if (!before.equals(after)) {
    const [what, from] = [after.describe(), before.describe()];
    return refuse("invalid", `${operation.type} would make ${what} of ${from}`);
  }
  const made = Bundle.from(kinds, converted);
  const doubled = pieceMadeTwice(kinds, made);
  if (doubled !== undefined) {
    return refuse("invalid", `${operation.type} would make ${doubled.describe()} twice`);
  }
  return ok({ consumed: Bundle.from(kinds, consumed), converted: made });
}

/**
 * Of ranges and sets, what several kinds would hold: those are united where they are added, so that
 * sums do not tell.
 */
function pieceMadeTwice(kinds: ResourceKinds, made: Bundle): Bundle | undefined {
  const seen = Bundle.empty(kinds);
  for (const resource of made.filter(({ type }) => type !== "SCALAR").toResources()) {
    const origin = Bundle.from(kinds, [toOrigin(resource)]);
    if (seen.intersects(origin)) return origin;
    seen.add(origin);
  }
  return undefined;
}

/** A resource as it was before anybody reserved it or made a volume of it. */
function toOrigin(resource: Resource): Resource {
  const plain = withoutVolume(resource);
  const { reservations, ...rest } = plain.ok ? plain.value : resource;
  const fixed = (reservations ?? []).filter(({ type }) => type !== "DYNAMIC");
  return fixed.length === 0 ? rest : { ...rest, reservations: fixed };
}

function post(resources: readonly Resource[] | undefined): readonly Resource[] {
  return (resources ?? []).map(toPostRefinement);
}

function reserved(
  resources: readonly Resource[],
  source: readonly Resource[] | undefined,
): Result<Conversion> {
  if (source === undefined || source.length === 0) {
    return inverted(mapped(resources, withoutLastReservation));
  }
  return ok({ consumed: post(source), converted: resources });
}

function mapped(
  resources: readonly Resource[],
  convert: (resource: Resource) => Result<Resource>,
): Result<Conversion> {
  if (resources.length === 0) return refuse("invalid", "no resources are named");
  const converted: Resource[] = [];
  for (const resource of resources) {
    const result = convert(resource);
    if (!result.ok) return result;
    converted.push(result.value);
  }
  return ok({ consumed: resources, converted });
}

function inverted(conversion: Result<Conversion>): Result<Conversion> {
  if (!conversion.ok) return conversion;
  const { consumed, converted } = conversion.value;
  return ok({ consumed: converted, converted: consumed });
}

function withoutLastReservation(resource: Resource): Result<Resource> {
  const { reservations, ...rest } = resource;
  const stack = reservations ?? [];
  if (stack.at(-1)?.type !== "DYNAMIC") {
    return refuse("invalid", `${resource.name} is not dynamically reserved`);
  }
  if (resource.disk?.persistence !== undefined) {
    return refuse("invalid", `a persistent volume lies on ${resource.name}; destroy it first`);
  }
  return ok(stack.length === 1 ? rest : { ...rest, reservations: stack.slice(0, -1) });
}

function withoutVolume(resource: Resource): Result<Resource> {
  const { disk, shared: _shared, ...rest } = resource;
  if (disk?.persistence === undefined) {
    return refuse("invalid", `${resource.name} is not a persistent volume`);
  }
  const source: ResourceDiskInfo = disk.source === undefined ? {} : { source: disk.source };
  return ok(disk.source === undefined ? rest : { ...rest, disk: source });
}

function grown(volume: Resource, addition: Resource): Result<Conversion> {
  const milli = toMilli(addition.scalar?.value ?? 0);
  if (milli <= 0) return refuse("invalid", "the addition to the volume is not above 0");
  const plain = withoutVolume(volume);
  if (!plain.ok) return plain;
  const kinds = new ResourceKinds();
  if (kinds.intern(plain.value) !== kinds.intern(addition)) {
    return refuse("invalid", "the addition is not disk of the kind that the volume lies on");
  }
  return ok({ consumed: [volume, addition], converted: [resized(volume, milli)] });
}

function shrunk(volume: Resource, subtract: number): Result<Conversion> {
  const milli = toMilli(subtract);
  const size = toMilli(volume.scalar?.value ?? 0);
  if (milli <= 0 || milli >= size) {
    return refuse("invalid", "what is taken from the volume must be above 0 and below its size");
  }
  const plain = withoutVolume(volume);
  if (!plain.ok) return plain;
  const freed: Resource = { ...plain.value, scalar: { value: fromMilli(milli) } };
  return ok({ consumed: [volume], converted: [resized(volume, -milli), freed] });
}

function resized(volume: Resource, byMilli: number): Resource {
  const milli = toMilli(volume.scalar?.value ?? 0) + byMilli;
  return { ...volume, scalar: { value: fromMilli(milli) } };
}

function missing(field: string): Result<Conversion> {
  return refuse("invalid", `Expecting '${field}' to be present`, field);
}
