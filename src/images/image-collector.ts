/**
 * Removes images that no container uses: when an operator asks for it, and where the agent is told so
 * when the store's disk is fuller than it may be (`--image_gc_config`, as Mesos does), when they have
 * not been used for long (`--image_gc_delay`) or take more than they may (`--image_store_size`). What
 * is being pulled stays. Source: Mesos ImageGcConfig; http-api 7.3 (PRUNE_IMAGES).
 */
import { statfs } from "node:fs/promises";
import type { Clock, Log } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import type { Image } from "../protocol/v1/types.ts";
import { type ImageBudget, imagesToRemove } from "./image-budget.ts";
import { ImageError } from "./image-error.ts";
import type { ImagePuller } from "./image-puller.ts";
import type { AgedImage, ImageStore } from "./image-store.ts";
import type { Provisioner } from "./provisioner.ts";

export interface ImageGarbageOptions extends ImageBudget {
  /** Share of the disk that is to be free; undefined for none. */
  readonly headroom: number | undefined;
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

  /** Removes all that is not used, but for these. Errors: invalid, for what is no image's name. */
  async prune(excluded: readonly Image[]): Promise<Result<undefined>> {
    const names: string[] = [];
    for (const [index, image] of excluded.entries()) {
      const name = this.#nameOf(image, `prune_images.excluded_images[${index}]`);
      if (!name.ok) return name;
      names.push(name.value);
    }
    await this.#inOrder(() => this.#remove(names, (unused) => unused));
    return ok(undefined);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#work;
  }

  /** One after the other; each looks at what is there when its turn has come. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #remove(
    excluded: readonly string[],
    choose: (unused: readonly AgedImage[], keptLayers: ReadonlySet<string>) => readonly AgedImage[],
  ): Promise<void> {
    const { store, provisioner, puller, log } = this.#options;
    const always = this.#options.excluded.map((image) => puller.nameOf(image));
    const kept = new Set([...excluded, ...always, ...provisioner.imagesInUse()]);
    const layers = provisioner.layersInUse();
    const unused: AgedImage[] = [];
    for (const image of store.images()) {
      const isHeld = image.layers.some((digest) => store.isHeld(digest));
      if (kept.has(image.name) || isHeld) for (const digest of image.layers) layers.add(digest);
      else unused.push(image);
    }
    const chosen = new Set(choose(unused, layers));
    for (const image of unused) {
      if (!chosen.has(image)) for (const digest of image.layers) layers.add(digest);
      else {
        store.removeImage(image.name);
        log.write("info", "removed an image", { image: image.name });
      }
    }
    const isUnused = (digest: string): boolean => !layers.has(digest) && !store.isHeld(digest);
    await store.removeLayers(store.layers().filter(isUnused));
  }

  #schedule(): void {
    const { garbage, clock } = this.#options;
    if (garbage === undefined || this.#isStopped) return;
    this.#cancel = clock.schedule(garbage.intervalMs, () => {
      this.#look(garbage).then(
        () => this.#schedule(),
        (error: unknown) => {
          this.#options.log.write("warning", "images could not be removed", { error });
          this.#schedule();
        },
      );
    });
  }

  async #look({ headroom, ...budget }: ImageGarbageOptions): Promise<void> {
    const { store, provisioner, clock } = this.#options;
    const nowMs = clock.wallMs();
    // What a container uses is as new as its last moment.
    for (const name of provisioner.imagesInUse()) store.touch(name, nowMs);
    const isTight = headroom !== undefined && (await freeShare(store.folder)) < headroom;
    await this.#inOrder(() =>
      this.#remove([], (unused, keptLayers) => {
        if (isTight) return unused;
        const bytesOf = (digest: string): number => store.layerBytes(digest);
        return imagesToRemove({ unused, keptLayers, bytesOf }, budget, nowMs);
      }),
    );
  }

  #nameOf(image: Image, field: string): Result<string> {
    if (image.type !== "DOCKER" || image.docker === undefined) {
      const message = `${field}: only images of type DOCKER are known here, with docker.name`;
      return refuse("invalid", message, field);
    }
    try {
      return ok(this.#options.puller.nameOf(image.docker.name));
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      const name = `${field}.docker.name`;
      return refuse("invalid", `${name}: ${error.message}`, name);
    }
  }
}

async function freeShare(folder: string): Promise<number> {
  const { blocks, bavail } = await statfs(folder);
  return bavail / Math.max(1, blocks);
}
