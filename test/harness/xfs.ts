/** A file system of XFS with project quotas, in a file, for tests that need one. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface MountedXfs {
  /** Mount point. */
  readonly path: string;
  remove(): void;
}

/** Mounts a new one. Errors: what mkfs.xfs or mount say when this machine cannot have one. */
export function mountXfs(): MountedXfs {
  const folder = mkdtempSync(join(tmpdir(), "allot-xfs-"));
  const [image, path] = [join(folder, "image"), join(folder, "mounted")];
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 60_000 });
  };
  try {
    mkdirSync(path);
    run("truncate", "--size=320M", image);
    run("mkfs.xfs", "-q", image);
    run("mount", "-o", "loop,prjquota", image, path);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    remove: () => {
      run("umount", path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
