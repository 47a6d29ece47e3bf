/** Resources as text for people and in the v0 JSON of the endpoints outside v1. */
import type { Resource, ValueRanges } from "../protocol/v1/types.ts";

/** Mesos' flag syntax, `cpus:2;mem(web):512`; allocation and disk details are not shown. */
export function formatResources(resources: readonly Resource[]): string {
  return resources
    .map((resource) => {
      const role = resource.reservations?.at(-1)?.role ?? resource.role ?? "*";
      return `${resource.name}${role === "*" ? "" : `(${role})`}:${formatValue(resource, ",")}`;
    })
    .join(";");
}

/**
 * The RESOURCES object of http-api 9.1: cpus, gpus, mem and disk always as numbers, other scalars
 * as numbers, ranges and sets as text, revocable ones with the suffix `_revocable`.
 */
export function toEndpointResources(
  resources: readonly Resource[],
): Record<string, number | string> {
  const result: Record<string, number | string> = { cpus: 0, gpus: 0, mem: 0, disk: 0 };
  const ranges = new Map<string, { begin: number; end: number }[]>();
  const sets = new Map<string, string[]>();
  for (const resource of resources) {
    const name = resource.revocable === undefined ? resource.name : `${resource.name}_revocable`;
    if (resource.type === "SCALAR") {
      const milli = Math.round(Number(result[name] ?? 0) * 1000);
      result[name] = (milli + Math.round((resource.scalar?.value ?? 0) * 1000)) / 1000;
    } else if (resource.type === "RANGES") {
      ranges.set(name, [...(ranges.get(name) ?? []), ...(resource.ranges?.range ?? [])]);
    } else {
      sets.set(name, [...(sets.get(name) ?? []), ...(resource.set?.item ?? [])]);
    }
  }
  for (const [name, range] of ranges) {
    result[name] = formatRanges({ range: range.sort((a, b) => a.begin - b.begin) }, ", ");
  }
  for (const [name, item] of sets) result[name] = `{${item.join(", ")}}`;
  return result;
}

function formatValue(resource: Resource, separator: string): string {
  if (resource.scalar !== undefined) return String(resource.scalar.value);
  if (resource.ranges !== undefined) return formatRanges(resource.ranges, separator);
  return `{${(resource.set?.item ?? []).join(separator)}}`;
}

/** `[1-5, 7-9]`, with the given separator. */
export function formatRanges(ranges: ValueRanges, separator: string): string {
  const pieces = (ranges.range ?? []).map((range) => `${range.begin}-${range.end}`);
  return `[${pieces.join(separator)}]`;
}
