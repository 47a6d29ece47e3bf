/**
 * Network namespaces that outlive the processes in them, each held by a mount at a file. The folder
 * of all these files is a mount of its own which is shared, so that what is taken away on the host
 * goes from every container's mounts too, and no container holds the network of another. It is
 * mounted with the first namespace and goes with the last. Source: ip-netns(8), unshare(1).
 */
import { closeSync, mkdirSync, openSync, statfsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import type { Clock } from "../../../base/ports.ts";
import { ContainerizerError } from "../../containerizer.ts";
import { sharingAt } from "../../posix/mounts.ts";
import { TurnQueue } from "../../turn-queue.ts";
import { requiredProgram, runLocked } from "./helper-program.ts";

/** Magic number of the file system that namespaces are files of. */
const NSFS_MAGIC = 0x6e73_6673;

export class NamespaceFiles {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #turns = new TurnQueue(1);
  #isReady = false;

  /** `folder`: absolute; below it are the files, each in a folder of its own. */
  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Makes the folder that namespaces can be held in. */
  async open(): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#isReady) return;
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      const lock = `${this.#folder}.lock`;
      if (sharingAt(this.#folder) === undefined) {
        await this.#run(lock, ["mount", "--bind", this.#folder, this.#folder]);
      }
      // A folder that is ready is left alone: containers that run hang on to its group.
      if (sharingAt(this.#folder) !== "ownGroup") {
        await this.#run(lock, ["mount", "--make-private", this.#folder]);
        await this.#run(lock, ["mount", "--make-shared", this.#folder]);
      }
      this.#isReady = true;
    });
  }

  /** Takes the folder away, unless `isNeeded` at that moment. Safe to repeat. */
  async close(isNeeded: () => boolean): Promise<void> {
    await this.#turns.run(async () => {
      if (isNeeded()) return;
      this.#isReady = false;
      const lock = `${this.#folder}.lock`;
      if (sharingAt(this.#folder) !== undefined) {
        await this.#run(lock, ["umount", this.#folder]);
      }
      // Whatever else is in it is not ours to take.
      await rmdir(this.#folder).catch(() => undefined);
      await rm(lock, { force: true });
    });
  }

  /** A new namespace at this file, with nothing in it but a loopback that is down. */
  async make(file: string, lock: string): Promise<void> {
    closeSync(openSync(file, "a", 0o600));
    await this.#run(lock, ["unshare", `--net=${file}`, "true"]);
  }

  /** Whether a namespace is held there: after a restart of the host there is but the file. */
  isHeld(file: string): boolean {
    try {
      return statfsSync(file).type === NSFS_MAGIC;
    } catch {
      return false;
    }
  }

  /** Lets the namespace go. Safe to repeat. */
  async release(file: string, lock: string): Promise<void> {
    while (this.isHeld(file)) await this.#run(lock, ["umount", "-l", file]);
  }

  async #run(lock: string, [name = "", ...args]: readonly string[]): Promise<void> {
    const words = [requiredProgram(name, "util-linux"), ...args];
    const { code, stderr } = await runLocked(this.#clock, { words, lock });
    if (code === 0) return;
    throw new ContainerizerError(`${name} ${args.join(" ")} failed: ${stderr.trim()}`);
  }
}
