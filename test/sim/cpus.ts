/** How many thousandths of cpus a list of resources holds. */
import type { Resource } from "../../src/protocol/v1/types.ts";

export function cpusMilliOf(resources: readonly Resource[]): number {
  return resources
    .filter(({ name }) => name === "cpus")
    .reduce((sum, { scalar }) => sum + Math.round((scalar?.value ?? 0) * 1000), 0);
}
