/** Names of images: `[registry[:port]/]path[:tag][@digest]`, completed as Docker completes them. */

/** The registry that names without one mean, as credentials files call it. */
export const DOCKER_HUB = "https://index.docker.io/v1/";

export interface ImageReference {
  /** Host with port, or `DOCKER_HUB`. */
  readonly registry: string;
  /** As given, without tag and digest. */
  readonly name: string;
  /** `latest` when the image names neither tag nor digest. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Undefined for what is no name of an image. */
export function parseImageReference(image: string): ImageReference | undefined {
  const match =
    /^(?<name>[^\s@]+?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>\w+:[0-9a-fA-F]+))?$/.exec(
      image,
    );
  const { name, tag, digest } = match?.groups ?? {};
  if (name === undefined || name.startsWith("-")) return undefined;
  const [first = ""] = name.split("/");
  // A tag can hold no slash, so a colon before one belongs to the registry's port.
  if (!/^[\w.:[\]-]+(?:\/[\w.-]+)*$/.test(name) || (name === first && name.includes(":")))
    return undefined;
  const isHost = name.includes("/") && (/[.:]/.test(first) || first === "localhost");
  return {
    registry: isHost ? first : DOCKER_HUB,
    name,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest,
  };
}

/** The reference in full, which tells an image with a missing tag as Docker understands it. */
export function formatImageReference({ name, tag, digest }: ImageReference): string {
  return `${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}
