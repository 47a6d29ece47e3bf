/** What a master and an agent of the cluster in this process have alike. */
import type { Clock, Log } from "../../src/base/ports.ts";
import type { FileSource } from "../../src/http/file-source.ts";
import { LoggingLevel } from "../../src/http/logging-level.ts";
import { LiveMetrics } from "../../src/http/metrics/live-metrics.ts";
import type { ProcessFacts } from "../../src/http/process-facts.ts";
import type { Acls } from "../../src/security/acls.ts";

export const SILENT_LOG: Log = { write: () => undefined };

/** `files` are the process's own. */
export function factsOf(clock: Clock, files: FileSource, acls: Acls): ProcessFacts {
  return {
    acls,
    version: { version: "1.12.0" },
    flags: { port: "5050" },
    loggingLevel: new LoggingLevel(clock),
    live: new LiveMetrics(clock),
    files,
    metrics: () => ({}),
  };
}

export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
