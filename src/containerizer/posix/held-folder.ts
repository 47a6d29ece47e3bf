/**
 * A folder that is held open, reached step by step: a link on the way is followed only where nobody
 * but root and the agent's own user could have put it. So what acts with the agent's rights in a
 * task's sandbox acts there and nowhere else. Source: semantics 7.16.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
} from "node:fs";
import process from "node:process";
import { hasCode } from "../system-errors.ts";

/** Linux: a descriptor to go on from, which needs no right to read. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | constants.O_DIRECTORY;
const NO_LINK = FLAGS | constants.O_NOFOLLOW;
/** Write permission of the group and of all others. */
const OTHERS_WRITE = 0o022;

/** True when nobody but root and that user can put something into a folder. */
export function isOwnAlone(
  { uid, mode }: { readonly uid: number; readonly mode: number },
  ownUid: number | undefined,
): boolean {
  return (uid === 0 || uid === ownUid) && (mode & OTHERS_WRITE) === 0;
}

export class HeldFolder {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** What is missing is made where `isMade`, with mode 0755. Throws what the system does. */
  static open(path: string, { isMade = false }: { readonly isMade?: boolean } = {}): HeldFolder {
    let folder = new HeldFolder(openSync("/", FLAGS));
    for (const name of path.split("/").filter((part) => part !== "")) {
      folder = folder.use((outer) => outer.#step(name, isMade));
    }
    return folder;
  }

  /** Leads to this very folder for as long as it is held. */
  get path(): string {
    return `/proc/self/fd/${this.#descriptor}`;
  }

  /** Where it is now, without links: what another process is to find there. */
  get realPath(): string {
    return readlinkSync(this.path);
  }

  /** A folder in it, never one that a link leads to. Throws what the system does. */
  inner(name: string): HeldFolder {
    return this.#open(name, NO_LINK);
  }

  /** A new folder in it, the agent's own, with mode 0755. Throws what the system does. */
  make(name: string): HeldFolder {
    mkdirSync(`${this.path}/${name}`, { mode: 0o755 });
    const made = this.inner(name);
    // The umask takes away from what was asked for.
    chmodSync(made.path, 0o755);
    return made;
  }

  /** Does something with it and lets go of it, whatever comes of that. */
  use<T>(work: (folder: HeldFolder) => T): T {
    try {
      return work(this);
    } finally {
      this.close();
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #step(name: string, isMade: boolean): HeldFolder {
    const isOurs = isOwnAlone(fstatSync(this.#descriptor), process.geteuid?.());
    try {
      return this.#open(name, isOurs ? FLAGS : NO_LINK);
    } catch (error) {
      if (!isMade || !hasCode(error, "ENOENT")) throw error;
      return this.make(name);
    }
  }

  #open(name: string, flags: number): HeldFolder {
    try {
      return new HeldFolder(openSync(`${this.path}/${name}`, flags));
    } catch (error) {
      if (!hasCode(error, "ENOTDIR", "ELOOP")) throw error;
      throw new Error(`${name} on the way is no folder, or a link that is not followed`);
    }
  }
}
