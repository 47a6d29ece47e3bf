/** How much of what tasks write to their output files is kept. Source: semantics 7.9. */

export interface LogBounds {
  /** `--max_stdout_size` and `--max_stderr_size`, bytes; undefined: no bound. */
  readonly maxBytes: Readonly<Record<"stdout" | "stderr", number | undefined>>;
  /** `--max_rotated_logs`: how many earlier files stay. */
  readonly files: number;
}
