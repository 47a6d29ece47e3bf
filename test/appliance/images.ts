/** What machines and their tenants start from: made once by a script here, then kept. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { IMAGE_MS_MAX } from "./limits.ts";

/** The folder the script printed. Errors: it cannot be made here; its reasons are on stderr. */
export function makeImage(script: string, ...words: readonly string[]): string {
  const cache = process.env["APPLIANCE_CACHE"] ?? "/var/cache/allot-appliance";
  const made = spawnSync(join(import.meta.dir, script), [cache, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: IMAGE_MS_MAX,
  });
  process.stderr.write(made.stderr ?? "");
  if (made.status !== 0) throw new Error(`test/appliance/${script} did not end well`);
  return made.stdout.trim();
}
