/**
 * Paths in a root that is not the host's: links in it mean that root. Nobody else writes to it while
 * they are looked up.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { LINKS_MAX } from "../limits.ts";
import { hasCode } from "../system-errors.ts";

/**
 * Where the path leads in the root, as a path in it without links; what is missing is what it is
 * called. Errors: `ContainerizerError` for links in circles.
 */
export function pathInRoot(root: string, path: string): string {
  const left = partsOf(path);
  const found: string[] = [];
  let links = 0;
  while (left.length > 0) {
    const part = left.shift() ?? "";
    if (part === "..") {
      found.pop();
      continue;
    }
    const place = join(root, ...found, part);
    if (!isLink(place)) {
      found.push(part);
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) throw new ContainerizerError(`${path} leads in circles in the image`);
    const target = readlinkSync(place);
    if (target.startsWith("/")) found.length = 0;
    left.unshift(...partsOf(target));
  }
  return `/${found.join("/")}`;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
