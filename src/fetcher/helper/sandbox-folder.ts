/**
 * Writes into one folder and never outside of it, whatever paths and links an archive names: a link leads upwards
 * only at its beginning and never above the folder, so that links to links stay inside too.
 * Refusals come before anything is touched. Paths are relative to the process's working folder.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  openSync,
  symlinkSync,
} from "node:fs";
import process from "node:process";
import { ConfinedFolder, statOf } from "./confined-folder.ts";
import { FetchError } from "./fetch-error.ts";

const SET_ID_BITS = 0o6000;

/** See the header. Errors: `FetchError` for what must not be, system errors for what cannot be. */
export class SandboxFolder {
  readonly #isRoot: boolean = process.geteuid?.() === 0;
  readonly #folder = new ConfinedFolder("sandbox");

  /** A new file in place of what is there, open for writing. The caller closes it. */
  createFile(path: string, mode: number): number {
    const parts = this.#folder.partsOf(path);
    if (this.#isRoot && (mode & SET_ID_BITS) !== 0) {
      throw new FetchError(
        `${path} would run as another user (setuid or setgid), unpacked by root`,
      );
    }
    const place = this.#folder.placeFor(parts, path);
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
    const parts = this.#folder.partsOf(path, "or itself");
    if (parts.length === 0) return;
    this.#folder.makeParents([...parts, ""], path);
    // Its owner must be able to go on unpacking into it.
    chmodSync(`./${parts.join("/")}`, (mode & 0o777) | 0o700);
  }

  makeLink(path: string, target: string): void {
    const parts = this.#folder.partsOf(path);
    const fault = linkFault(parts.length - 1, target);
    if (fault !== undefined) throw new FetchError(`The link ${path} ${fault}`);
    symlinkSync(target, this.#folder.placeFor(parts, path));
  }

  makeHardLink(path: string, target: string): void {
    const parts = this.#folder.partsOf(path);
    const targetParts = this.#folder.partsOf(target);
    this.#folder.makeParents(targetParts, target);
    const existing = `./${targetParts.join("/")}`;
    if (statOf(existing)?.isFile() !== true) {
      throw new FetchError(`The link ${path} leads to ${target}, which is no file of the sandbox`);
    }
    if (targetParts.join("/") === parts.join("/")) return;
    linkSync(existing, this.#folder.placeFor(parts, path));
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
