/**
 * The RESOURCES object of the endpoints outside v1, straight from bundles to JSON text, for answers
 * that hold it hundreds of thousands of times. Equal to what `toEndpointResources` says.
 */
import { quoteJson } from "../protocol/json-writer.ts";
import type { Bundle } from "./bundle.ts";
import { formatPairs, toEndpointResources } from "./format.ts";
import type { ResourceKind } from "./kinds.ts";
import { fromMilli } from "./milli.ts";

/** The sum of several bundles; with `isWanted`, of those kinds only. */
export function endpointResourcesText(
  bundles: Iterable<Bundle>,
  isWanted?: (kind: ResourceKind) => boolean,
): string {
  const sums = { cpus: 0, gpus: 0, mem: 0, disk: 0 };
  const others = new Map<string, number>();
  const pairs = new Map<string, number[]>();
  let isPlain = true;
  for (const bundle of bundles) {
    bundle.forEach((kind, milli, intervals) => {
      const { name, type } = kind;
      if (isWanted !== undefined && !isWanted(kind)) return;
      if (kind.isRevocable || kind.isShared || type === "SET") isPlain = false;
      else if (type === "RANGES") pairs.set(name, [...(pairs.get(name) ?? []), ...intervals]);
      else if (isCommon(name)) sums[name] += milli;
      else others.set(name, (others.get(name) ?? 0) + milli);
    });
  }
  if (!isPlain) return generalText(bundles, isWanted);
  const { cpus, gpus, mem, disk } = sums;
  let text = `{"cpus":${fromMilli(cpus)},"gpus":${fromMilli(gpus)}`;
  text += `,"mem":${fromMilli(mem)},"disk":${fromMilli(disk)}`;
  for (const [name, milli] of others) text += `,${quoteJson(name)}:${fromMilli(milli)}`;
  for (const [name, flat] of pairs) text += `,${quoteJson(name)}:${quoteJson(formatPairs(flat))}`;
  return `${text}}`;
}

function isCommon(name: string): name is "cpus" | "gpus" | "mem" | "disk" {
  return name === "cpus" || name === "mem" || name === "disk" || name === "gpus";
}

function generalText(
  bundles: Iterable<Bundle>,
  isWanted: ((kind: ResourceKind) => boolean) | undefined,
): string {
  const parts = [...bundles].map((bundle) => (isWanted ? bundle.filter(isWanted) : bundle));
  return JSON.stringify(toEndpointResources(parts.flatMap((part) => part.toResources())));
}
