/**
 * Paths in an image's root, whose links mean that root and not the host's. Nobody else writes to the
 * root while they are looked up.
 */
import { lstatSync, mkdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { ImageError } from "./image-error.ts";
import { LINKS_MAX } from "./limits.ts";

/**
 * The folder at `path`, as a path in the root without links; made where it is missing. Errors:
 * `ImageError` for what is no folder, or leads in circles.
 */
export function folderInRoot(root: string, path: string): string {
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
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() === true) {
      links += 1;
      if (links > LINKS_MAX) throw new ImageError(`${path} leads in circles in the image`);
      const target = readlinkSync(place);
      if (target.startsWith("/")) found.length = 0;
      left.unshift(...partsOf(target));
      continue;
    }
    if (stat === undefined) mkdirSync(place, { mode: 0o755 });
    else if (!stat.isDirectory()) throw new ImageError(`${path} is no folder in the image`);
    found.push(part);
  }
  return `/${found.join("/")}`;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
