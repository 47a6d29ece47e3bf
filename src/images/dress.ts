/** Owner, mode and times of files in an image's root. */
import { chmodSync, lchownSync, type Stats, utimesSync } from "node:fs";

/** For folders and files that are no links. Throws what the system throws. */
export function dress(path: string, { uid, gid, mode, atimeMs, mtimeMs }: Stats): void {
  lchownSync(path, uid, gid);
  // After the owner, whose change takes the setuid bit away.
  chmodSync(path, mode & 0o7777);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}
