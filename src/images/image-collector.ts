/**
 * Removes images that no container uses: when an operator asks for it, and where the agent is told so
 * (`--image_gc_config`) when the store's disk is fuller than it may be. What is being pulled stays.
 * Source: Mesos ImageGcConfig; http-api 7.3 (PRUNE_IMAGES).
 */
import { statfs } from "node:fs/promises";
import type { Clock, Log } from "../base/ports.ts";
import type { Image } from "../protocol/v1/types.ts";
import { ImageError } from "./image-error.ts";
import type { ImagePuller } from "./image-puller.ts";
import type { ImageStore } from "./image-store.ts";
import type { Provisioner } from "./provisioner.ts";

export interface ImageGarbageOptions {
  /** Share of the disk that is to be free. */
  readonly headroom: number;
  readonly intervalMs: number;
}

export interface ImageCollectorOptions {
  readonly store: ImageStore;
  readonly provisioner: Provisioner;
  readonly puller: Pick<ImagePuller, "nameOf">;
  /** Names of images that always stay. */
  readonly excluded: readonly string[];
  /** Undefined: only operators remove images. */
  readonly garbage: ImageGarbageOptions | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class ImageCollector {
  readonly #options: ImageCollectorOptions;
  #cancel: () => void = () => undefined;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ImageCollectorOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Removes all that is not used, but for these. Errors: `ImageError` for what is no name. */
  prune(excluded: readonly Image[]): Promise<void> {
    // One after the other; each looks at what is there when its turn has come.
    const work = this.#work.then(() => this.#prune(excluded.map(nameOfImage)));
    this.#work = work.catch(() => undefined);
    return work;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#work;
  }

  async #prune(excluded: readonly string[]): Promise<void> {
    const { store, provisioner, puller, log } = this.#options;
    const names = [...excluded, ...this.#options.excluded].map((image) => puller.nameOf(image));
    const kept = new Set([...names, ...provisioner.imagesInUse()]);
    const layers = provisioner.layersInUse();
    for (const image of store.images()) {
      const isHeld = image.layers.some((digest) => store.isHeld(digest));
      if (kept.has(image.name) || isHeld) for (const digest of image.layers) layers.add(digest);
      else {
        store.removeImage(image.name);
        log.write("info", "removed an image", { image: image.name });
      }
    }
    for (const digest of store.layers()) {
      if (!layers.has(digest) && !store.isHeld(digest)) await store.removeLayer(digest);
    }
  }

  #schedule(): void {
    const { garbage, clock } = this.#options;
    if (garbage === undefined || this.#isStopped) return;
    this.#cancel = clock.schedule(garbage.intervalMs, () => {
      this.#look(garbage.headroom).then(
        () => this.#schedule(),
        (error: unknown) => {
          this.#options.log.write("warning", "images could not be removed", { error });
          this.#schedule();
        },
      );
    });
  }

  async #look(headroom: number): Promise<void> {
    const { blocks, bavail } = await statfs(this.#options.store.folder);
    if (bavail / Math.max(1, blocks) < headroom) await this.prune([]);
  }
}

/** Errors: `ImageError` for an image of no Docker kind. */
function nameOfImage(image: Image): string {
  if (image.type === "DOCKER" && image.docker !== undefined) return image.docker.name;
  throw new ImageError("only images of type DOCKER are known here, with docker.name");
}
