/** How long a refusal lasts. Source: semantics 4.5. */
import type { Filters } from "../../protocol/v1/types.ts";
import { REFUSE_SECONDS_DEFAULT, REFUSE_SECONDS_MAX } from "./limits.ts";

/** Life of a filter: 5 s by default, for nonsense too, at most a year. */
export function refuseMsOf(filters: Filters | undefined): number {
  const seconds = filters?.refuse_seconds ?? REFUSE_SECONDS_DEFAULT;
  if (Number.isNaN(seconds) || seconds < 0) return REFUSE_SECONDS_DEFAULT * 1000;
  return Math.min(seconds, REFUSE_SECONDS_MAX) * 1000;
}
