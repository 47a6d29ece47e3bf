/**
 * What manifests, indexes and configurations of images say, checked. Pure. Source: OCI image
 * specification 1.1 (manifest, image index, config); Docker image manifest version 2, schema 2.
 */
import { Answer } from "../containerizer/docker/answer.ts";
import { ImageError } from "./image-error.ts";
import { LAYERS_MAX } from "./limits.ts";

/** What is asked for, in order of preference. */
export const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** A blob by its digest. */
export interface Descriptor {
  /** `sha256:<64 hex digits>` */
  readonly digest: string;
  readonly bytes: number;
}

export interface Manifest {
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

/** What the image says about how it is run. */
export interface RuntimeConfig {
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDirectory: string | undefined;
}

export interface ImageConfig {
  /** Digests of the layers without their packing, lowest first. */
  readonly layers: readonly string[];
  readonly runtime: RuntimeConfig;
}

/** The machine an image has to be for, in the words of manifests. */
export interface Platform {
  readonly os: "linux";
  readonly architecture: string;
}

/** Errors: `ImageError` for bytes that are no JSON. */
export function parseJson(bytes: Uint8Array, what: string): Answer {
  try {
    return new Answer(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    throw new ImageError(`${what} is no JSON`);
  }
}

/** A list of manifests for several machines; its rows, when it is one. */
export function isIndex(answer: Answer): boolean {
  return answer.at("manifests").list().length > 0;
}

/** Whether a row of an index says that it is for the platform. */
export function isFor(row: Answer, { os, architecture }: Platform): boolean {
  return (
    row.at("platform", "os").text() === os &&
    row.at("platform", "architecture").text() === architecture
  );
}

/** The manifest for the platform. Errors: `ImageError` naming what there is. */
export function chooseManifest(index: Answer, platform: Platform): Descriptor {
  const { os, architecture } = platform;
  const rows = index.at("manifests").list();
  const found =
    rows.find((row) => isFor(row, platform)) ??
    // The index of an archive need not say what its only image is for.
    (rows.length === 1 && rows[0]?.at("platform", "os").text() === undefined ? rows[0] : undefined);
  if (found !== undefined) return descriptorOf(found, "the image's index");
  const there = rows
    .map((row) => [row.at("platform", "os").text(), row.at("platform", "architecture").text()])
    .map((pair) => pair.map((part) => part ?? "?").join("/"));
  throw new ImageError(
    `there is no image for ${os}/${architecture}, only for ${[...new Set(there)].slice(0, 20).join(", ")}`,
  );
}

/** Errors: `ImageError`. */
export function parseManifest(answer: Answer): Manifest {
  if (answer.at("schemaVersion").number() === 1) {
    throw new ImageError("its manifest is of schema 1, which is out of use: push the image anew");
  }
  const layers = answer.at("layers").list();
  if (layers.length > LAYERS_MAX) {
    throw new ImageError(`it has ${layers.length} layers; ${LAYERS_MAX} can be stacked`);
  }
  return {
    config: descriptorOf(answer.at("config"), "the image's manifest"),
    layers: layers.map((layer) => descriptorOf(layer, "the image's manifest")),
  };
}

/** Errors: `ImageError`, also for a configuration that does not go with so many layers. */
export function parseConfig(answer: Answer, layersCount: number, platform: Platform): ImageConfig {
  const layers = answer
    .at("rootfs", "diff_ids")
    .list()
    .map((id) => checkedDigest(id.text(), "the image's configuration"));
  if (layers.length !== layersCount) {
    throw new ImageError(
      `its configuration is about ${layers.length} layers, but it has ${layersCount}`,
    );
  }
  const architecture = answer.at("architecture").text();
  if (architecture !== undefined && architecture !== platform.architecture) {
    throw new ImageError(`it is for ${architecture}, and this host is ${platform.architecture}`);
  }
  return { layers, runtime: parseRuntime(answer.at("config")) };
}

/** Also reads what the store has written, which is of the same form. */
export function parseRuntime(config: Answer): RuntimeConfig {
  const environment: Record<string, string> = {};
  for (const variable of textsOf(config.at("Env"))) {
    const equals = variable.indexOf("=");
    if (equals > 0) environment[variable.slice(0, equals)] = variable.slice(equals + 1);
  }
  const workingDirectory = config.at("WorkingDir").text();
  return {
    environment,
    entrypoint: textsOf(config.at("Entrypoint")),
    command: textsOf(config.at("Cmd")),
    workingDirectory: workingDirectory === "" ? undefined : workingDirectory,
  };
}

/** The form that `parseRuntime` reads. */
export function runtimeToJson(runtime: RuntimeConfig): object {
  return {
    Env: Object.entries(runtime.environment).map(([name, value]) => `${name}=${value}`),
    Entrypoint: runtime.entrypoint,
    Cmd: runtime.command,
    ...(runtime.workingDirectory === undefined ? {} : { WorkingDir: runtime.workingDirectory }),
  };
}

function textsOf(answer: Answer): string[] {
  return answer
    .list()
    .map((item) => item.text())
    .filter((text) => text !== undefined);
}

function descriptorOf(answer: Answer, what: string): Descriptor {
  const bytes = answer.at("size").number() ?? -1;
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new ImageError(`${what} names no size`);
  return { digest: checkedDigest(answer.at("digest").text(), what), bytes };
}

/** Digests become names of files: nothing else may pass. */
function checkedDigest(digest: string | undefined, what: string): string {
  if (digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  const shown = JSON.stringify((digest ?? "").slice(0, 100));
  throw new ImageError(`${what} has a digest that is none: ${shown}`);
}
