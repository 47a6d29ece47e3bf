/**
 * Garbage: sandboxes of what is over and volumes in the trash are removed when they are old, the
 * sooner the fuller the disk. What is garbage is found on disk and not remembered, so that neither a
 * restart nor a new agent id leaves anything behind. Only what was nested in a task or container that
 * still lives is told by the agent, since what lies in a sandbox may be its task's own.
 * Source: semantics 7.6.
 */
import type { Dirent } from "node:fs";
import { lstat, readdir, readlink, rm, rmdir, statfs } from "node:fs/promises";
import { posix as paths } from "node:path";
import type { Clock, Log } from "../../base/ports.ts";
import {
  removeSandbox,
  sandboxModifiedAtMs,
  touchSandbox,
} from "../../containerizer/posix/sandbox.ts";
import { unlinkMember } from "./sandbox-links.ts";

export interface GarbageOptions {
  /** `--gc_delay` */
  readonly delayMs: number;
  /** `--gc_disk_headroom`, a share of the disk. */
  readonly headroom: number;
  /** `--disk_watch_interval` */
  readonly intervalMs: number;
  /** `--gc_non_executor_container_sandboxes` */
  readonly areOthersCollected: boolean;
  /** `--volume_trash_size`, bytes. */
  readonly trashBytes: number;
}

export interface GarbageDependencies {
  readonly options: GarbageOptions;
  readonly workDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Folders that are in use or still to be reported on, now; nothing in or above them is touched. */
  readonly liveFolders: () => ReadonlySet<string>;
}

/** Names of reference/metrics.json. */
export interface GarbageFigures {
  readonly "gc/path_removals_succeeded": number;
  readonly "gc/path_removals_failed": number;
  readonly "gc/path_removals_pending": number;
  readonly "slave/executor_directory_max_allowed_age_secs": number;
}

/** What `blocks` of a file counts in, whatever the file system (stat(2)). */
const BLOCK_BYTES = 512;

interface Candidate {
  readonly path: string;
  readonly modifiedAtMs: number;
}

/** How old garbage may be when so much of the disk is in use, a share. */
export function maxAgeMs(
  { delayMs, headroom }: Pick<GarbageOptions, "delayMs" | "headroom">,
  usage: number,
): number {
  return delayMs * Math.max(0, 1 - headroom - usage);
}

