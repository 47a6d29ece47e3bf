/**
 * When failed health checks are too many: one rule for the built-in executor and for an agent that
 * learns of a task's end only after its own restart. Source: semantics 6.8.
 */
import type { HealthCheck } from "./v1/types.ts";

const CONSECUTIVE_FAILURES_PRESET = 3;

/** `failures` in a row; a bound of none is passed by the first. */
export function isUnhealthy(check: HealthCheck | undefined, failures: number): boolean {
  const bound = check?.consecutive_failures ?? CONSECUTIVE_FAILURES_PRESET;
  return failures > 0 && failures >= bound;
}
