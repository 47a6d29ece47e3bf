/**
 * Images in a folder of the agent's host (`--docker_registry=/folder`): archives as `docker save`
 * writes them, as files or unpacked, and OCI layouts. Source: Mesos docs/container-image.md; OCI image
 * specification 1.1, "Image Layout".
 */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Answer } from "../containerizer/docker/answer.ts";
import { ImageError, reasonOf } from "./image-error.ts";
import type { FoundImage, LayerSource } from "./image-source.ts";
import { CONFIG_BYTES_MAX } from "./limits.ts";
import {
  chooseManifest,
  isIndex,
  type Platform,
  parseConfig,
  parseJson,
  parseManifest,
} from "./manifest.ts";
import type { ImageLocation } from "./reference.ts";
import { assertDigest } from "./registry-source.ts";

export interface ArchiveSourceOptions {
  /** Absolute. */
  readonly folder: string;
  readonly location: ImageLocation;
  readonly platform: Platform;
  /** Unpacks a tar archive into a new folder. Errors: `ImageError`. */
  readonly unpack: (archive: string, signal: AbortSignal) => Promise<string>;
}

/** Where an image of that name is; undefined when there is none. */
export function archiveOf(folder: string, location: ImageLocation): string | undefined {
  const { name, plainName, version } = location;
  const names = [name, `${plainName}:${version}`, plainName];
  const candidates = names.flatMap((one) => [join(folder, `${one}.tar`), join(folder, one)]);
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  return existsSync(join(folder, "index.json")) ? folder : undefined;
}

/** Errors: `ImageError`. */
export async function findInArchive(
  archive: string,
  { location, platform, unpack }: ArchiveSourceOptions,
  signal: AbortSignal,
): Promise<FoundImage> {
  const isFolder = statSync(archive).isDirectory();
  const folder = isFolder ? archive : await unpack(archive, signal);
  const close = async (): Promise<void> => {
    if (!isFolder) await rm(folder, { recursive: true, force: true });
  };
  try {
    const files = new ArchiveFiles(folder);
    const image = files.has("manifest.json")
      ? saved(files, location, platform)
      : layout(files, location, platform);
    return { ...image, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What `docker save` writes. */
function saved(
  files: ArchiveFiles,
  location: ImageLocation,
  platform: Platform,
): Omit<FoundImage, "close"> {
  const rows = files.json("manifest.json").list();
  const tags = [location.name, `${location.plainName}:${location.version}`];
  const named = rows.find((row) =>
    row
      .at("RepoTags")
      .list()
      .some((tag) => tags.includes(tag.text() ?? "")),
  );
  const row = named ?? (rows.length === 1 ? rows[0] : undefined);
  if (row === undefined)
    throw new ImageError("the archive holds several images, none of that name");
  const layers = row
    .at("Layers")
    .list()
    .map((item) => fileLayer(files.path(item.text() ?? "")));
  return {
    config: parseConfig(files.json(row.at("Config").text() ?? ""), layers.length, platform),
    layers,
  };
}

function layout(
  files: ArchiveFiles,
  location: ImageLocation,
  platform: Platform,
): Omit<FoundImage, "close"> {
  const index = files.json("index.json");
  const rows = index.at("manifests").list();
  const names = [location.version, location.name, `${location.plainName}:${location.version}`];
  const named = rows.find((row) =>
    names.includes(row.at("annotations", "org.opencontainers.image.ref.name").text() ?? ""),
  );
  const isOnly = rows.length === 1;
  const chosen = named ?? (isOnly ? rows[0] : undefined);
  const digest =
    location.digest ?? chosen?.at("digest").text() ?? chooseManifest(index, platform).digest;
  let answer = files.blob(digest);
  if (isIndex(answer)) answer = files.blob(chooseManifest(answer, platform).digest);
  const manifest = parseManifest(answer);
  return {
    config: parseConfig(files.blob(manifest.config.digest), manifest.layers.length, platform),
    layers: manifest.layers.map((layer) => ({
      ...fileLayer(files.path(blobPath(layer.digest))),
      digest: layer.digest,
      bytes: layer.bytes,
    })),
  };
}

function fileLayer(path: string): LayerSource {
  return {
    locate: () => Promise.resolve({ kind: "file", path }),
    digest: undefined,
    bytes: undefined,
  };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** Files of an archive, and none outside of it. Errors: `ImageError`. */
class ArchiveFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = realpathSync(folder);
  }

  has(path: string): boolean {
    return existsSync(join(this.#folder, path));
  }

  path(path: string): string {
    const shown = JSON.stringify(path.slice(0, 200));
    const isPlain = path !== "" && !path.startsWith("/") && !path.split("/").includes("..");
    let real: string;
    try {
      real = isPlain ? realpathSync(join(this.#folder, path)) : "";
    } catch {
      throw new ImageError(`the archive speaks of ${shown}, which it does not hold`);
    }
    if (real.startsWith(`${this.#folder}/`)) return real;
    throw new ImageError(`the archive speaks of ${shown}, which is not in it`);
  }

  json(path: string): Answer {
    const real = this.path(path);
    if (statSync(real).size > CONFIG_BYTES_MAX) throw new ImageError(`${path} is too large`);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(real);
    } catch (error) {
      throw new ImageError(`${path} of the archive cannot be read: ${reasonOf(error)}`);
    }
    // Where a name is a digest it has to be true.
    const hex = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
    if (hex !== undefined) assertDigest(bytes, `sha256:${hex}`, path);
    return parseJson(bytes, path);
  }

  blob(digest: string): Answer {
    return this.json(blobPath(digest));
  }
}
