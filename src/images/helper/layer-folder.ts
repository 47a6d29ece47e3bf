/**
 * The files of one layer, as an image wants them: with owners, modes and links that lead wherever
 * they like in the image's root. Nothing is written through a link, and what a layer takes away from
 * those below it is collected for the end. Devices never come out of an archive (unpack-tar.ts).
 * Source: OCI image specification 1.1, "Image Layer Filesystem Changeset".
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { ConfinedFolder, statOf } from "../../fetcher/helper/confined-folder.ts";
import { FetchError } from "../../fetcher/helper/fetch-error.ts";
import type { TarHeader } from "../../fetcher/helper/tar-header.ts";
import type { TarTarget } from "../../fetcher/helper/unpack-tar.ts";
import type { LayerFacts } from "../helper-jobs.ts";

const PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** What aufs keeps for itself. */
const OWN_PREFIX = ".wh..wh.";

type Owner = Pick<TarHeader, "uid" | "gid">;

/** Works in the working folder of this process. Errors: `FetchError`. */
export class LayerFolder implements TarTarget {
  readonly #folder = new ConfinedFolder("image");
  readonly #whiteouts = new Set<string>();
  readonly #opaques = new Set<string>();
  /** Of folders that have entries of their own. */
  readonly #times = new Map<string, number>();

  createFile(path: string, mode: number, { uid, gid }: Owner): number {
    const place = this.#placeFor(path);
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants;
    const file = openSync(place, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      fchownSync(file, uid, gid);
      // After the owner, whose change takes the setuid bit away.
      fchmodSync(file, mode & 0o7777);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return file;
  }

  makeFolder(path: string, mode: number, { uid, gid, modifiedSeconds }: TarHeader): void {
    const parts = this.#partsOf(path, "or itself");
    this.#folder.makeParents([...parts, ""], path);
    const place = `./${parts.join("/")}`;
    lchownSync(place, uid, gid);
    chmodSync(place, mode & 0o7777);
    this.#times.set(place, modifiedSeconds);
  }

  makeLink(path: string, target: string, { uid, gid }: Owner): void {
    if (target === "" || target.includes("\0")) {
      throw new FetchError(`The link ${path} has no usable target`);
    }
    const place = this.#placeFor(path);
    symlinkSync(target, place);
    lchownSync(place, uid, gid);
  }

  makeHardLink(path: string, target: string): void {
    const parts = this.#partsOf(path);
    const targetParts = this.#partsOf(target);
    this.#folder.makeParents(targetParts, target);
    const existing = `./${targetParts.join("/")}`;
    const found = statOf(existing);
    if (found === undefined || found.isDirectory()) {
      throw new FetchError(`The link ${path} leads to ${target}, which is no file of the layer`);
    }
    if (targetParts.join("/") === parts.join("/")) return;
    linkSync(existing, this.#folder.placeFor(parts, path));
  }

  isSign(path: string): boolean {
    const parts = this.#partsOf(path, "or itself");
    const name = parts.at(-1) ?? "";
    if (!name.startsWith(PREFIX)) return parts.some((part) => part.startsWith(OWN_PREFIX));
    const above = parts.slice(0, -1);
    if (name === OPAQUE) this.#opaques.add(above.join("/"));
    if (name.startsWith(OWN_PREFIX)) return true;
    const gone = name.slice(PREFIX.length);
    if (gone === "" || gone === "." || gone === "..") {
      throw new FetchError(`${path} would take away what has no name`);
    }
    this.#folder.makeParents([...above, ""], path);
    this.#whiteouts.add([...above, gone].join("/"));
    return true;
  }

  /** When all is unpacked: the times of its folders, and what the layer says of those below it. */
  finish(): Omit<LayerFacts, "bytes"> {
    for (const [place, seconds] of this.#times) utimesSync(place, seconds, seconds);
    const whiteouts: string[] = [];
    for (const path of this.#whiteouts) {
      const found = statOf(`./${path}`);
      // A layer takes away only what is below it, also where it has something new of that name.
      if (found === undefined) whiteouts.push(path);
      else if (found.isDirectory()) this.#opaques.add(path);
    }
    for (const path of this.#opaques) {
      if (path !== "") this.#folder.makeParents([...path.split("/"), ""], path);
    }
    return { whiteouts, opaques: [...this.#opaques], implied: this.#implied() };
  }

  /** What is taken away first is made anew. */
  #implied(): string[] {
    return ["./", ...this.#folder.parents()]
      .filter((place) => !this.#times.has(place))
      .map((place) => place.slice(2))
      .filter((path) => !this.#whiteouts.has(path));
  }

  #placeFor(path: string): string {
    return this.#folder.placeFor(this.#partsOf(path), path);
  }

  /** Some programs name files from the image's root. */
  #partsOf(path: string, itself?: "or itself"): string[] {
    return this.#folder.partsOf(path.replace(/^\/+/, ""), itself);
  }
}
