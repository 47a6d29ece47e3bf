/** Folders in an image's root. Nobody else writes to the root while they are looked up. */
import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathInRoot } from "../containerizer/posix/path-in-root.ts";
import { ImageError } from "./image-error.ts";

/**
 * The folder at `path`, as a path in the root without links; made where it is missing. Errors:
 * `ContainerizerError` for what is no folder, or leads in circles.
 */
export function folderInRoot(root: string, path: string): string {
  const real = pathInRoot(root, path);
  let folder = root;
  for (const part of real.split("/").filter((one) => one !== "")) {
    folder = join(folder, part);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat === undefined) mkdirSync(folder, { mode: 0o755 });
    else if (!stat.isDirectory()) throw new ImageError(`${path} is no folder in the image`);
  }
  return real;
}
