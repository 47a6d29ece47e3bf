/**
 * Where the image of a name is: which registry by which scheme, which repository in it, which tag or
 * digest. Pure. Source: Mesos `--docker_registry`; Docker's completion of names.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import {
  DOCKER_HUB,
  formatImageReference,
  parseImageReference,
} from "../containerizer/image-reference.ts";

export interface ImageLocation {
  /** `https://registry.example:5000`, without a path. */
  readonly registryUrl: string;
  /** As configurations with credentials call it. */
  readonly registry: string;
  readonly repository: string;
  /** A tag, or a digest when the name has one. */
  readonly version: string;
  readonly digest: string | undefined;
  /** The name in full, by which the store knows the image. */
  readonly name: string;
  /** The same without the registry, for archives. */
  readonly plainName: string;
}

export const DOCKER_HUB_URL = "https://registry-1.docker.io";
const HUB_HOSTS = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/**
 * Names without a registry belong to `defaultUrl`, `--docker_registry` where that is a URL. Errors:
 * invalid, for what is no name of an image.
 */
export function locateImage(image: string, defaultUrl: string): Result<ImageLocation> {
  const reference = parseImageReference(image);
  const shown = JSON.stringify(image.slice(0, 300));
  if (reference === undefined) return refuse("invalid", `${shown} is no name of an image`);
  const { registry, name, tag, digest } = reference;
  if (name.split("/").some((part) => /^\.*$/.test(part))) {
    return refuse("invalid", `${shown} is no name of an image: it has a part of dots`);
  }
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    return refuse("invalid", `${shown}: only digests of the form sha256:<64 hex digits> are known`);
  }
  const hasHost = registry !== DOCKER_HUB;
  const path = hasHost ? name.slice(name.indexOf("/") + 1) : name;
  const url = hasHost ? urlOf(registry, defaultUrl) : new URL(defaultUrl).origin;
  const { host } = new URL(url);
  const isOfHub = HUB_HOSTS.includes(host);
  return ok({
    registryUrl: url,
    registry: isOfHub ? DOCKER_HUB : host,
    repository: isOfHub && !path.includes("/") ? `library/${path}` : path,
    version: digest ?? tag ?? "latest",
    digest,
    name: formatImageReference(reference),
    plainName: path,
  });
}

/** Whether an archive's name for an image is this one's; where a side names no registry, any will do. */
export function isNameOf(name: string, asked: ImageLocation): boolean {
  const found = locateImage(name, DOCKER_HUB_URL);
  if (!found.ok) return false;
  const [one, other] = [found.value, asked].map(({ registry, repository, version }) => ({
    registry: registry === DOCKER_HUB ? undefined : registry,
    image: `${repository.replace(/^library\//, "")}:${version}`,
  }));
  if (one?.image !== other?.image) return false;
  const registries = [one?.registry, other?.registry];
  return registries.includes(undefined) || one?.registry === other?.registry;
}

/** Registries on this host are spoken to without encryption, as Docker does. */
function urlOf(registry: string, defaultUrl: string): string {
  if (HUB_HOSTS.includes(registry)) return DOCKER_HUB_URL;
  if (new URL(defaultUrl).host === registry) return new URL(defaultUrl).origin;
  const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(registry);
  return isLocal || registry.endsWith(":80") ? `http://${registry}` : `https://${registry}`;
}
