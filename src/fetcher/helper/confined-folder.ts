/**
 * Writes into the working folder of this process and never outside of it, whatever paths an archive
 * names: every parent is a real folder, never a link, so that a path means what it says.
 */
import { lstatSync, mkdirSync, type Stats, unlinkSync } from "node:fs";
import { ARCHIVE_FOLDERS_BYTES_MAX, PATH_BYTES_MAX } from "../limits.ts";
import { FetchError } from "./fetch-error.ts";

const FOLDER_MODE = 0o755;

/** Errors: `FetchError` for what must not be, system errors for what cannot be. */
export class ConfinedFolder {
  readonly #what: string;
  /** Parents seen to be real folders: the same few come again and again. */
  readonly #known = new Set<string>();
  #knownBytes = 0;

  /** `what` the folder is, for people. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Parents of all that was placed, from the working folder on. */
  parents(): Iterable<string> {
    return this.#known;
  }

  /** A path's parts, if it stays inside. */
  partsOf(path: string, itself?: "or itself"): string[] {
    const shown = JSON.stringify(path.slice(0, 200));
    if (path.includes("\0")) throw new FetchError(`The path ${shown} contains a zero byte`);
    if (path.startsWith("/")) {
      throw new FetchError(`The path ${shown} is absolute and would leave the ${this.#what}`);
    }
    if (Buffer.byteLength(path) > PATH_BYTES_MAX)
      throw new FetchError(`A path is too long: ${shown}…`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) {
      throw new FetchError(`The path ${shown} contains '..' and would leave the ${this.#what}`);
    }
    if (parts.length === 0 && itself === undefined) throw new FetchError(`${shown} names no file`);
    return parts;
  }

  /** Where the last part goes: parents exist, and nothing is in the way. */
  placeFor(parts: readonly string[], path: string): string {
    this.makeParents(parts, path);
    const place = `./${parts.join("/")}`;
    const found = statOf(place);
    if (found?.isDirectory() === true) throw new FetchError(`${path} is a folder already`);
    if (found !== undefined) unlinkSync(place);
    return place;
  }

  /** Makes the folders above the last part, or sees that they are real ones. */
  makeParents(parts: readonly string[], path: string): void {
    let folder = ".";
    for (const part of parts.slice(0, -1)) {
      folder = `${folder}/${part}`;
      if (this.#known.has(folder)) continue;
      this.#knownBytes += folder.length;
      if (this.#knownBytes > ARCHIVE_FOLDERS_BYTES_MAX) {
        throw new FetchError(`the archive has too many folders: ${this.#known.size} up to now`);
      }
      const found = statOf(folder);
      if (found === undefined) mkdirSync(folder, { mode: FOLDER_MODE });
      else if (!found.isDirectory()) {
        throw new FetchError(
          `${path} lies behind ${folder.slice(2)}, which is no folder but a file or link`,
        );
      }
      this.#known.add(folder);
    }
  }
}

export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
