/**
 * Containers with images for a containerizer that can give them a root of their own: gets the image,
 * makes the root, and says what the command is in it; likewise for volumes that are images. Everything
 * else is that containerizer's.
 * Source: semantics 7.10 (PROVISIONING), 7.16; Mesos docs/container-image.md.
 */
import type { ContainerId } from "../base/ids.ts";
import { decodeUtf8 } from "../base/text.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerizerHealth,
  type ContainerResult,
  type ContainerSignal,
  type ContainerSpec,
  type ContainerUsage,
  type ImageVolume,
  type InsideEnd,
  type InsideSpec,
  type Interaction,
  type InteractiveSpec,
  type KnownContainer,
  type LaunchedContainer,
  type RecoveredContainers,
  type ResourceLimits,
  type WrittenFolder,
} from "../containerizer/containerizer.ts";
import { decodeBase64 } from "../protocol/base64.ts";
import type { ContainerStatus, Image, Resource, Secret } from "../protocol/v1/types.ts";
import { ImageError } from "./image-error.ts";
import type { HeldImage, ImagePuller } from "./image-puller.ts";
import type { Provisioner } from "./provisioner.ts";
import { folderInRoot } from "./root-path.ts";
import { commandInImage, environmentInImage } from "./runtime-config.ts";

export interface ImageContainerizerOptions {
  /** Runs the containers; refuses those with an image and no root. */
  readonly inner: Containerizer;
  readonly puller: ImagePuller;
  readonly provisioner: Provisioner;
  /** `--sandbox_directory` */
  readonly sandboxPath: string;
  /** The image's entrypoint, variables and folder count: not so with `--docker_ignore_runtime`. */
  readonly isRuntimeHonoured: boolean;
}

interface Provisioning {
  readonly abort: AbortController;
  /** Never rejects. */
  readonly done: Promise<void>;
}

export class ImageContainerizer implements Containerizer {
  readonly name: string;
  readonly #options: ImageContainerizerOptions;
  readonly #inner: Containerizer;
  readonly #provisioning = new Map<ContainerId, Provisioning>();
  readonly runInteractive?: (spec: InteractiveSpec) => Promise<Interaction>;

  constructor(options: ImageContainerizerOptions) {
    const { inner } = options;
    this.#options = options;
    this.#inner = inner;
    this.name = inner.name;
    if (inner.runInteractive !== undefined) this.runInteractive = inner.runInteractive.bind(inner);
  }

  health(): readonly ContainerizerHealth[] {
    return this.#inner.health?.() ?? [];
  }

  async launch(spec: ContainerSpec): Promise<LaunchedContainer> {
    const { containerId, container } = spec;
    const hasImage =
      container?.mesos?.image !== undefined ||
      (container?.volumes ?? []).some((volume) => volume.image !== undefined);
    if (!hasImage || container?.type === "DOCKER") return await this.#inner.launch(spec);
    if (this.#provisioning.has(containerId)) {
      throw new ContainerizerError(`Container ${containerId} exists already`);
    }
    const abort = new AbortController();
    const provisioned = this.#provision(spec, abort.signal);
    const done = provisioned.then(
      () => undefined,
      () => undefined,
    );
    this.#provisioning.set(containerId, { abort, done });
    try {
      const ready = await provisioned;
      this.#assertWanted(containerId, abort.signal);
      this.#provisioning.delete(containerId);
      return await this.#inner.launch(ready);
    } catch (error) {
      this.#provisioning.delete(containerId);
      await this.#options.provisioner.remove(containerId);
      this.#assertWanted(containerId, abort.signal);
      throw error;
    }
  }

  wait(containerId: ContainerId): Promise<ContainerResult> {
    return this.#inner.wait(containerId);
  }

  signal(containerId: ContainerId, signal: ContainerSignal): Promise<void> {
    return this.#inner.signal(containerId, signal);
  }

  async destroy(containerId: ContainerId): Promise<void> {
    const provisioning = this.#provisioning.get(containerId);
    provisioning?.abort.abort();
    await provisioning?.done;
    await this.#inner.destroy(containerId);
  }

  runInside(spec: InsideSpec): Promise<InsideEnd> {
    return this.#inner.runInside(spec);
  }

  usage(containerId: ContainerId): Promise<ContainerUsage> {
    return this.#inner.usage(containerId);
  }

  status(containerId: ContainerId): Promise<ContainerStatus> {
    return this.#inner.status(containerId);
  }

