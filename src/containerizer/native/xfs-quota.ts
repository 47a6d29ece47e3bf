/** Project quotas of XFS, by way of the program xfs_quota. Source: xfs_quota(8). */
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ContainerizerError } from "../containerizer.ts";
import { runHelper } from "../keeper/host-tools.ts";
import { HELPER_DEADLINE_MS, WALK_DEADLINE_MS } from "../limits.ts";
import { hasCode } from "../system-errors.ts";
import { xfsMountOf } from "./xfs-mount.ts";

/** What a project holds, and its limits; 0 for none. Bytes. */
export interface ProjectUsage {
  readonly usedBytes: number;
  readonly softBytes: number;
  readonly hardBytes: number;
}

/** Those of whatever XFS a folder is on. */
export class XfsQuotas {
  readonly #program: string;
  readonly #byMountPoint = new Map<string, XfsQuota>();

  constructor(program: string) {
    this.#program = program;
  }

  /**
   * The same one for all folders of a file system, which may be gone. Errors: `ContainerizerError` for
   * another file system, or one without project quotas.
   */
  of(folder: string): XfsQuota {
    const found = xfsMountOf(readFileSync("/proc/self/mountinfo", "utf8"), withoutLinks(folder));
    if (!found.ok) throw new ContainerizerError(`disk/xfs: ${found.error.message}`);
    const known = this.#byMountPoint.get(found.value);
    if (known !== undefined) return known;
    const quota = new XfsQuota(this.#program, found.value);
    this.#byMountPoint.set(found.value, quota);
    return quota;
  }
}

/** Quotas of one file system. */
export class XfsQuota {
  readonly #program: string;
  readonly #mountPoint: string;

  constructor(program: string, mountPoint: string) {
    this.#program = program;
    this.#mountPoint = mountPoint;
  }

  /** Whatever is in the folder, now and later, counts for the project. Errors: `ContainerizerError`. */
  async assign(folder: string, projectId: number): Promise<void> {
    // The folder is where the program runs: it splits its commands at blanks.
    await this.#run([`project -s -p . ${projectId}`], folder, WALK_DEADLINE_MS);
  }

  /** Whether the folder itself counts for the project. Errors: `ContainerizerError`. */
  async isAssigned(folder: string, projectId: number): Promise<boolean> {
    const faults = await this.#run([`project -c -d 0 -p . ${projectId}`], folder);
    return !faults.includes(" is not set");
  }

  /** 0 for no limit. Errors: `ContainerizerError`. */
  async limit(projectId: number, softBytes: number, hardBytes: number): Promise<void> {
    const [soft, hard] = [softBytes, hardBytes].map((bytes) => Math.ceil(bytes / 1024));
    await this.#run([`limit -p bsoft=${soft}k bhard=${hard}k ${projectId}`]);
  }

  /** No limit for any of these. Errors: `ContainerizerError`. */
  async unlimit(projectIds: readonly number[]): Promise<void> {
    await this.#run(projectIds.map((id) => `limit -p bsoft=0 bhard=0 ${id}`));
  }

  /** Of all projects from `first` to `last` that hold something. Errors: `ContainerizerError`. */
  async report(first: number, last: number): Promise<ReadonlyMap<number, ProjectUsage>> {
    return projectUsages(await this.#run([`report -p -b -n -N -L ${first} -U ${last}`]));
  }

  async #run(
    commands: readonly string[],
    folder: string = "/",
    deadlineMs: number = HELPER_DEADLINE_MS,
  ): Promise<string> {
    // Projects that the host's own files name are no business of ours.
    const files = ["-D", "/dev/null", "-P", "/dev/null"];
    const spoken = commands.flatMap((command) => ["-c", command]);
    const words = ["-x", ...files, ...spoken, this.#mountPoint];
    const output = await runHelper(this.#program, words, folder, deadlineMs);
    if (output !== undefined) return output;
    const [first] = commands;
    throw new ContainerizerError(`xfs_quota could not carry out '${first}' on ${this.#mountPoint}`);
  }
}

/** As far as it exists. */
function withoutLinks(path: string): string {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      return join(realpathSync(folder), relative(folder, path));
    } catch (error) {
      if (!hasCode(error, "ENOENT") || folder === "/") throw error;
    }
  }
}

/** Lines of a report: `#5001 USED SOFT HARD 00 [--------]`, in kilobytes. */
export function projectUsages(text: string): ReadonlyMap<number, ProjectUsage> {
  const usages = new Map<number, ProjectUsage>();
  for (const match of text.matchAll(/^#(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s/gm)) {
    const [id = 0, used = 0, soft = 0, hard = 0] = match.slice(1).map(Number);
    usages.set(id, { usedBytes: used * 1024, softBytes: soft * 1024, hardBytes: hard * 1024 });
  }
  return usages;
}
