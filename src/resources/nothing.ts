/** Resources of no amount, which take up no kind: tables of kinds never forget. */
import type { Resource } from "../protocol/v1/types.ts";
import { toMilli } from "./milli.ts";

/** True for a validated resource that there is nothing of, such as `gpus:0`. */
export function isNothing({ type, scalar, ranges, set }: Resource): boolean {
  if (type === "SCALAR") return toMilli(scalar?.value ?? 0) === 0;
  if (type === "RANGES") return (ranges?.range ?? []).length === 0;
  return (set?.item ?? []).length === 0;
}
