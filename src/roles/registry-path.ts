/** Where a master keeps its registry. */
import { posix as paths } from "node:path";

export function registryPath(workDir: string): string {
  return paths.join(workDir, "master", "registry.db");
}
