/**
 * Bounds what tasks write to `stdout` and `stderr`: what is too much goes to `stdout.1`, `stdout.2`
 * and so on, of which only the newest stay. Tasks hold their files open and only append, so that the
 * beginning of a file is cut off under them; where the file system can do that in one step nothing is
 * lost, elsewhere what is written in the moment of the cut. Source: semantics 7.9.
 */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import type { Clock, Log } from "../../base/ports.ts";
import type { LogBounds } from "../../containerizer/log-bounds.ts";
import { HeldFolder } from "../../containerizer/posix/held-folder.ts";
import { putFolderAside } from "../../containerizer/posix/put-aside.ts";
import { LOG_COPY_BYTES, LOG_CUT_DEADLINE_MS, LOG_WATCH_MS } from "./limits.ts";

export interface LogRotationDependencies {
  readonly options: LogBounds;
  readonly clock: Clock;
  readonly log: Log;
  /** Sandboxes of which something may be writing, now. */
  readonly sandboxes: () => readonly string[];
}

export class LogRotation {
  readonly #deps: LogRotationDependencies;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(dependencies: LogRotationDependencies) {
    this.#deps = dependencies;
  }

  start(): void {
    const { stdout, stderr } = this.#deps.options.maxBytes;
    if (stdout === undefined && stderr === undefined) return;
    this.#cancel = this.#deps.clock.schedule(LOG_WATCH_MS, () => {
      this.#running = this.rotateAll().then(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  /** Resolves when no file is being rotated any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Looks at every file once. Never rejects. */
  async rotateAll(): Promise<void> {
    for (const sandbox of this.#deps.sandboxes()) {
      for (const name of ["stdout", "stderr"] as const) {
        const limit = this.#deps.options.maxBytes[name];
        if (limit === undefined || this.#isStopped) continue;
        const path = `${sandbox}/${name}`;
        try {
          const stats = await lstat(path).catch(() => undefined);
          if (stats !== undefined && stats.size > limit) await this.#rotateIn(sandbox, name, limit);
        } catch (error) {
          this.#deps.log.write("warning", "a log cannot be rotated", { path, error });
        }
      }
    }
  }

  /** In the folder that it is, wherever others may lead the way to it meanwhile. */
  async #rotateIn(sandbox: string, name: string, limit: number): Promise<void> {
    const folder = HeldFolder.open(sandbox);
    try {
      await this.#rotate(`${folder.path}/${name}`, limit);
    } finally {
      folder.close();
    }
  }

  async #rotate(path: string, limit: number): Promise<void> {
    // A task may put anything in the place of its file: only a file of its own is worked on.
    const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags).catch(() => undefined);
    if (file === undefined) return;
    try {
      const stats = await file.stat();
      if (!stats.isFile() || stats.nlink !== 1 || stats.size <= limit) return;
      // Whole blocks can be cut, as long as something is left behind them.
      const cut = stats.size - (stats.size % stats.blksize || stats.blksize);
      // Nothing is copied in vain, again and again.
      for (const name of ["new", "1"]) putFolderAside(`${path}.${name}`);
      const copy = await this.#beginCopy(path, stats);
      try {
        await copyPiece(file, copy, 0, cut);
        await this.#shift(path);
        if (cut === 0 || !(await cutOff(file, cut))) await truncate(file, copy, cut);
      } finally {
        await copy.close();
      }
    } finally {
      await file.close();
    }
  }

  /** Never follows what a task has put there. */
  async #beginCopy(
    path: string,
    { uid, gid, mode }: { readonly uid: number; readonly gid: number; readonly mode: number },
  ): Promise<FileHandle> {
    const name = `${path}.new`;
    await rm(name, { force: true });
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;
    const copy = await open(name, flags, mode & 0o777);
    await copy.chown(uid, gid);
    return copy;
  }

  async #shift(path: string): Promise<void> {
    const { files } = this.#deps.options;
    for (let number = files - 1; number >= 1; number -= 1) {
      await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(() => undefined);
    }
    if (files >= 1) await rename(`${path}.new`, `${path}.1`);
    else await rm(`${path}.new`, { force: true });
  }
}

async function copyPiece(
  source: FileHandle,
  target: FileHandle,
  from: number,
  to: number,
): Promise<void> {
  const buffer = new Uint8Array(LOG_COPY_BYTES);
  for (let position = from; position < to; ) {
    const wanted = Math.min(buffer.length, to - position);
    const { bytesRead } = await source.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return;
    await target.write(buffer, 0, bytesRead, position);
    position += bytesRead;
  }
}

/** Removes that many bytes at the beginning, in one step; false where that cannot be done. */
function cutOff(file: FileHandle, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    const args = ["--collapse-range", "--offset=0", `--length=${bytes}`, "/proc/self/fd/0"];
    const child = spawn("fallocate", args, {
      stdio: [file.fd, "ignore", "ignore"],
      timeout: LOG_CUT_DEADLINE_MS,
    });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

/** The rest goes along; what is written between the last look and the cut is lost. */
async function truncate(file: FileHandle, copy: FileHandle, from: number): Promise<void> {
  // The cut was made after all, though its end was not told in time.
  if ((await file.stat()).size < from) return;
  let end = from;
  for (let { size } = await file.stat(); size > end; { size } = await file.stat()) {
    await copyPiece(file, copy, end, size);
    end = size;
  }
  await file.truncate(0);
}
