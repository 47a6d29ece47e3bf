/**
 * Where volumes may be mounted at absolute paths. What starts a container runs with the agent's
 * rights after its volumes are mounted, so that nothing it makes use of may be covered by them.
 */
import { lstatSync, realpathSync } from "node:fs";
import { dirname, normalize } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { INNER_FOLDER } from "../keeper/inner-tools.ts";
import { isOwnAlone } from "../posix/held-folder.ts";

/** On the host: programs, libraries, accounts, devices and what the kernel tells. */
const OF_HOST = [
  ...["/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/etc"],
  ...["/dev", "/proc", "/sys"],
];
/** In a root of its own: our programs, and what they look at. */
const OF_ROOT = [INNER_FOLDER, "/etc/ld.so.preload", "/proc", "/sys"];

/** Errors: `ContainerizerError` for a place in a root of its own that has to stay as it is. */
export function checkTargetInRoot(path: string, field: string): void {
  checkFree(normalize(path), OF_ROOT, field);
}

/** What has to stay as it is in each root of its own and would be covered there, if anything. */
export function coveredInRoot(path: string): string | undefined {
  return coveredBy(path, OF_ROOT);
}

/**
 * The path without links, for a container in the host's own root. Nobody but root may be able to
 * put something else there before it is used. Errors: `ContainerizerError`.
 */
export function targetOnHost(path: string, taken: readonly string[], field: string): string {
  const real = realpathSync(path);
  checkFree(real, [...OF_HOST, ...taken], field);
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!isOwnAlone(lstatSync(folder), undefined)) {
      throw new ContainerizerError(
        `${field} ${path} is in ${folder}, which others than root can change; give a path in the sandbox`,
      );
    }
    if (folder === "/") return real;
  }
}

function checkFree(path: string, taken: readonly string[], field: string): void {
  const other = coveredBy(path, taken);
  if (other === undefined) return;
  throw new ContainerizerError(
    `${field} ${path} would cover ${other}, which the agent itself needs; give a path in the sandbox`,
  );
}

function coveredBy(path: string, taken: readonly string[]): string | undefined {
  return taken.find((one) => isWithin(path, one) || isWithin(one, path));
}

/** Whether the path is the folder or below it; both absolute and in plain form. */
export function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(folder === "/" ? "/" : `${folder}/`);
}
