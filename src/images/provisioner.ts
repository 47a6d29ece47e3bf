/**
 * A root for each container, made of the layers of its image: `<folder>/<container>` with what the
 * container writes, and `image.json`, which says whose layers it needs; `<container>@<n>` is the same
 * for a volume of it that is an image. Source: Mesos
 * docs/container-image.md, "Provisioner Backends".
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { WrittenFolder } from "../containerizer/containerizer.ts";
import { bytesBelow } from "../containerizer/disk-walk.ts";
import { Answer } from "../containerizer/docker/answer.ts";
import { runHelper } from "../fetcher/helper-process.ts";
import type { CopyJob, UnpackedLayer } from "./helper-jobs.ts";
import { ImageError } from "./image-error.ts";
import type { ImageHelper } from "./image-puller.ts";
import type { ImageStore, StoredImage } from "./image-store.ts";
import { mountHere, type Overlay, prepareOverlay, unmountHere } from "./overlay.ts";

export type Backend = "overlay" | "copy";

export interface ProvisionerOptions {
  /** Absolute; the agent's alone. */
  readonly folder: string;
  readonly backend: Backend;
  readonly store: ImageStore;
  readonly helper: ImageHelper;
}

/** A root that can be looked into on the host until `settle`. */
export interface ProvisionedRoot {
  readonly path: string;
  /** Lines of shell that put it there in the container's own namespaces. */
  readonly setup: readonly string[];
  readonly written: readonly WrittenFolder[];
}

const RECORD = "image.json";
/** Between a container's id, which never holds it, and the place of a volume among its volumes. */
const VOLUME_MARK = "@";

export class Provisioner {
  readonly #options: ProvisionerOptions;

  /** Throws what the system throws. */
  constructor(options: ProvisionerOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** Errors: `ImageError`, those of the system; then `remove` takes away what is there. */
  async provision(
    containerId: string,
    image: StoredImage,
    signal: AbortSignal,
  ): Promise<ProvisionedRoot> {
    const { overlay, ...root } = await this.#make(containerId, image, signal);
    if (overlay !== undefined) await mountHere(overlay);
    return root;
  }

  /** The same for a volume of the container, which nobody looks into on the host. */
  async provisionVolume(
    containerId: string,
    index: number,
    image: StoredImage,
    signal: AbortSignal,
  ): Promise<ProvisionedRoot> {
    const name = `${containerId}${VOLUME_MARK}${index}`;
    const { path, setup, written } = await this.#make(name, image, signal);
    return { path, setup, written };
  }

  async #make(
    name: string,
    image: StoredImage,
    signal: AbortSignal,
  ): Promise<ProvisionedRoot & { readonly overlay: Overlay | undefined }> {
    const { backend } = this.#options;
    const folder = this.#folderOf(name);
    mkdirSync(folder, { mode: 0o700 });
    const record = JSON.stringify({ image: image.name, layers: image.layers });
    writeFileSync(join(folder, RECORD), record, { mode: 0o600 });
    const layers = image.layers.map((digest) => this.#layer(digest));
    if (backend === "copy") {
      const path = join(folder, "root");
      mkdirSync(path, { mode: 0o755 });
      await this.#copy({ kind: "copy", folder: path, layers }, signal);
      const imageBytes = await bytesBelow([path]);
      if (imageBytes === undefined) throw new ImageError("The program du cannot measure the image");
      return { path, setup: [], written: [{ path, imageBytes }], overlay: undefined };
    }
    const overlay = await prepareOverlay(folder, layers);
    const written = overlay.written.map((one) => ({ path: one, imageBytes: 0 }));
    return { path: overlay.root, setup: [overlay.line], written, overlay };
  }

  /** Nothing more has to be done in the root from the host. Safe to repeat. */
  async settle(containerId: string): Promise<void> {
    const folder = this.#folderOf(containerId);
    if (existsSync(folder)) await unmountHere(folder);
  }

  /** Removes all of a container that has ended. Safe to repeat. */
  async remove(containerId: string): Promise<void> {
    await this.settle(containerId);
    for (const name of readdirSync(this.#options.folder)) {
      if (ownerOf(name) !== containerId) continue;
      await rm(this.#folderOf(name), { recursive: true, force: true });
    }
  }

  /** Removes what belongs to no container of these. */
  async recover(known: ReadonlySet<string>): Promise<void> {
    await unmountHere(this.#options.folder);
    for (const name of readdirSync(this.#options.folder)) {
      if (!known.has(ownerOf(name))) await this.remove(ownerOf(name));
    }
  }

  /** Digests of the layers that containers need. */
  layersInUse(): Set<string> {
    const found = new Set<string>();
    for (const name of readdirSync(this.#options.folder)) {
      for (const item of this.#record(name).at("layers").list()) found.add(item.text() ?? "");
    }
    return found;
  }

  /** Names of images that containers were made of. */
  imagesInUse(): Set<string> {
    const names = readdirSync(this.#options.folder);
    return new Set(names.flatMap((name) => this.#record(name).at("image").text() ?? []));
  }

  #record(name: string): Answer {
    try {
      return new Answer(JSON.parse(readFileSync(join(this.#folderOf(name), RECORD), "utf8")));
    } catch {
      // It is being removed, or the agent ended while it was being made.
      return new Answer(undefined);
    }
  }

  #layer(digest: string): UnpackedLayer {
    const layer = this.#options.store.layer(digest);
    if (layer === undefined) throw new ImageError(`The layer ${digest} is missing in the store`);
    return layer;
  }

  async #copy(job: CopyJob, signal: AbortSignal): Promise<void> {
    const { helper } = this.#options;
    const onEvent = (): void => undefined;
    await runHelper({ ...helper, job, files: [], onEvent, hasRoom: () => true }, signal);
  }

  #folderOf(containerId: string): string {
    return join(this.#options.folder, containerId);
  }
}

function ownerOf(name: string): string {
  return name.split(VOLUME_MARK)[0] ?? name;
}
