/**
 * Folders that a layer only has something in look as the layers below it say, while overlayfs takes
 * the topmost layer's word for each. What differs is laid over all layers (overlay.ts). Source: OCI
 * image specification 1.1, "Image Layer Filesystem Changeset".
 */
import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { dress } from "./dress.ts";
import type { UnpackedLayer } from "./helper-jobs.ts";

/** What folders of the root look like, each after those above it; the root itself is "". */
export type FolderLooks = ReadonlyMap<string, Stats>;

/** Looked at or made in one turn of the agent's loop, within a few milliseconds. */
const PATHS_PER_TURN = 128;

/** Lets the agent go on after so many of them. */
class Turns {
  #count = 0;

  /** Awaited for each. */
  async forOne(): Promise<void> {
    this.#count += 1;
    if (this.#count % PATHS_PER_TURN === 0) await nextTurn();
  }
}

/** Those that have to be said anew, with all above them. `layers`: lowest first. */
export async function impliedFolders(layers: readonly UnpackedLayer[]): Promise<FolderLooks> {
  const stack = new LayerStack(layers);
  const looks = new Map<string, Stats>();
  const turns = new Turns();
  for (const path of new Set(layers.flatMap(({ implied }) => implied))) {
    await turns.forOne();
    if (!stack.isMistaken(path)) continue;
    for (const above of wayTo(path)) {
      const stat = stack.look(above);
      if (stat !== undefined) looks.set(above, stat);
    }
  }
  return looks;
}

/** Makes folders with these looks in a folder that has none of them; the root's own is left out. */
export async function makeFolders(folder: string, looks: FolderLooks): Promise<void> {
  const turns = new Turns();
  const others = [...looks].filter(([path]) => path !== "");
  for (const [path] of others) {
    await turns.forOne();
    mkdirSync(join(folder, path));
  }
  for (const [path, stat] of others) {
    await turns.forOne();
    dress(join(folder, path), stat);
  }
}

/** A layer's own folder at a place. */
interface Candidate {
  readonly index: number;
  readonly stat: Stats;
}

class LayerStack {
  readonly #layers: readonly UnpackedLayer[];
  readonly #implied: readonly ReadonlySet<string>[];
  readonly #opaques: readonly ReadonlySet<string>[];
  readonly #candidates = new Map<string, readonly Candidate[]>();
  readonly #shared = new Map<string, boolean>();

  constructor(layers: readonly UnpackedLayer[]) {
    this.#layers = layers;
    this.#implied = layers.map(({ implied }) => new Set(implied));
    this.#opaques = layers.map(({ opaques }) => new Set(opaques));
  }

  /** Whether the topmost layer with the folder does not say what it is like, and another does. */
  isMistaken(path: string): boolean {
    if (!this.#isShared(path)) return false;
    const [top, ...others] = this.#candidatesAt(path);
    return (
      top !== undefined &&
      this.#isImplied(top, path) &&
      others.some((other) => !this.#isImplied(other, path))
    );
  }

  /** Several layers may have the folder: most are in one that nobody else has, and need no look. */
  #isShared(path: string): boolean {
    if (path === "") return this.#layers.length > 1;
    const known = this.#shared.get(path);
    if (known !== undefined) return known;
    const parent = parentOf(path);
    const isShared = this.#isShared(parent) && this.#candidatesAt(parent).length > 1;
    this.#shared.set(path, isShared);
    return isShared;
  }

  look(path: string): Stats | undefined {
    const candidates = this.#candidatesAt(path);
    const found = candidates.find((one) => !this.#isImplied(one, path)) ?? candidates[0];
    return found?.stat;
  }

  #isImplied({ index }: Candidate, path: string): boolean {
    return this.#implied[index]?.has(path) === true;
  }

  /** The folders that are one in the root, the topmost first; none where the root has no folder. */
  #candidatesAt(path: string): readonly Candidate[] {
    const known = this.#candidates.get(path);
    if (known !== undefined) return known;
    const found: Candidate[] = [];
    for (const index of this.#layersAbove(path)) {
      const stat = lstatSync(join(this.#layers[index]?.root ?? "", path), {
        throwIfNoEntry: false,
      });
      if (stat === undefined) continue;
      // What is below something else than a folder, a sign of what is gone too, is not seen.
      if (!stat.isDirectory()) break;
      found.push({ index, stat });
    }
    this.#candidates.set(path, found);
    return found;
  }

  /** Layers that can have a part in the folder, the topmost first. */
  #layersAbove(path: string): readonly number[] {
    if (path === "") return this.#layers.map((_, index) => index).reverse();
    const parent = parentOf(path);
    const candidates = this.#candidatesAt(parent);
    const veil = candidates.findIndex(({ index }) => this.#opaques[index]?.has(parent) === true);
    const seen = veil === -1 ? candidates : candidates.slice(0, veil + 1);
    return seen.map(({ index }) => index);
  }
}

function wayTo(path: string): string[] {
  return path === "" ? [""] : [...wayTo(parentOf(path)), path];
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