  update(
    containerId: ContainerId,
    resources: readonly Resource[],
    limits?: ResourceLimits,
  ): Promise<void> {
    return this.#inner.update(containerId, resources, limits);
  }

  async recover(known: readonly KnownContainer[]): Promise<RecoveredContainers> {
    const found = await this.#inner.recover(known);
    await this.#options.provisioner.recover(
      new Set(known.map(({ containerId }): string => containerId)),
    );
    return found;
  }

  async cleanup(containerId: ContainerId): Promise<void> {
    await this.#inner.cleanup(containerId);
    await this.#options.provisioner.remove(containerId);
  }

  async close(): Promise<void> {
    for (const { abort } of this.#provisioning.values()) abort.abort();
    await this.#inner.close();
  }

  /** Volumes come first: where one cannot be had, no root is mounted on the host. */
  async #provision(spec: ContainerSpec, signal: AbortSignal): Promise<ContainerSpec> {
    const { containerId, container } = spec;
    const { provisioner } = this.#options;
    const imageVolumes = new Map<number, ImageVolume>();
    const written: WrittenFolder[] = [];
    for (const [index, { image }] of (container?.volumes ?? []).entries()) {
      if (image === undefined) continue;
      const held = await this.#pull(image, signal);
      try {
        const root = await provisioner.provisionVolume(containerId, index, held, signal);
        imageVolumes.set(index, root);
        written.push(...root.written);
      } finally {
        // From now on the container's own record keeps the layers.
        held.release();
      }
    }
    const ready = { ...spec, imageVolumes, written };
    const image = container?.mesos?.image;
    return image === undefined ? ready : await this.#provisionRoot(ready, image, signal);
  }

  async #pull(image: Image, signal: AbortSignal): Promise<HeldImage> {
    const name = image.docker?.name;
    if (image.type !== "DOCKER" || name === undefined) {
      throw new ImageError("This agent has no Appc images: use an image of type DOCKER");
    }
    const isCached = image.cached ?? true;
    const dockerConfig = configOf(image.docker?.config);
    return await this.#options.puller.ensure({ image: name, isCached, dockerConfig }, signal);
  }

  async #provisionRoot(
    spec: ContainerSpec,
    image: Image,
    signal: AbortSignal,
  ): Promise<ContainerSpec> {
    const { provisioner, sandboxPath, isRuntimeHonoured } = this.#options;
    const held = await this.#pull(image, signal);
    try {
      const root = await provisioner.provision(spec.containerId, held, signal);
      const { workingDirectory } = held.runtime;
      const rootfs = { path: root.path, setup: root.setup, sandboxPath };
      const written = [...(spec.written ?? []), ...root.written];
      if (!isRuntimeHonoured) {
        return { ...spec, ...sandboxSeen(spec, sandboxPath), rootfs, written };
      }
      const command = commandInImage(spec.command, held.runtime);
      if (!command.ok) throw new ImageError(command.error.message);
      const { environment } = sandboxSeen(spec, sandboxPath);
      return {
        ...spec,
        command: command.value,
        environment: environmentInImage(environment, spec.command, held.runtime),
        written,
        rootfs: {
          ...rootfs,
          ...(workingDirectory === undefined
            ? {}
            : { workingDirectory: folderInRoot(root.path, workingDirectory) }),
        },
      };
    } finally {
      held.release();
    }
  }

  #assertWanted(containerId: ContainerId, signal: AbortSignal): void {
    if (!signal.aborted) return;
    throw new ContainerizerError(`Container ${containerId} was destroyed during its launch`);
  }
}

/** A path of the host means nothing in a root of one's own. */
function sandboxSeen(
  { environment, directory }: ContainerSpec,
  sandboxPath: string,
): { readonly environment: Readonly<Record<string, string>> } {
  if (environment["MESOS_SANDBOX"] !== directory) return { environment };
  return { environment: { ...environment, MESOS_SANDBOX: sandboxPath } };
}

/** Text of a configuration that came as a secret. Errors: `ImageError`. */
function configOf(secret: Secret | undefined): string | undefined {
  if (secret === undefined) return undefined;
  if (secret.type === "REFERENCE") {
    throw new ImageError("image.docker.config: this agent resolves no references to secrets");
  }
  const bytes = decodeBase64(secret.value?.data ?? "");
  const text = bytes === undefined ? undefined : decodeUtf8(bytes);
  if (secret.value === undefined || text === undefined) {
    throw new ImageError("image.docker.config has no value, or none that is text");
  }
  return text;
}
