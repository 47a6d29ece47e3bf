/**
 * Writes into one folder and never outside of it, whatever paths and links an archive names. Every
 * parent is a real folder, never a link, so that a path means what it says; a link leads upwards
 * only at its beginning and never above the folder, so that links to links stay inside too.
 * Refusals come before anything is touched. Paths are relative to the process's working folder.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import process from "node:process";
import { PATH_BYTES_MAX } from "../limits.ts";
import { FetchError } from "./fetch-error.ts";

const FOLDER_MODE = 0o755;
const SET_ID_BITS = 0o6000;

/** See the header. Errors: `FetchError` for what must not be, system errors for what cannot be. */
export class SandboxFolder {
  readonly #isRoot: boolean = process.geteuid?.() === 0;
  /** Parents seen to be real folders: the same few come again and again. */
  readonly #known = new Set<string>();

  /** A new file in place of what is there, open for writing. The caller closes it. */
  createFile(path: string, mode: number): number {
    const parts = this.#partsOf(path);
    if (this.#isRoot && (mode & SET_ID_BITS) !== 0) {
      throw new FetchError(
        `${path} would run as another user (setuid or setgid), unpacked by root`,
      );
    }
    const place = this.#placeFor(parts, path);
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants;
    const file = openSync(place, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      fchmodSync(file, mode & 0o777);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return file;
  }

  makeFolder(path: string, mode: number): void {
    const parts = this.#partsOf(path, "or itself");
    if (parts.length === 0) return;
    this.#parents([...parts, ""], path);
    // Its owner must be able to go on unpacking into it.
    chmodSync(`./${parts.join("/")}`, (mode & 0o777) | 0o700);
  }

  makeLink(path: string, target: string): void {
    const parts = this.#partsOf(path);
    const fault = linkFault(parts.length - 1, target);
    if (fault !== undefined) throw new FetchError(`The link ${path} ${fault}`);
    symlinkSync(target, this.#placeFor(parts, path));
  }

  makeHardLink(path: string, target: string): void {
    const parts = this.#partsOf(path);
    const targetParts = this.#partsOf(target);
    this.#parents(targetParts, target);
    const existing = `./${targetParts.join("/")}`;
    if (statOf(existing)?.isFile() !== true) {
      throw new FetchError(`The link ${path} leads to ${target}, which is no file of the sandbox`);
    }
    if (targetParts.join("/") === parts.join("/")) return;
    linkSync(existing, this.#placeFor(parts, path));
  }

  /** A path's parts, if it stays inside. */
  #partsOf(path: string, itself?: "or itself"): string[] {
    const shown = JSON.stringify(path.slice(0, 200));
    if (path.includes("\0")) throw new FetchError(`The path ${shown} contains a zero byte`);
    if (path.startsWith("/")) {
      throw new FetchError(`The path ${shown} is absolute and would leave the sandbox`);
    }
    if (Buffer.byteLength(path) > PATH_BYTES_MAX)
      throw new FetchError(`A path is too long: ${shown}…`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) {
      throw new FetchError(`The path ${shown} contains '..' and would leave the sandbox`);
    }
    if (parts.length === 0 && itself === undefined) throw new FetchError(`${shown} names no file`);
    return parts;
  }

  /** Where the last part goes: parents exist, and nothing is in the way. */
  #placeFor(parts: readonly string[], path: string): string {
    this.#parents(parts, path);
    const place = `./${parts.join("/")}`;
    const found = statOf(place);
    if (found?.isDirectory() === true) throw new FetchError(`${path} is a folder already`);
    if (found !== undefined) unlinkSync(place);
    return place;
  }

  /** Makes the folders above the last part, or sees that they are real ones. */
  #parents(parts: readonly string[], path: string): void {
    let folder = ".";
    for (const part of parts.slice(0, -1)) {
      folder = `${folder}/${part}`;
      if (this.#known.has(folder)) continue;
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

/** Why a link must not be made; `depth` folders lie between it and the sandbox. */
function linkFault(depth: number, target: string): string | undefined {
  const shown = JSON.stringify(target.slice(0, 200));
  if (target === "" || target.includes("\0")) return `has no usable target: ${shown}`;
  if (target.startsWith("/")) return `leads out of the sandbox, to ${shown}`;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const firstName = parts.findIndex((part) => part !== "..");
  const ups = firstName < 0 ? parts.length : firstName;
  if (ups > depth) return `leads out of the sandbox, to ${shown}`;
  if (parts.slice(ups).includes(".."))
    return `goes down and up again, which could leave the sandbox: ${shown}`;
  return undefined;
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
