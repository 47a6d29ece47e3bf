/**
 * Images of native containers, from the agent's `--image_*` and `--docker_*` flags. Where nothing is
 * asked for they are there as soon as containers can have a root of their own. Source: Mesos
 * docs/container-image.md.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ok, type Result, refuse } from "../base/result.ts";
import type { Containerizer, Isolator } from "../containerizer/containerizer.ts";
import { Answer } from "../containerizer/docker/answer.ts";
import type { Isolation } from "../containerizer/native/isolation.ts";
import { ImageCollector, type ImageGarbageOptions } from "../images/image-collector.ts";
import { ImageContainerizer } from "../images/image-containerizer.ts";
import { ImagePuller } from "../images/image-puller.ts";
import { ImageStore } from "../images/image-store.ts";
import { overlayObstacle } from "../images/overlay.ts";
import { type Backend, Provisioner } from "../images/provisioner.ts";
import { DOCKER_HUB_URL, locateImage } from "../images/reference.ts";
import { SettleIsolator } from "../images/settle-isolator.ts";
import type { RoleContext } from "./role-context.ts";
import { sandboxDirectory } from "./sandbox-flag.ts";

/** What an agent with images has beside others. */
export interface Images {
  /** For the containerizer that runs the containers. */
  readonly isolators: readonly Isolator[];
  readonly collector: ImageCollector;
  /** What holds in place of the flags of these names. */
  readonly flags: Readonly<Record<string, string>>;
  wrap(inner: Containerizer): Containerizer;
}

/** `isolation`: undefined without the linux launcher. Undefined: no images, which is as asked. */
export async function openImages(
  context: RoleContext,
  isolation: ReadonlySet<Isolation> | undefined,
): Promise<Result<Images | undefined>> {
  const { flags, workDir, clock, log, imageHelper: helper } = context;
  const wanted = areWanted(flags, isolation);
  if (!wanted.ok || !wanted.value) return wanted.ok ? ok(undefined) : wanted;
  const registry = registryFlag(flags);
  if (!registry.ok) return registry;
  const garbage = garbageFlag(flags);
  if (!garbage.ok) return garbage;
  mkdirSync(workDir, { recursive: true, mode: 0o755 });
  const folder = join(workDir, "provisioner", "containers");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const backend = await backendFlag(flags, join(workDir, "provisioner"));
  if (!backend.ok) return backend;
  const store = new ImageStore(flags.string("docker_store_dir") ?? join(workDir, "store/docker"));
  const config = flags.json("docker_config");
  const puller = new ImagePuller({
    store,
    helper,
    registry: registry.value,
    dockerConfig: config === undefined ? undefined : JSON.stringify(config),
    platform: { os: "linux", architecture: ARCHITECTURES[process.arch] ?? process.arch },
    stallTimeoutMs: flags.durationMs("fetcher_stall_timeout") ?? 60_000,
    clock,
    log,
  });
  const provisioner = new Provisioner({ folder, backend: backend.value, store, helper });
  return ok({
    isolators: [new SettleIsolator(provisioner)],
    collector: new ImageCollector({ store, provisioner, puller, clock, log, ...garbage.value }),
    flags: { image_providers: "docker", image_provisioner_backend: backend.value },
    wrap: (inner) =>
      new ImageContainerizer({
        inner,
        puller,
        provisioner,
        sandboxPath: sandboxDirectory(flags),
        isRuntimeHonoured: !flags.boolean("docker_ignore_runtime"),
      }),
  });
}

/** Machines in the words of images where those differ. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

function areWanted(
  flags: RoleContext["flags"],
  isolation: ReadonlySet<Isolation> | undefined,
): Result<boolean> {
  const name = "image_providers";
  const missing = (["filesystem/linux", "docker/runtime"] as const).find(
    (one) => isolation?.has(one) !== true,
  );
  const text = flags.string(name);
  if (text === undefined) return ok(missing === undefined);
  const providers = text
    .split(",")
    .map((provider) => provider.trim().toLowerCase())
    .filter((provider) => provider !== "");
  const unknown = providers.find((provider) => provider !== "docker");
  if (unknown !== undefined) {
    return refuse("invalid", `--${name}: there is no provider ${unknown}, only docker`, name);
  }
  if (providers.length === 0) return ok(false);
  if (missing === undefined) return ok(true);
  const message = `--${name}=docker needs the isolator ${missing}, which --isolation does not list or this host cannot have`;
  return refuse("invalid", message, name);
}

/** A URL, or an absolute path. */
function registryFlag(flags: RoleContext["flags"]): Result<string> {
  const name = "docker_registry";
  const text = (flags.string(name) ?? DOCKER_HUB_URL).replace(/^file:\/\//, "");
  if (text.startsWith("/")) return ok(text.replace(/(?<=.)\/+$/, ""));
  if (/^https?:\/\/[^/]/.test(text) && URL.canParse(text)) return ok(text);
  const message = `--${name}: '${text}' is neither a URL such as ${DOCKER_HUB_URL} nor an absolute path`;
  return refuse("invalid", message, name);
}

async function backendFlag(flags: RoleContext["flags"], folder: string): Promise<Result<Backend>> {
  const name = "image_provisioner_backend";
  const asked = flags.string(name);
  if (asked === "copy") return ok("copy");
  const obstacle = await overlayObstacle(folder);
  if (obstacle === undefined) return ok("overlay");
  if (asked === undefined) return ok("copy");
  return refuse("invalid", `--${name}=overlay cannot be had on this host: ${obstacle}`, name);
}

interface GarbageFlag {
  readonly garbage: ImageGarbageOptions | undefined;
  readonly excluded: readonly string[];
}

/**
 * `--image_gc_config`, a JSON object with the fields of Mesos' ImageGcConfig, and our own bounds of
 * age and size, which are looked at as often as it says.
 */
export function garbageFlag(flags: RoleContext["flags"]): Result<GarbageFlag> {
  const name = "image_gc_config";
  const value = flags.json(name);
  const maxAgeMs = flags.durationMs("image_gc_delay");
  const maxBytes = flags.sizeBytes("image_store_size");
  const isBounded = maxAgeMs !== undefined || maxBytes !== undefined;
  if (value === undefined) {
    const intervalMs = flags.durationMs("disk_watch_interval") ?? 60_000;
    const garbage = { headroom: undefined, intervalMs, maxAgeMs, maxBytes };
    return ok({ garbage: isBounded ? garbage : undefined, excluded: [] });
  }
  const config = new Answer(value);
  const headroom = config.at("image_disk_headroom").number() ?? 0.1;
  const nanoseconds = config.at("image_disk_watch_interval", "nanoseconds").number() ?? 3.6e12;
  if (!(headroom >= 0 && headroom <= 1) || !(nanoseconds > 0)) {
    const message = `--${name}: image_disk_headroom is a share from 0 to 1, image_disk_watch_interval.nanoseconds more than 0`;
    return refuse("invalid", message, name);
  }
  const images = config.at("excluded_images").list();
  const excluded = images.flatMap((image) => image.at("docker", "name").text() ?? []);
  if (excluded.length !== images.length) {
    return refuse("invalid", `--${name}: each of excluded_images needs docker.name`, name);
  }
  for (const image of excluded) {
    const location = locateImage(image, DOCKER_HUB_URL);
    if (!location.ok) return refuse("invalid", `--${name}: ${location.error.message}`, name);
  }
  return ok({ garbage: { headroom, intervalMs: nanoseconds / 1e6, maxAgeMs, maxBytes }, excluded });
}
