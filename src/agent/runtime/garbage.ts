/**
 * Garbage: sandboxes of what is over and volumes in the trash are removed when they are old, the
 * sooner the fuller the disk. What is garbage is found on disk and not remembered, so that neither a
 * restart nor a new agent id leaves anything behind. Source: semantics 7.6.
 */
import type { Dirent } from "node:fs";
import { lstat, readdir, readlink, rm, rmdir, statfs, utimes } from "node:fs/promises";
import { posix as paths } from "node:path";
import type { Clock, Log } from "../../base/ports.ts";

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

  /** The age of garbage counts from now on. Its folder may be gone. */
  async touch(folder: string): Promise<void> {
    const now = new Date(this.#deps.clock.wallMs());
    await utimes(folder, now, now).catch(() => undefined);
  }

  /** Looks once and removes what is due. Never rejects. */
  async collect(): Promise<void> {
    try {
      this.#maxAgeMs = maxAgeMs(this.#deps.options, await this.#usage());
      const sandboxes = await this.#sandboxes();
      const trash = await entriesOf(paths.join(this.#deps.workDir, "volumes", "trash"));
      this.#pending = sandboxes.length + trash.length;
      for (const candidate of sandboxes) await this.#removeIfOld(candidate);
      await this.#emptyTrash(trash);
    } catch (error) {
      this.#deps.log.write("warning", "garbage could not be looked for", { error });
    }
  }

  /** Share of the disk that is in use. */
  async #usage(): Promise<number> {
    const { blocks, bfree } = await statfs(this.#deps.workDir);
    return blocks === 0 ? 0 : (blocks - bfree) / blocks;
  }

  async #sandboxes(): Promise<Candidate[]> {
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
    return runs.filter(({ path }) => !this.#isLive(path));
  }

  #isLive(folder: string): boolean {
    for (const live of this.#deps.liveFolders()) {
      if (live === folder || live.startsWith(`${folder}/`)) return true;
    }
    return false;
  }

  async #removeIfOld({ path, modifiedAtMs }: Candidate): Promise<void> {
    const ageMs = this.#deps.clock.wallMs() - modifiedAtMs;
    // Asked again: much may have happened while others were removed.
    if (ageMs < this.#maxAgeMs || this.#isStopped || this.#isLive(path)) return;
    await this.#remove(path);
    await removeEmptyParents(path, this.#deps.workDir);
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

  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
      this.#succeeded += 1;
      this.#pending -= 1;
      this.#deps.log.write("info", "removed garbage", { path });
    } catch (error) {
      this.#failed += 1;
      this.#deps.log.write("warning", "garbage cannot be removed", { path, error });
    }
  }
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

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  for (const entry of entries) {
    const path = paths.join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesBelow(path);
    else bytes += (await lstat(path).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
