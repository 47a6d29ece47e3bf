/**
 * Brings images into the store: what is there already is used, one pull serves all who wait for the
 * same image, and one transfer all images with the same layer. Helpers do the work, a bounded number
 * at a time; what they have not finished when the agent ends is in staging, and goes.
 */
import { rm } from "node:fs/promises";
import type { Clock, Log } from "../base/ports.ts";
import { credentialsIn } from "../containerizer/docker/registry-auth.ts";
import { TurnQueue } from "../containerizer/turn-queue.ts";
import type { HelperEvent } from "../fetcher/helper-messages.ts";
import { runHelper } from "../fetcher/helper-process.ts";
import { archiveOf, findInArchive } from "./archive-source.ts";
import type { ImageJob } from "./helper-jobs.ts";
import { ImageError, reasonOf } from "./image-error.ts";
import type { FoundImage, LayerSource } from "./image-source.ts";
import type { ImageStore, StoredImage } from "./image-store.ts";
import { LAYERS_AT_ONCE } from "./limits.ts";
import type { Platform } from "./manifest.ts";
import { DOCKER_HUB_URL, type ImageLocation, locateImage } from "./reference.ts";
import { findInRegistry } from "./registry-source.ts";
import { SharedWork } from "./shared-work.ts";

/** This very program as a helper. */
export interface ImageHelper {
  /** What to start, with first arguments. */
  readonly command: readonly [string, ...string[]];
  /** Its environment: what says how servers are reached, and nothing else. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface ImagePullerOptions {
  readonly store: ImageStore;
  readonly helper: ImageHelper;
  /** `--docker_registry`: a URL, or an absolute folder. */
  readonly registry: string;
  /** Text of `--docker_config`. */
  readonly dockerConfig: string | undefined;
  readonly platform: Platform;
  /** A transfer that moves nothing for so long is given up. */
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ImageWish {
  readonly image: string;
  /** False: the registry is asked even when the image is here. */
  readonly isCached: boolean;
  /** A configuration with credentials of the task's own. */
  readonly dockerConfig: string | undefined;
}

/** An image that stays until `release`. */
export interface HeldImage extends StoredImage {
  readonly release: () => void;
}

export class ImagePuller {
  readonly #options: ImagePullerOptions;
  readonly #pulls = new SharedWork<StoredImage>();
  readonly #layers = new SharedWork<void>();
  readonly #turns = new TurnQueue(LAYERS_AT_ONCE);

  constructor(options: ImagePullerOptions) {
    this.#options = options;
  }

  /** The name by which the store knows the image. Errors: `ImageError`. */
  nameOf(image: string): string {
    return this.#locate(image).name;
  }

