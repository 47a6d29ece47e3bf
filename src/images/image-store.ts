/**
 * Images on disk: `layers/<digest>` unpacked, `images/<key>.json` with what a name stands for, and
 * `staging` for what is on its way. Whatever has its name is whole, since it gets that by a rename;
 * what is in staging when the agent starts belongs to nobody. The folder is this agent's alone.
 * Source: DESIGN §7.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Answer } from "../containerizer/docker/answer.ts";
import { LAYER_FACTS, LAYER_ROOT, type UnpackedLayer } from "./helper-jobs.ts";
import { parseRuntime, type RuntimeConfig, runtimeToJson } from "./manifest.ts";

export interface StoredImage {
  /** In full, with its tag or digest. */
  readonly name: string;
  /** Digests of the layers' content, lowest first. */
  readonly layers: readonly string[];
  readonly runtime: RuntimeConfig;
}

export interface AgedImage extends StoredImage {
  /** When it was last made use of, in milliseconds since the epoch. */
  readonly usedAtMs: number;
}

export class ImageStore {
  readonly folder: string;
  /** Layers in use that no file tells of yet, with the number of users. */
  readonly #held = new Map<string, number>();
  #removals = 0;

  /** Throws what the system throws. */
  constructor(folder: string) {
    this.folder = folder;
    for (const name of ["layers", "images", "staging"]) {
      mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    }
    for (const name of readdirSync(join(folder, "staging"))) {
      rmSync(join(folder, "staging", name), { recursive: true, force: true });
    }
  }

  /** A new, empty folder. Whoever asks removes it. */
  newStaging(): string {
    return mkdtempSync(join(this.folder, "staging", "new-"));
  }

  /** Undefined when it is not here. */
  layer(digest: string): UnpackedLayer | undefined {
    const path = this.#layerPath(digest);
    const facts = readJson(join(path, LAYER_FACTS));
    if (facts === undefined) return undefined;
    const texts = (name: string): string[] =>
      facts
        .at(name)
        .list()
        .flatMap((item) => item.text() ?? []);
    return {
      root: join(path, LAYER_ROOT),
      whiteouts: texts("whiteouts"),
      opaques: texts("opaques"),
      implied: texts("implied"),
    };
  }

  /** Gives what a helper has unpacked the name by which it is found. */
  addLayer(digest: string, staging: string): void {
    const path = this.#layerPath(digest);
    if (!existsSync(path)) renameSync(staging, path);
  }

  /** What a layer holds, unpacked; 0 where nobody says. */
  layerBytes(digest: string): number {
    return (
      readJson(join(this.#layerPath(digest), LAYER_FACTS))
        ?.at("bytes")
        .number() ?? 0
    );
  }

  layers(): string[] {
    return readdirSync(join(this.folder, "layers")).map((hex) => `sha256:${hex}`);
  }

  /** Undefined when it is not here, or not all of it. */
  image(name: string): StoredImage | undefined {
    const image = imageOf(readJson(this.#imagePath(name)));
    const isWhole = image?.layers.every((digest) => existsSync(this.#layerPath(digest)));
    return isWhole === true ? image : undefined;
  }

  addImage({ name, layers, runtime }: StoredImage): void {
    const path = this.#imagePath(name);
    const text = JSON.stringify({ name, layers, config: runtimeToJson(runtime) });
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  images(): AgedImage[] {
    const folder = join(this.folder, "images");
    return readdirSync(folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => join(folder, file))
      .flatMap((path) => {
        const image = imageOf(readJson(path));
        return image === undefined ? [] : [{ ...image, usedAtMs: statSync(path).mtimeMs }];
      });
  }

  /** Its age counts from this moment on. It may be gone. */
  touch(name: string, nowMs: number): void {
    const path = this.#imagePath(name);
    if (existsSync(path)) utimesSync(path, nowMs / 1000, nowMs / 1000);
  }

  removeImage(name: string): void {
    rmSync(this.#imagePath(name), { force: true });
  }

  /**
   * All gone at once for everybody, so that nobody begins to use one while another goes; from the disk
   * when it resolves.
   */
  async removeLayers(digests: readonly string[]): Promise<void> {
    const gone: string[] = [];
    try {
      for (const digest of digests) {
        this.#removals += 1;
        // Nothing is made for it: there may be no inode left, which is why they are to go.
        const path = join(this.folder, "staging", `gone-${this.#removals}`);
        renameSync(this.#layerPath(digest), path);
        gone.push(path);
      }
    } finally {
      for (const path of gone) await rm(path, { recursive: true, force: true });
    }
  }

  /** Keeps layers, which need not be here yet, from being removed until the function is called. */
  hold(layers: readonly string[]): () => void {
    for (const digest of layers) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      for (const digest of layers) {
        const users = (this.#held.get(digest) ?? 0) - 1;
        if (users > 0) this.#held.set(digest, users);
        else this.#held.delete(digest);
      }
    };
  }

  isHeld(digest: string): boolean {
    return this.#held.has(digest);
  }

  #layerPath(digest: string): string {
    return join(this.folder, "layers", digest.replace(/^sha256:/, ""));
  }

  #imagePath(name: string): string {
    const key = createHash("sha256").update(name).digest("hex");
    return join(this.folder, "images", `${key}.json`);
  }
}

function imageOf(answer: Answer | undefined): StoredImage | undefined {
  const name = answer?.at("name").text();
  if (answer === undefined || name === undefined) return undefined;
  return {
    name,
    layers: answer
      .at("layers")
      .list()
      .flatMap((item) => item.text() ?? []),
    runtime: parseRuntime(answer.at("config")),
  };
}

/** Undefined for a file that is not there, or that no version of allot has written. */
function readJson(path: string): Answer | undefined {
  try {
    return new Answer(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
