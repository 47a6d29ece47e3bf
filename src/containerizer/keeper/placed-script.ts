/** Scripts of ours, placed where the host's programs find them. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { hasCode } from "../system-errors.ts";

/**
 * Writes a script into the runtime folder, under a name made from its text; returns its path.
 * Errors: `ContainerizerError` with the path and what to do.
 */
export function placeScript(runtimeDir: string, name: string, text: string): string {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const path = join(runtimeDir, `${name}-${hash}.sh`);
  // One that was just written when the host lost power has its name, but not its text.
  if (existsSync(path) && readFileSync(path, "utf8") === text) return path;
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o755 });
    renameSync(`${path}.new`, path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy = hasCode(cause, "ENOSPC", "EDQUOT") ? "; free some space on that disk" : "";
    throw new ContainerizerError(`${path} could not be written: ${reason}${remedy}`, { cause });
  }
  return path;
}