  /** Errors: `ImageError`, fit for a task status. */
  async ensure(wish: ImageWish, signal: AbortSignal): Promise<HeldImage> {
    const location = this.#locate(wish.image);
    const { store } = this.#options;
    const known = wish.isCached ? store.image(location.name) : undefined;
    if (known !== undefined) {
      store.touch(known.name, this.#options.clock.wallMs());
      return { ...known, release: store.hold(known.layers) };
    }
    const config = wish.dockerConfig ?? this.#options.dockerConfig;
    try {
      const image = await this.#pulls.run(
        JSON.stringify([location.name, config]),
        (stop) => this.#pull(location, config, stop),
        signal,
      );
      return { ...image, release: store.hold(image.layers) };
    } catch (error) {
      throw new ImageError(`Failed to pull image ${location.name}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  #locate(image: string): ImageLocation {
    const { registry } = this.#options;
    const location = locateImage(image, isFolder(registry) ? DOCKER_HUB_URL : registry);
    if (!location.ok) throw new ImageError(location.error.message);
    return location.value;
  }

  async #pull(
    location: ImageLocation,
    config: string | undefined,
    signal: AbortSignal,
  ): Promise<StoredImage> {
    const { store, clock, log } = this.#options;
    const { name } = location;
    const startMs = clock.monotonicMs();
    log.write("info", "pulling an image", { image: name });
    const found = await this.#find(location, config, signal);
    const { layers, runtime } = found.config;
    const release = store.hold(layers);
    try {
      await this.#getAll(name, found, signal);
      const image = { name, layers, runtime };
      store.addImage(image);
      const tookMs = Math.round(clock.monotonicMs() - startMs);
      log.write("info", "pulled an image", { image: name, layers: layers.length, tookMs });
      return image;
    } finally {
      // Those who wait hold it themselves by then.
      clock.nextTurn(release);
      await found.close();
    }
  }

  async #find(
    location: ImageLocation,
    config: string | undefined,
    signal: AbortSignal,
  ): Promise<FoundImage> {
    const { registry, platform } = this.#options;
    const hasHost = location.name.startsWith(`${new URL(location.registryUrl).host}/`);
    if (isFolder(registry)) {
      const archive = archiveOf(registry, location);
      const unpack = (path: string, stop: AbortSignal): Promise<string> => this.#unpack(path, stop);
      if (archive !== undefined) {
        return await findInArchive(
          archive,
          { folder: registry, location, platform, unpack },
          signal,
        );
      }
      if (!hasHost) {
        throw new ImageError(
          `${registry} (--docker_registry) holds neither ${location.plainName}:${location.version}.tar nor an OCI layout with it`,
        );
      }
    }
    const credentials = config === undefined ? undefined : credentialsIn(config, location.registry);
    return await findInRegistry({ ...this.#options, location, credentials }, signal);
  }

  /** The first failure ends the others; none is left when it is told. */
  async #getAll(name: string, found: FoundImage, signal: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    let failure: unknown;
    await Promise.all(
      found.config.layers.map(async (diffId, index) => {
        const source = found.layers[index];
        if (source === undefined) return;
        try {
          await this.#getShared(name, diffId, source, either);
        } catch (error) {
          failure ??= error;
          failed.abort();
        }
      }),
    );
    if (failure !== undefined) throw failure;
  }

  /** One layer once for all who want it; what another image's source gave is not held against ours. */
  async #getShared(
    name: string,
    diffId: string,
    source: LayerSource,
    signal: AbortSignal,
  ): Promise<void> {
    let isOurs = false;
    const get = (stop: AbortSignal): Promise<void> => {
      isOurs = true;
      return this.#get(name, diffId, source, stop);
    };
    try {
      await this.#layers.run(diffId, get, signal);
    } catch (error) {
      if (isOurs || signal.aborted) throw error;
      await this.#layers.run(JSON.stringify([diffId, name]), get, signal);
    }
  }

  async #get(
    name: string,
    diffId: string,
    source: LayerSource,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, stallTimeoutMs } = this.#options;
    if (store.layer(diffId) !== undefined) return;
    await this.#inTurn(signal, async () => {
      const folder = store.newStaging();
      try {
        const place = await source.locate(signal);
        const { digest, bytes } = source;
        const job = {
          kind: "layer",
          folder,
          place,
          digest,
          bytes,
          diffId,
          stallTimeoutMs,
        } as const;
        await this.#help(job, { image: name, layer: diffId }, signal);
        store.addLayer(diffId, folder);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  /** Who is no longer wanted leaves the queue at once. */
  async #inTurn(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(new ImageError("the pull was given up"));
    signal.addEventListener("abort", giveUp, { once: true });
    const turn = this.#turns.run(async () => {
      signal.removeEventListener("abort", giveUp);
      if (!signal.aborted) await work();
    });
    await Promise.race([turn, givenUp]);
  }

  async #unpack(path: string, signal: AbortSignal): Promise<string> {
    const folder = this.#options.store.newStaging();
    try {
      await this.#help({ kind: "archive", folder, path }, { archive: path }, signal);
      return folder;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #help(
    job: ImageJob,
    about: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { helper, log } = this.#options;
    const onEvent = (event: HelperEvent): void => {
      if (event.kind === "progress" || event.kind === "resumed") {
        const level = event.kind === "resumed" ? "warning" : "info";
        log.write(level, "a layer of an image is on its way", { ...about, ...event });
      }
    };
    await runHelper({ ...helper, job, files: [], onEvent, hasRoom: () => true }, signal);
  }
}

function isFolder(registry: string): boolean {
  return registry.startsWith("/");
}
