/** Amounts of resources in tables and in the JSON that verbs print. */
import type { Resource } from "../../protocol/v1/types.ts";
import { toEndpointResources } from "../../resources/format.ts";
import { formatMegabytes, formatNumber } from "./table.ts";

/** By name: numbers (`mem` and `disk` in megabytes), or text for ranges and sets. */
export type ResourceAmounts = Readonly<Record<string, number | string>>;

/** Sums by name, whatever the roles; cpus, gpus, mem and disk are always there. */
export function amountsOf(resources: readonly Resource[] | undefined): ResourceAmounts {
  return toEndpointResources(resources ?? []);
}

/** Adds up numbers of several amounts; texts are left out. */
export function sumAmounts(list: readonly ResourceAmounts[]): ResourceAmounts {
  const sums: Record<string, number> = {};
  for (const amounts of list) {
    for (const [name, value] of Object.entries(amounts)) {
      if (typeof value === "number") sums[name] = (sums[name] ?? 0) + value;
    }
  }
  return sums;
}

/** `1.5`, `512 MB`: one amount, zero when absent. */
export function amountText(amounts: ResourceAmounts, name: string): string {
  const value = amounts[name] ?? 0;
  if (typeof value === "string") return value;
  return name === "mem" || name === "disk" ? formatMegabytes(value) : formatNumber(value);
}

/** `cpus:1.5 mem:512 MB`: all amounts that are there. */
export function scalarsText(amounts: ResourceAmounts): string {
  return Object.keys(amounts)
    .map((name) => `${name}:${amountText(amounts, name)}`)
    .join(" ");
}

/** `0.5/4`, `64 MB/7 GB`: what is used of what there is. */
export function shareText(used: ResourceAmounts, total: ResourceAmounts, name: string): string {
  return `${amountText(used, name)}/${amountText(total, name)}`;
}
