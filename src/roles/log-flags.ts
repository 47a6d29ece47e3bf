/** The flags that bound the output files of tasks. */
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import type { LogBounds } from "../containerizer/log-bounds.ts";

export function logBounds(flags: ParsedFlags): LogBounds {
  return {
    maxBytes: {
      stdout: flags.sizeBytes("max_stdout_size"),
      stderr: flags.sizeBytes("max_stderr_size"),
    },
    files: flags.integer("max_rotated_logs") ?? 3,
  };
}
