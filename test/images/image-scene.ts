/** A native containerizer with images, as far as this machine can have one. */
import { mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Log } from "../../src/base/ports.ts";
import type {
  Containerizer,
  ContainerSpec,
  Isolator,
} from "../../src/containerizer/containerizer.ts";
import { ImageCollector } from "../../src/images/image-collector.ts";
import { ImageContainerizer } from "../../src/images/image-containerizer.ts";
import {
  type ImageHelper,
  ImagePuller,
  type ImagePullerOptions,
} from "../../src/images/image-puller.ts";
import { ImageStore } from "../../src/images/image-store.ts";
import { type Backend, Provisioner } from "../../src/images/provisioner.ts";
import { SettleIsolator } from "../../src/images/settle-isolator.ts";
import { systemClock } from "../../src/platform/system.ts";
import type { CommandInfo, Image } from "../../src/protocol/v1/types.ts";
import { newRoot, outputOf, specIn } from "../containerizer/containers.ts";
import { nativeIn, newCgroupRoot } from "../containerizer/native/native.ts";
import { ARCHITECTURE } from "./image-builder.ts";

export const IMAGE_HELPER: ImageHelper = {
  command: [process.execPath, resolve(import.meta.dir, "helper-process.ts")],
  environment: {},
};

export interface ImageSceneOptions extends Partial<ImagePullerOptions> {
  readonly root?: string;
  readonly cgroupRoot?: string;
  readonly backend?: Backend;
  readonly isRuntimeHonoured?: boolean;
  readonly isolators?: readonly Isolator[];
}

export interface ImageScene {
  readonly root: string;
  readonly containerizer: Containerizer;
  readonly store: ImageStore;
  readonly puller: ImagePuller;
  readonly provisioner: Provisioner;
  readonly collector: ImageCollector;
  readonly log: string[];
  spec(name: string, image: string, command: Command, more?: SpecExtras): ContainerSpec;
  /** Launches, waits for the end, cleans up; the container's output. */
  run(name: string, image: string, command: Command, more?: SpecExtras): Promise<string>;
  /** What the provisioner has for containers. */
  left(): string[];
}

type Command = string | CommandInfo;
type SpecExtras = Partial<ContainerSpec> & { readonly image?: Partial<Image> };

/** A puller of this machine's architecture, with no logins unless told. */
export function newPuller(
  options: Pick<ImagePullerOptions, "store" | "registry" | "log"> & Partial<ImagePullerOptions>,
): ImagePuller {
  return new ImagePuller({
    helper: IMAGE_HELPER,
    dockerConfig: undefined,
    platform: { os: "linux", architecture: ARCHITECTURE },
    stallTimeoutMs: 30_000,
    clock: systemClock,
    ...options,
  });
}

export function imageScene(registry: string, options: ImageSceneOptions = {}): ImageScene {
  const root = options.root ?? newRoot();
  mkdirSync(join(root, "work"), { recursive: true });
  const log: string[] = [];
  const logger: Log = {
    write: (level, message, fields) => {
      log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
    },
  };
  const folder = join(root, "work/provisioner/containers");
  const store = new ImageStore(join(root, "work/store/docker"));
  const puller = newPuller({ store, registry, log: logger, ...options });
  const provisioner = new Provisioner({
    folder,
    backend: options.backend ?? "overlay",
    store,
    helper: IMAGE_HELPER,
  });
  const inner = nativeIn(root, {
    cgroups: { root: options.cgroupRoot ?? newCgroupRoot() },
    isolators: [...(options.isolators ?? []), new SettleIsolator(provisioner)],
  });
  const containerizer = new ImageContainerizer({
    inner,
    puller,
    provisioner,
    sandboxPath: "/mnt/mesos/sandbox",
    isRuntimeHonoured: options.isRuntimeHonoured ?? true,
  });
  const collector = new ImageCollector({
    store,
    provisioner,
    puller,
    excluded: [],
    garbage: undefined,
    clock: systemClock,
    log: logger,
  });
  const spec = (
    name: string,
    image: string,
    command: Command,
    { image: wish, ...more }: SpecExtras = {},
  ): ContainerSpec =>
    specIn(root, name, command, {
      environment: { PATH: "/usr/bin:/bin" },
      container: {
        type: "MESOS",
        mesos: { image: { type: "DOCKER", docker: { name: image }, ...wish } },
      },
      ...more,
    });
  return {
    root,
    containerizer,
    store,
    puller,
    provisioner,
    collector,
    log,
    spec,
    run: async (name, image, command, more) => {
      const wanted = spec(name, image, command, more);
      await containerizer.launch(wanted);
      await containerizer.wait(wanted.containerId);
      await containerizer.cleanup(wanted.containerId);
      return `${outputOf(wanted)}${outputOf(wanted, "stderr")}`;
    },
    left: () => readdirSync(folder),
  };
}
