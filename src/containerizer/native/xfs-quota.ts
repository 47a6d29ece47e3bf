/** Project quotas of one XFS, by way of the program xfs_quota. Source: xfs_quota(8). */
import { ContainerizerError } from "../containerizer.ts";
import { runHelper } from "../keeper/host-tools.ts";

/** What a project holds, and its limits; 0 for none. Bytes. */
export interface ProjectUsage {
  readonly usedBytes: number;
  readonly softBytes: number;
  readonly hardBytes: number;
}

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
    await this.#run([`project -s -p . ${projectId}`], folder);
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

  async #run(commands: readonly string[], folder: string = "/"): Promise<string> {
    // Projects that the host's own files name are no business of ours.
    const files = ["-D", "/dev/null", "-P", "/dev/null"];
    const spoken = commands.flatMap((command) => ["-c", command]);
    const words = ["-x", ...files, ...spoken, this.#mountPoint];
    const output = await runHelper(this.#program, words, folder);
    if (output !== undefined) return output;
    const [first] = commands;
    throw new ContainerizerError(`xfs_quota could not carry out '${first}' on ${this.#mountPoint}`);
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