export class GarbageCollector {
  readonly #deps: GarbageDependencies;
  /** Sandboxes of nested containers that are over, as far as their parents may live. */
  readonly #nested = new Set<string>();
  #succeeded = 0;
  #failed = 0;
  #pending = 0;
  #maxAgeMs: number;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(dependencies: GarbageDependencies) {
    this.#deps = dependencies;
    this.#maxAgeMs = dependencies.options.delayMs;
  }

  start(): void {
    this.#cancel = this.#deps.clock.schedule(this.#deps.options.intervalMs, () => {
      this.#running = this.collect().then(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  /** Resolves when nothing is being removed any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  figures(): GarbageFigures {
    return {
      "gc/path_removals_succeeded": this.#succeeded,
      "gc/path_removals_failed": this.#failed,
      "gc/path_removals_pending": this.#pending,
      "slave/executor_directory_max_allowed_age_secs": this.#maxAgeMs / 1000,
    };
  }

  /** A container is over: the age of its sandbox, which may be gone, counts from now on. */
  async ended(sandbox: string): Promise<void> {
    this.remember(sandbox);
    await touchSandbox(sandbox, this.#deps.clock.wallMs()).catch(() => undefined);
  }

  /** The sandbox is of a container that was over before the agent started. */
  remember(sandbox: string): void {
    const { workDir, options } = this.#deps;
    const folder = paths.dirname(sandbox);
    const isNested = paths.basename(folder) === "containers" && paths.dirname(folder) !== workDir;
    if (isNested && options.areOthersCollected) this.#nested.add(sandbox);
  }

  /** Looks once and removes what is due. Never rejects. */
  async collect(): Promise<void> {
    try {
      this.#maxAgeMs = maxAgeMs(this.#deps.options, await this.#usage());
      const runs = await this.#runs();
      const sandboxes = runs.filter(({ path }) => !this.#isLive(path));
      const trash = await entriesOf(paths.join(this.#deps.workDir, "volumes", "trash"));
      const members = await this.#memberSandboxes(runs);
      const nested = await this.#nestedSandboxes();
      this.#pending = sandboxes.length + members.length + nested.length + trash.length;
      for (const candidate of sandboxes) await this.#removeIfOld(candidate);
      for (const candidate of members) await this.#removeMemberIfOld(candidate);
      for (const candidate of nested) await this.#removeNestedIfOld(candidate);
      await this.#emptyTrash(trash);
    } catch (error) {
      this.#deps.log.write("warning", "garbage could not be looked for", { error });
    }
  }

  /** Share of the disk that is in use: of its space or of its inodes, whichever is scarcer. */
  async #usage(): Promise<number> {
    const { blocks, bfree, files, ffree } = await statfs(this.#deps.workDir);
    return Math.max(shareOf(blocks - bfree, blocks), shareOf(files - ffree, files));
  }

  async #runs(): Promise<Candidate[]> {
    const { workDir, options } = this.#deps;
    const runs: Candidate[] = [];
    for (const agent of await entriesOf(`${workDir}/slaves/`)) {
      for (const framework of await entriesOf(paths.join(agent.path, "frameworks"))) {
        for (const executor of await entriesOf(paths.join(framework.path, "executors"))) {
          runs.push(...(await entriesOf(paths.join(executor.path, "runs"))));
        }
      }
    }
    if (options.areOthersCollected) {
      runs.push(...(await entriesOf(paths.join(workDir, "containers"))));
    }
    return runs;
  }

  /**
   * Of tasks of default executors that live on in others of their tasks: what such a run holds is the
   * agent's alone.
   */
  async #memberSandboxes(runs: readonly Candidate[]): Promise<Candidate[]> {
    if (!this.#deps.options.areOthersCollected) return [];
    const live = this.#deps.liveFolders();
    const found: Candidate[] = [];
    for (const { path } of runs) {
      if (live.has(path) || !this.#isLive(path)) continue;
      const members = await entriesOf(paths.join(path, "containers"));
      found.push(...members.filter((member) => !this.#isLive(member.path)));
    }
    for (const { path } of found) this.#nested.delete(path);
    return found;
  }

  /** Those whose parents have gone, and they with them, are forgotten. */
  async #nestedSandboxes(): Promise<Candidate[]> {
    const found: Candidate[] = [];
    for (const path of this.#nested) {
      const modifiedAtMs = await sandboxModifiedAtMs(path).catch(() => undefined);
      if (modifiedAtMs === undefined) this.#nested.delete(path);
      else if (!this.#isLive(path)) found.push({ path, modifiedAtMs });
    }
    return found;
  }

  #isLive(folder: string): boolean {
    for (const live of this.#deps.liveFolders()) {
      if (live === folder || live.startsWith(`${folder}/`)) return true;
    }
    return false;
  }

  async #removeIfOld(candidate: Candidate): Promise<void> {
    if (!this.#isDue(candidate)) return;
    const { path } = candidate;
    await this.#remove(path);
    await removeEmptyParents(path, this.#deps.workDir);
  }

  async #removeMemberIfOld(candidate: Candidate): Promise<void> {
    if (!this.#isDue(candidate)) return;
    await this.#remove(candidate.path);
    await unlinkMember(candidate.path).catch(() => undefined);
  }

  /** Its parent's user may change everything on the way to it. */
  async #removeNestedIfOld(candidate: Candidate): Promise<void> {
    if (this.#isDue(candidate)) await this.#remove(candidate.path, removeSandbox);
  }

  /** Asked right before the removal: much may have happened while others were removed. */
  #isDue({ path, modifiedAtMs }: Candidate): boolean {
    const ageMs = this.#deps.clock.wallMs() - modifiedAtMs;
    return ageMs >= this.#maxAgeMs && !this.#isStopped && !this.#isLive(path);
  }

  /** The oldest go first, by age and then until the rest is small enough. */
  async #emptyTrash(trash: readonly Candidate[]): Promise<void> {
    const newestFirst = trash.toSorted((left, right) => right.modifiedAtMs - left.modifiedAtMs);
    let bytes = 0;
    for (const { path, modifiedAtMs } of newestFirst) {
      if (this.#isStopped) return;
      bytes += await bytesBelow(path);
      const isOld = this.#deps.clock.wallMs() - modifiedAtMs >= this.#maxAgeMs;
      if (isOld || bytes > this.#deps.options.trashBytes) await this.#remove(path);
    }
  }

  async #remove(path: string, removal = removeFolder): Promise<void> {
    try {
      await removal(path);
      this.#succeeded += 1;
      this.#pending -= 1;
      this.#deps.log.write("info", "removed garbage", { path });
    } catch (error) {
      this.#failed += 1;
      this.#deps.log.write("warning", "garbage cannot be removed", { path, error });
    }
  }
}

async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** Folders in a folder, links not followed; none when it is not there. */
async function entriesOf(folder: string): Promise<Candidate[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  const found: Candidate[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const path = paths.join(folder, entry.name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats !== undefined) found.push({ path, modifiedAtMs: stats.mtimeMs });
  }
  return found;
}

/** The last run of an executor takes its folders along, and a link to it. */
async function removeEmptyParents(run: string, workDir: string): Promise<void> {
  const runs = paths.dirname(run);
  const latest = paths.join(runs, "latest");
  const target = await readlink(latest).catch(() => undefined);
  if (target === paths.basename(run)) await rm(latest, { force: true });
  for (let folder = runs; folder.length > workDir.length; folder = paths.dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      // Something is still in it, which is why it stays.
      return;
    }
  }
}

/** File systems without a bound say 0 for all there is. */
function shareOf(used: number, all: number): number {
  return all === 0 ? 0 : used / all;
}

/** What the folder takes of the disk: holes take nothing, and a file with two names is there once. */
async function bytesBelow(folder: string, seen: Set<number> = new Set()): Promise<number> {
  let bytes = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  for (const entry of entries) {
    const path = paths.join(folder, entry.name);
    if (entry.isDirectory()) {
      bytes += await bytesBelow(path, seen);
      continue;
    }
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined || (stats.nlink > 1 && seen.has(stats.ino))) continue;
    if (stats.nlink > 1) seen.add(stats.ino);
    bytes += Math.min(stats.size, stats.blocks * BLOCK_BYTES);
  }
  return bytes;
}
