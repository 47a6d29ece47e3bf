/**
 * Picks a task's resources out of an offer: reserved ones first, so that what everybody may use is
 * left for others. Never takes volumes, revocable or shared resources, which nobody asked for.
 */
import type { Resource, ValueRange } from "../../protocol/v1/types.ts";

/** The resources to launch with, or the names of those that the offer has too little of. */
export type Picked =
  | { readonly isEnough: true; readonly resources: readonly Resource[] }
  | { readonly isEnough: false; readonly missing: readonly string[] };

/** Takes `wanted` (scalars, ranges and sets by name) out of `offered`. */
export function pickResources(offered: readonly Resource[], wanted: readonly Resource[]): Picked {
  const plain = offered.filter(isPlain).sort((a, b) => reservationRank(a) - reservationRank(b));
  const resources: Resource[] = [];
  const missing: string[] = [];
  for (const want of wanted) {
    const taken = take(
      plain.filter((resource) => resource.name === want.name && resource.type === want.type),
      want,
    );
    if (taken === undefined) missing.push(want.name);
    else resources.push(...taken);
  }
  return missing.length === 0 ? { isEnough: true, resources } : { isEnough: false, missing };
}

function isPlain(resource: Resource): boolean {
  const { disk, revocable, shared, provider_id: provider } = resource;
  return [disk, revocable, shared, provider].every((part) => part === undefined);
}

function reservationRank(resource: Resource): number {
  return (resource.reservations ?? []).length > 0 ? 0 : 1;
}

function take(from: readonly Resource[], want: Resource): readonly Resource[] | undefined {
  if (want.type === "SCALAR") return takeScalar(from, milli(want));
  if (want.type === "RANGES") return takeRanges(from, want.ranges?.range ?? []);
  return takeItems(from, want.set?.item ?? []);
}

function takeScalar(from: readonly Resource[], amount: number): readonly Resource[] | undefined {
  const taken: Resource[] = [];
  let left = amount;
  for (const resource of from) {
    const part = Math.min(left, milli(resource));
    if (part > 0) taken.push({ ...resource, scalar: { value: part / 1000 } });
    left -= part;
  }
  return left > 0 ? undefined : taken;
}

function takeRanges(
  from: readonly Resource[],
  ranges: readonly ValueRange[],
): readonly Resource[] | undefined {
  const taken: Resource[] = [];
  let left = ranges;
  for (const resource of from) {
    const offered = resource.ranges?.range ?? [];
    const common = left.flatMap((range) => offered.flatMap((other) => intersect(range, other)));
    if (common.length > 0) taken.push({ ...resource, ranges: { range: common } });
    left = left.flatMap((range) => subtract(range, common));
  }
  return left.length > 0 ? undefined : taken;
}

function takeItems(
  from: readonly Resource[],
  items: readonly string[],
): readonly Resource[] | undefined {
  const taken: Resource[] = [];
  let left = items;
  for (const resource of from) {
    const offered = resource.set?.item ?? [];
    const common = left.filter((item) => offered.includes(item));
    if (common.length > 0) taken.push({ ...resource, set: { item: common } });
    left = left.filter((item) => !common.includes(item));
  }
  return left.length > 0 ? undefined : taken;
}

function intersect(a: ValueRange, b: ValueRange): readonly ValueRange[] {
  const begin = Math.max(a.begin, b.begin);
  const end = Math.min(a.end, b.end);
  return begin <= end ? [{ begin, end }] : [];
}

/** What is left of a range without the parts, which lie in order and apart. */
function subtract(range: ValueRange, parts: readonly ValueRange[]): readonly ValueRange[] {
  const left: ValueRange[] = [];
  let { begin } = range;
  for (const part of [...parts].sort((a, b) => a.begin - b.begin)) {
    if (part.end < begin || part.begin > range.end) continue;
    if (part.begin > begin) left.push({ begin, end: part.begin - 1 });
    begin = part.end + 1;
  }
  if (begin <= range.end) left.push({ begin, end: range.end });
  return left;
}

/** Thousandths, the exact unit of scalars. */
function milli(resource: Resource): number {
  return Math.round((resource.scalar?.value ?? 0) * 1000);
}
