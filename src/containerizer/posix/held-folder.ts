/**
 * A folder that is held open, reached step by step: a link on the way is followed only where nobody
 * but root and the agent's own user could have put it. So what acts with the agent's rights in a
 * task's sandbox acts there and nowhere else. Source: semantics 7.16.
 */
import { chmodSync, closeSync, constants, fstatSync, mkdirSync, openSync } from "node:fs";
import process from "node:process";
import { hasCode } from "../system-errors.ts";

/** Linux: a descriptor to go on from, which needs no right to read. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | constants.O_DIRECTORY;
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
  static open(path: string, { isMade }: { readonly isMade: boolean }): HeldFolder {
    let folder = new HeldFolder(openSync("/", FLAGS));
    for (const name of path.split("/").filter((part) => part !== "")) {
      try {
        const inner = folder.#open(name, isMade);
        folder.close();
        folder = inner;
      } catch (error) {
        folder.close();
        if (!hasCode(error, "ENOTDIR", "ELOOP")) throw error;
        throw new Error(`${name} on the way is no folder, or a link that is not followed`);
      }
    }
    return folder;
  }

  /** Leads to this very folder for as long as it is held. */
  get path(): string {
    return `/proc/self/fd/${this.#descriptor}`;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #open(name: string, isMade: boolean): HeldFolder {
    const place = `${this.path}/${name}`;
    const isOurs = isOwnAlone(fstatSync(this.#descriptor), process.geteuid?.());
    const flags = isOurs ? FLAGS : FLAGS | constants.O_NOFOLLOW;
    try {
      return new HeldFolder(openSync(place, flags));
    } catch (error) {
      if (!isMade || !hasCode(error, "ENOENT")) throw error;
    }
    mkdirSync(place, { mode: 0o755 });
    const made = new HeldFolder(openSync(place, FLAGS | constants.O_NOFOLLOW));
    // The umask takes away from what was asked for.
    chmodSync(made.path, 0o755);
    return made;
  }
}
