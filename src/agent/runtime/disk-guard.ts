/**
 * Watches the disk of the work folder and holds a reserve on it. When the disk is short no task is
 * taken any more; what runs, runs on, and the reserve is given up for the agent's own books, which
 * need little. Everything goes back by itself once there is room. Source: DESIGN §9.
 */
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { Clock, Log } from "../../base/ports.ts";
import { DISK_RESERVE_BYTES_MAX, DISK_RESERVE_SHARE, DISK_WATCH_MS, INODES_MIN } from "./limits.ts";

export interface DiskGuardDependencies {
  readonly workDir: string;
  /** The reserve, a file in a folder that is there. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Why no task can be taken; undefined once one can be again. */
  readonly onShortage: (message: string | undefined) => void;
}

export class DiskGuard {
  readonly #deps: DiskGuardDependencies;
  #shortage: string | undefined;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(dependencies: DiskGuardDependencies) {
    this.#deps = dependencies;
  }

  start(): void {
    this.#running = this.look();
    void this.#running.then(() => {
      if (this.#isStopped) return;
      this.#cancel = this.#deps.clock.schedule(DISK_WATCH_MS, () => this.start());
    });
  }

  /** Resolves when nothing is being looked at any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Gives the reserve up, for a write that found the disk full. False when there is none. */
  spend(): boolean {
    if (sizeOf(this.#deps.path) === 0) return false;
    rmSync(this.#deps.path, { force: true });
    this.#tell("the disk of the work folder is full");
    return true;
  }

  /** Looks once. Never rejects. */
  async look(): Promise<void> {
    const { workDir, log } = this.#deps;
    try {
      const { bavail, blocks, bsize, files, ffree } = await statfs(workDir);
      const reserve = Math.floor(
        Math.min(DISK_RESERVE_BYTES_MAX, blocks * bsize * DISK_RESERVE_SHARE),
      );
      // File systems without a bound on files say 0 for both.
      const lacksInodes = files > 0 && ffree < INODES_MIN;
      if (lacksInodes) this.#tell(`${workDir}: ${ffree} inodes are left on the disk`);
      else if (bavail * bsize < reserve) this.#tell(`${workDir}: the disk is full`);
      else if (this.#hasReserve(reserve, bavail * bsize)) this.#tell(undefined);
    } catch (error) {
      log.write("warning", "the disk could not be looked at", { workDir, error });
    }
  }

  /** Only what is left above it may be used by others, so it is there before tasks are taken again. */
  #hasReserve(bytes: number, freeBytes: number): boolean {
    const { path } = this.#deps;
    if (sizeOf(path) >= bytes) return true;
    if (freeBytes < 2 * bytes) return false;
    const file = openSync(path, "w", 0o600);
    try {
      const zeros = new Uint8Array(bytes);
      for (let written = 0; written < bytes; ) written += writeSync(file, zeros, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return true;
  }

  #tell(shortage: string | undefined): void {
    if (shortage === this.#shortage) return;
    const isNews = (shortage === undefined) !== (this.#shortage === undefined);
    this.#shortage = shortage;
    this.#deps.onShortage(shortage);
    if (!isNews) return;
    if (shortage === undefined) this.#deps.log.write("info", "there is room on the disk again");
    else {
      const remedy = "free some space; tasks run on, and no new ones are taken until then";
      this.#deps.log.write("error", "the disk is short", { why: shortage, remedy });
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
