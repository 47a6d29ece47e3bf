/**
 * Resources, attributes and commands in the flat JSON of the v0 endpoints. Source: http-api 9.1.
 */
import type { Attribute, CommandInfo, Resource, ValueRange } from "../../../protocol/v1/types.ts";

/** JSON as the v0 endpoints write it. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/** Sums per name; `cpus gpus mem disk` always present, revocable ones with a suffix. */
export function resourcesJson(resources: readonly Resource[]): Readonly<Record<string, Json>> {
  const milli = new Map<string, number>(["cpus", "gpus", "mem", "disk"].map((name) => [name, 0]));
  const ranges = new Map<string, ValueRange[]>();
  const sets = new Map<string, Set<string>>();
  for (const resource of resources) {
    const name = resource.revocable === undefined ? resource.name : `${resource.name}_revocable`;
    if (resource.scalar !== undefined) {
      milli.set(name, (milli.get(name) ?? 0) + Math.round(resource.scalar.value * 1000));
    } else if (resource.ranges !== undefined) {
      ranges.set(name, [...(ranges.get(name) ?? []), ...(resource.ranges.range ?? [])]);
    } else if (resource.set !== undefined) {
      sets.set(name, new Set([...(sets.get(name) ?? []), ...(resource.set.item ?? [])]));
    }
  }
  return Object.fromEntries<Json>([
    ...[...milli].map(([name, value]) => [name, value / 1000] as const),
    ...[...ranges].map(([name, value]) => [name, rangesText(value)] as const),
    ...[...sets].map(([name, value]) => [name, `{${[...value].sort().join(", ")}}`] as const),
  ]);
}

/** `{name: number | "[a-b]" | text}`. */
export function attributesJson(attributes: readonly Attribute[]): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    attributes.map((attribute) => [
      attribute.name,
      attribute.scalar?.value ??
        attribute.text?.value ??
        (attribute.ranges === undefined
          ? `{${(attribute.set?.item ?? []).join(", ")}}`
          : rangesText(attribute.ranges.range ?? [])),
    ]),
  );
}

/** COMMAND. */
export function commandJson(command: CommandInfo): Json {
  return {
    shell: command.shell ?? true,
    value: command.value,
    argv: [...(command.arguments ?? [])],
    environment: command.environment as unknown as Json,
    uris: (command.uris ?? []).map((uri) => ({
      value: uri.value,
      executable: uri.executable ?? false,
    })),
  };
}

/** Roles a resource belongs to: the innermost reservation, else unreserved. */
export function reservationRole(resource: Resource): string | undefined {
  const stacked = resource.reservations?.at(-1)?.role;
  if (stacked !== undefined) return stacked;
  return resource.role === undefined || resource.role === "*" ? undefined : resource.role;
}

/** The role the resources of a task or executor are allocated to. */
export function allocationRole(resources: readonly Resource[] | undefined): string | undefined {
  return resources?.find((resource) => resource.allocation_info?.role !== undefined)
    ?.allocation_info?.role;
}

/** `[1-2, 5-9]`, sorted, with touching ranges joined. */
function rangesText(ranges: readonly ValueRange[]): string {
  const joined: { begin: number; end: number }[] = [];
  for (const { begin, end } of [...ranges].sort((left, right) => left.begin - right.begin)) {
    const last = joined.at(-1);
    if (last !== undefined && begin <= last.end + 1) last.end = Math.max(last.end, end);
    else joined.push({ begin, end });
  }
  return `[${joined.map(({ begin, end }) => `${begin}-${end}`).join(", ")}]`;
}
