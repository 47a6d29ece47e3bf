/** Scripts of ours, placed where the host's programs find them. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes a script into the runtime folder, under a name made from its text; returns its path. */
export function placeScript(runtimeDir: string, name: string, text: string): string {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const path = join(runtimeDir, `${name}-${hash}.sh`);
  // One that was just written when the host lost power has its name, but not its text.
  if (existsSync(path) && readFileSync(path, "utf8") === text) return path;
  writeFileSync(`${path}.new`, text, { mode: 0o755 });
  renameSync(`${path}.new`, path);
  return path;
}
