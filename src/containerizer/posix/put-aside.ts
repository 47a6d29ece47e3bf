/** A place in a folder that a task writes to, for a file of the agent's. */
import { lstatSync, renameSync } from "node:fs";

/**
 * Moves away a folder that has the file's name. It is not removed: that may take for ever, and its
 * owner may lead whoever removes it elsewhere. Throws what the system does when it cannot be moved.
 */
export function putFolderAside(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) renameSync(path, `${path}.${stat.ino}`);
}
