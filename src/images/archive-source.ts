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
  isFor,
  isIndex,
  type Platform,
  parseConfig,
  parseJson,
  parseManifest,
} from "./manifest.ts";
import { type ImageLocation, isNameOf } from "./reference.ts";
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
  { folder: all, location, platform, unpack }: ArchiveSourceOptions,
  signal: AbortSignal,
): Promise<FoundImage> {
  const asked = { location, archive, isAlone: archive !== all };
  const isFolder = statSync(archive).isDirectory();
  const folder = isFolder ? archive : await unpack(archive, signal);
  const close = async (): Promise<void> => {
    if (!isFolder) await rm(folder, { recursive: true, force: true });
  };
  try {
    const files = new ArchiveFiles(folder);
    const image = isLayout(files, location)
      ? layout(files, asked, platform)
      : saved(files, asked, platform);
    return { ...image, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface AskedImage {
  readonly location: ImageLocation;
  /** Where it was looked for. */
  readonly archive: string;
  /** The archive is named after the image. */
  readonly isAlone: boolean;
}

/** One image of an archive, with its names; without any when nobody has named it. */
interface ArchiveRow {
  readonly answer: Answer;
  readonly names: readonly string[];
}

/** Newer ones of `docker save` are both; only a layout holds what digests of images stand for. */
function isLayout(files: ArchiveFiles, { digest }: ImageLocation): boolean {
  if (!files.has("manifest.json")) return true;
  if (digest === undefined || files.has("index.json")) return digest !== undefined;
  throw new ImageError(
    `an archive of docker save does not tell whether it is ${digest}: ask for a tag, or save an OCI layout`,
  );
}

/** What `docker save` writes. */
function saved(
  files: ArchiveFiles,
  asked: AskedImage,
  platform: Platform,
): Omit<FoundImage, "close"> {
  const rows = files
    .json("manifest.json")
    .list()
    .map((answer) => ({
      answer,
      names: answer
        .at("RepoTags")
        .list()
        .flatMap((tag) => tag.text() ?? []),
    }));
  const row = meantRow(rows, asked)?.answer;
  if (row === undefined) throw new ImageError("the archive holds several images without a name");
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
  asked: AskedImage,
  platform: Platform,
): Omit<FoundImage, "close"> {
  const { archive, location } = asked;
  if (location.digest !== undefined && !files.has(blobPath(location.digest))) {
    throw new ImageError(`${archive} does not hold ${location.digest}`);
  }
  const digest = location.digest ?? digestInIndex(files.json("index.json"), asked, platform);
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

function digestInIndex(index: Answer, asked: AskedImage, platform: Platform): string {
  const rows = index
    .at("manifests")
    .list()
    .map((answer) => ({ answer, names: namesInIndex(answer, asked) }));
  // Of one name for several machines it is the one for this.
  const [ours, others] = [true, false].map((isOurs) =>
    rows.filter(({ answer }) => isFor(answer, platform) === isOurs),
  );
  const row = meantRow([...(ours ?? []), ...(others ?? [])], asked)?.answer;
  return row?.at("digest").text() ?? chooseManifest(index, platform).digest;
}

function namesInIndex(row: Answer, { location, isAlone }: AskedImage): string[] {
  const full = row.at("annotations", "io.containerd.image.name").text();
  const name = full ?? row.at("annotations", "org.opencontainers.image.ref.name").text();
  if (name === undefined) return [];
  // A tag alone is one of the image that the folder is named after.
  return [isAlone && !/[/:]/.test(name) ? `${location.plainName}:${name}` : name];
}

/**
 * The image that is asked for: by one of its names, or where there is none by that of its archive.
 * Undefined for several without a name. Errors: `ImageError`.
 */
function meantRow(rows: readonly ArchiveRow[], asked: AskedImage): ArchiveRow | undefined {
  const { location, archive, isAlone } = asked;
  const found = rows.find(({ names }) => names.some((name) => isNameOf(name, location)));
  if (found !== undefined) return found;
  const wanted = `${location.plainName}:${location.version}`;
  const names = rows.flatMap((row) => row.names);
  if (names.length > 0) {
    const shown = [...new Set(names)].slice(0, 20).join(", ");
    throw new ImageError(`${archive} holds ${shown}, and not ${wanted}`);
  }
  const isSaid = location.version === "latest" || archive.replace(/\.tar$/, "").endsWith(wanted);
  if (!isAlone || !isSaid) {
    throw new ImageError(`${archive} does not say whether it is ${wanted}; name it ${wanted}.tar`);
  }
  return rows.length === 1 ? rows[0] : undefined;
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
