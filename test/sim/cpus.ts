/** How many thousandths of cpus a list of resources holds. */
import type { Resource } from "../../src/protocol/v1/types.ts";

/** Given for good, or such that may be taken back at any time. */
export type CpuSort = "plain" | "revocable";

export function cpusMilliOf(resources: readonly Resource[], sort: CpuSort): number {
  return resources
    .filter(({ name, revocable }) => name === "cpus" && sortOf(revocable) === sort)
    .reduce((sum, { scalar }) => sum + Math.round((scalar?.value ?? 0) * 1000), 0);
}

function sortOf(mark: Resource["revocable"]): CpuSort {
  return mark === undefined ? "plain" : "revocable";
}
