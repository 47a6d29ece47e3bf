/**
 * Which project id belongs to which folder, a sandbox or a persistent volume: a file for each id, named
 * by it, with the folder's path in it. It is on disk before the id is used, and goes when the folder has
 * gone, so that no two folders ever share an id, whatever dies in between. A second file says of a
 * volume that all in it counts for its id, which takes long to see to; a third that another folder is in
 * its place by now, which has an id of its own.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ContainerizerError } from "../containerizer.ts";

/** From `begin` to `end`, both included. */
export interface ProjectRange {
  readonly begin: number;
  readonly end: number;
}

/** Ends of names, after the id. */
const SETTLED = ".settled";
const MOVED = ".moved";

export class XfsProjects {
  readonly #records: string;
  readonly #range: ProjectRange;
  readonly #folders = new Map<number, string>();
  readonly #ids = new Map<string, number>();
  readonly #moved = new Set<number>();
  #next: number;

  /** Reads what is in the folder, which is made where it is missing. */
  constructor(folder: string, range: ProjectRange) {
    this.#records = folder;
    this.#range = range;
    this.#next = range.begin;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const names = readdirSync(folder);
    for (const name of names.filter((one) => one.endsWith(MOVED))) {
      const id = name.slice(0, -MOVED.length);
      // Its last word, when it was released.
      if (names.includes(id)) this.#moved.add(Number(id));
      else rmSync(join(folder, name));
    }
    for (const name of names.filter((one) => /^\d+$/.test(one))) {
      this.#add(Number(name), readFileSync(join(folder, name), "utf8"));
    }
  }

  /** Undefined for a folder without one. */
  idOf(folder: string): number | undefined {
    return this.#ids.get(folder);
  }

  /** Undefined for an id that nobody has. */
  folderOf(id: number): string | undefined {
    return this.#folders.get(id);
  }

  /** All ids are taken. */
  get isExhausted(): boolean {
    const { begin, end } = this.#range;
    return this.#folders.size > end - begin;
  }

  /** Takes an id for the folder, the same one again if it has one. Errors: `ContainerizerError`. */
  take(folder: string): number {
    const known = this.#ids.get(folder);
    if (known !== undefined) return known;
    const { begin, end } = this.#range;
    const count = end - begin + 1;
    for (let tries = 0; tries < count; tries++) {
      const id = this.#next;
      this.#next = id === end ? begin : id + 1;
      if (this.#folders.has(id)) continue;
      this.#write(String(id), folder);
      this.#add(id, folder);
      return id;
    }
    throw new ContainerizerError(
      `All ${count} project ids of --xfs_project_range belong to sandboxes and volumes; widen it or let sandboxes go sooner (--gc_delay)`,
    );
  }

  /**
   * In the folder's place is another one, for which another id is to be taken; this one is abandoned.
   * Of several who find that out, the first does it.
   */
  leave(folder: string, id: number): void {
    if (this.#ids.get(folder) !== id) return;
    this.#write(`${id}${MOVED}`, "");
    this.#moved.add(id);
    this.#ids.delete(folder);
  }

  /** All in the volume counts for the id, unless the folder has been replaced since. */
  isSettled(id: number): boolean {
    return existsSync(join(this.#records, `${id}${SETTLED}`));
  }

  /** Whether it does: not while that is being seen to. */
  settle(id: number, isSettled: boolean): void {
    if (isSettled) this.#write(`${id}${SETTLED}`, "");
    else rmSync(join(this.#records, `${id}${SETTLED}`), { force: true });
  }

  /** Ids whose folders have gone, or were moved. */
  abandoned(): number[] {
    return [...this.#folders].flatMap(([id, folder]) => (this.#isGone(id, folder) ? [id] : []));
  }

  release(id: number): void {
    this.settle(id, false);
    rmSync(join(this.#records, String(id)), { force: true });
    rmSync(join(this.#records, `${id}${MOVED}`), { force: true });
    const folder = this.#folders.get(id);
    if (folder !== undefined && this.#ids.get(folder) === id) this.#ids.delete(folder);
    this.#folders.delete(id);
    this.#moved.delete(id);
  }

  /** A volume is not, as long as its disk may just not be mounted. */
  #isGone(id: number, folder: string): boolean {
    const isMoved = this.#moved.has(id);
    if (!isMoved && existsSync(folder)) return false;
    return !(isMoved || this.isSettled(id)) || existsSync(dirname(folder));
  }

  #add(id: number, folder: string): void {
    this.#folders.set(id, folder);
    if (!this.#moved.has(id)) this.#ids.set(folder, id);
  }

  #write(name: string, text: string): void {
    const file = openSync(join(this.#records, name), "w", 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
