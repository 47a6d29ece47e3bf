/**
 * Which project id belongs to which sandbox: a file for each id, named by it, with the sandbox's path in
 * it. It is on disk before the id is used, and goes when the sandbox has gone, so that no two sandboxes
 * ever share an id, whatever dies in between.
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
import { join } from "node:path";
import { ContainerizerError } from "../containerizer.ts";

/** From `begin` to `end`, both included. */
export interface ProjectRange {
  readonly begin: number;
  readonly end: number;
}

export class XfsProjects {
  readonly #folder: string;
  readonly #range: ProjectRange;
  readonly #sandboxes = new Map<number, string>();
  readonly #ids = new Map<string, number>();
  #next: number;

  /** Reads what is in the folder, which is made where it is missing. */
  constructor(folder: string, range: ProjectRange) {
    this.#folder = folder;
    this.#range = range;
    this.#next = range.begin;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder).filter((one) => /^\d+$/.test(one))) {
      this.#add(Number(name), readFileSync(join(folder, name), "utf8"));
    }
  }

  /** Undefined for a sandbox without one. */
  idOf(sandbox: string): number | undefined {
    return this.#ids.get(sandbox);
  }

  /** All ids are taken. */
  get isExhausted(): boolean {
    const { begin, end } = this.#range;
    return this.#sandboxes.size > end - begin;
  }

  /** Takes an id for the sandbox, the same one again if it has one. Errors: `ContainerizerError`. */
  take(sandbox: string): number {
    const known = this.#ids.get(sandbox);
    if (known !== undefined) return known;
    const { begin, end } = this.#range;
    const count = end - begin + 1;
    for (let tries = 0; tries < count; tries++) {
      const id = this.#next;
      this.#next = id === end ? begin : id + 1;
      if (this.#sandboxes.has(id)) continue;
      this.#write(id, sandbox);
      this.#add(id, sandbox);
      return id;
    }
    throw new ContainerizerError(
      `All ${count} project ids of --xfs_project_range belong to sandboxes; widen it or let sandboxes go sooner (--gc_delay)`,
    );
  }

  /** Ids whose sandboxes have gone. */
  abandoned(): number[] {
    return [...this.#sandboxes].flatMap(([id, sandbox]) => (existsSync(sandbox) ? [] : [id]));
  }

  release(id: number): void {
    rmSync(join(this.#folder, String(id)), { force: true });
    const sandbox = this.#sandboxes.get(id);
    if (sandbox !== undefined) this.#ids.delete(sandbox);
    this.#sandboxes.delete(id);
  }

  #add(id: number, sandbox: string): void {
    this.#sandboxes.set(id, sandbox);
    this.#ids.set(sandbox, id);
  }

  #write(id: number, sandbox: string): void {
    const file = openSync(join(this.#folder, String(id)), "w", 0o600);
    try {
      writeSync(file, sandbox);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
