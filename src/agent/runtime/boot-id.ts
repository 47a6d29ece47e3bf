/** Which boot of the host this is; containers of another boot cannot be alive. */
import { readFile } from "node:fs/promises";

/** The kernel's boot id. Rejects where there is no Linux `/proc`. */
export async function readBootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}
