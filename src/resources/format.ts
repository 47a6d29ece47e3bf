/**
 * Resources as text for people and in the v0 JSON of the endpoints outside v1.
 * Source: reference/http-api.md 9.1; the text of what no flag can say follows Mesos' logs.
 */
import type { Resource, ResourceReservationInfo, ValueRanges } from "../protocol/v1/types.ts";
import { normalizeIntervals } from "./intervals.ts";
import { fromMilli, toMilli } from "./milli.ts";

/** Scalars that readers of the endpoints expect even where there are none. */
const ALWAYS_SHOWN = ["cpus", "gpus", "mem", "disk"] as const;

/**
 * One line such as `cpus:2;mem(web):512;ports:[1-5,7-9]`, which `parseResources` reads back.
 * Dynamic and stacked reservations, allocation, disk, revocable and shared are added in Mesos' words;
 * no flag can say those.
 */
export function formatResources(resources: readonly Resource[]): string {
  return resources.map(formatResource).join(";");
}

/**
 * The RESOURCES object: cpus, gpus, mem and disk always as numbers, other scalars as numbers, ranges
 * and sets as text, revocable ones with the suffix `_revocable`. A shared volume counts once.
 */
export function toEndpointResources(
  resources: readonly Resource[],
): Record<string, number | string> {
  const millis = new Map<string, number>(ALWAYS_SHOWN.map((name) => [name, 0]));
  const pairs = new Map<string, number[]>();
  const items = new Map<string, Set<string>>();
  for (const resource of withoutCopies(resources)) {
    const name = resource.revocable === undefined ? resource.name : `${resource.name}_revocable`;
    if (resource.type === "SCALAR") {
      millis.set(name, (millis.get(name) ?? 0) + toMilli(resource.scalar?.value ?? 0));
    } else if (resource.type === "RANGES") {
      const flat = pairs.get(name) ?? [];
      pairs.set(name, flat);
      for (const { begin, end } of resource.ranges?.range ?? []) flat.push(begin, end);
    } else {
      const set = items.get(name) ?? new Set();
      items.set(name, set);
      for (const item of resource.set?.item ?? []) set.add(item);
    }
  }
  // Through entries, since names come from outside and one may be `__proto__`.
  return Object.fromEntries([
    ...[...millis].map(([name, milli]): [string, number] => [name, fromMilli(milli)]),
    ...[...pairs].map(([name, flat]): [string, string] => [name, formatPairs(flat)]),
    ...[...items].map(([name, set]): [string, string] => [name, formatItems([...set], ", ")]),
  ]);
}

/** `[1-5, 7-9]`, with the given separator. */
export function formatRanges(ranges: ValueRanges, separator: string): string {
  const pieces = (ranges.range ?? []).map((range) => `${range.begin}-${range.end}`);
  return `[${pieces.join(separator)}]`;
}

/** `{a, b}`, with the given separator. */
export function formatItems(items: readonly string[], separator: string): string {
  return `{${items.join(separator)}}`;
}

function formatResource(resource: Resource): string {
  return `${resource.name}${formatOwner(resource)}${formatTraits(resource)}:${formatValue(resource)}`;
}

/** A static reservation is what the flag's `(role)` means; all else is spelt out. */
function formatOwner(resource: Resource): string {
  const allocated = resource.allocation_info?.role;
  const allocation = allocated === undefined ? "" : `(allocated: ${allocated})`;
  const stack = resource.reservations ?? [];
  const [first] = stack;
  if (first === undefined) {
    const role = resource.role ?? "*";
    return role === "*" ? allocation : `${allocation}(${role})`;
  }
  const isPlain = stack.length === 1 && first.type === "STATIC" && first.principal === undefined;
  if (isPlain) return `${allocation}(${first.role ?? "*"})`;
  return `${allocation}(reservations: [${stack.map(formatReservation).join(",")}])`;
}

function formatReservation({ type, role, principal }: ResourceReservationInfo): string {
  return `(${[type, role, principal].filter((part) => part !== undefined).join(",")})`;
}

function formatTraits({ disk, revocable, shared }: Resource): string {
  const source = disk?.source?.type;
  const path = disk?.source?.mount?.root ?? disk?.source?.path?.root;
  const origin = source === undefined ? undefined : [source, path].filter(Boolean).join(":");
  const volume = disk?.persistence === undefined ? undefined : volumeText(disk);
  const details = [origin, volume].filter((part) => part !== undefined).join(",");
  const diskText = disk === undefined ? "" : `[${details}]`;
  return `${diskText}${revocable === undefined ? "" : "{REV}"}${shared === undefined ? "" : "<SHARED>"}`;
}

function volumeText({ persistence, volume }: NonNullable<Resource["disk"]>): string {
  return [persistence?.id, volume?.container_path].filter((part) => part !== undefined).join(":");
}

function formatValue(resource: Resource): string {
  if (resource.type === "RANGES") return formatRanges(resource.ranges ?? {}, ",");
  if (resource.type === "SET") return formatItems(resource.set?.item ?? [], ",");
  return String(fromMilli(toMilli(resource.scalar?.value ?? 0)));
}

/** `[1-5, 7-9]` of flat pairs in any order. */
export function formatPairs(flat: readonly number[]): string {
  const intervals = normalizeIntervals(flat);
  const pieces: string[] = [];
  for (let index = 0; index < intervals.length; index += 2) {
    pieces.push(`${intervals[index]}-${intervals[index + 1]}`);
  }
  return `[${pieces.join(", ")}]`;
}

/** Each shared resource once, however many hold it. */
function withoutCopies(resources: readonly Resource[]): readonly Resource[] {
  if (!resources.some(({ shared }) => shared !== undefined)) return resources;
  const seen = new Set<string>();
  return resources.filter(({ shared, reservations, role, provider_id, disk }) => {
    if (shared === undefined) return true;
    const owner = reservations?.at(-1)?.role ?? role ?? null;
    const key = JSON.stringify([owner, provider_id?.value ?? null, disk?.persistence?.id ?? null]);
    const isFirst = !seen.has(key);
    seen.add(key);
    return isFirst;
  });
}
