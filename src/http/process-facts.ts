/** What the process-wide endpoints tell: version, flags, log, metrics and the state of the machine. */
import { cpus, freemem, loadavg, totalmem } from "node:os";
import type { VersionInfo } from "../protocol/v1/types.ts";
import type { Acls } from "../security/acls.ts";
import type { FileSource } from "./file-source.ts";
import type { LoggingLevel } from "./logging-level.ts";
import type { LiveMetrics } from "./metrics/live-metrics.ts";

export interface ProcessFacts {
  readonly version: VersionInfo;
  /** Set flags by name, printed. */
  readonly flags: Readonly<Record<string, string>>;
  readonly acls: Acls;
  readonly loggingLevel: LoggingLevel;
  /** The log, and on an agent the sandboxes. */
  readonly files: FileSource;
  readonly live: LiveMetrics;
  /** Every metric by name, sorted. */
  metrics(): Readonly<Record<string, number>>;
}

/** The `system/` metrics of reference/metrics.json. */
export function systemMetrics(): Record<string, number> {
  const [oneMin = 0, fiveMin = 0, fifteenMin = 0] = loadavg();
  return {
    "system/cpus_total": cpus().length,
    "system/load_1min": oneMin,
    "system/load_5min": fiveMin,
    "system/load_15min": fifteenMin,
    "system/mem_free_bytes": freemem(),
    "system/mem_total_bytes": totalmem(),
  };
}

/** One object with the keys of all parts in order. */
export function sortedMetrics(
  ...parts: readonly Readonly<Record<string, number>>[]
): Record<string, number> {
  const entries = parts.flatMap((part) => Object.entries(part));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
