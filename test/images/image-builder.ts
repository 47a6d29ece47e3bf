/** Images made of tar entries: as blobs, pushed to a registry, or as archives in a folder. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type TarEntry, tarOf } from "../fetcher/tar-builder.ts";
import { BUSYBOX_PATH } from "../harness/static-busybox.ts";

export interface ImageWish {
  /** Entries of each layer, lowest first; or the bytes of one. */
  readonly layers: readonly (readonly TarEntry[] | Uint8Array)[];
  readonly config?: {
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
  };
  readonly architecture?: string;
  /** How layers are packed; gzip when left out. */
  readonly pack?: (bytes: Uint8Array) => Uint8Array;
}

export interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface BuiltImage {
  readonly config: Blob;
  readonly layers: readonly Blob[];
  readonly tars: readonly Blob[];
  readonly manifest: Blob;
}

export const ARCHITECTURE: string = process.arch === "arm64" ? "arm64" : "amd64";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

const APPLETS = ["sh", "ls", "cat", "echo", "id", "touch", "sleep", "env", "stat", "test", "pwd"];

/** A layer with a busybox in it. */
export function busyboxLayer(): TarEntry[] {
  const content = existsSync(BUSYBOX_PATH) ? readFileSync(BUSYBOX_PATH) : "";
  return [
    { path: "bin/", type: "5", mode: 0o755 },
    { path: "bin/busybox", content, mode: 0o755 },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, type: "2", linkTarget: "busybox" })),
  ];
}

export function blobOf(bytes: Uint8Array): Blob {
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

export function jsonBlob(value: unknown): Blob {
  return blobOf(Buffer.from(JSON.stringify(value)));
}

export function buildImage(wish: ImageWish, mediaType: string = DOCKER_MANIFEST): BuiltImage {
  const tars = wish.layers.map((layer) =>
    blobOf(layer instanceof Uint8Array ? layer : tarOf(layer)),
  );
  const pack = wish.pack ?? ((bytes: Uint8Array) => gzipSync(bytes, { level: 1 }));
  const layers = tars.map(({ bytes }) => blobOf(pack(bytes)));
  const config = jsonBlob({
    architecture: wish.architecture ?? ARCHITECTURE,
    os: "linux",
    config: wish.config ?? {},
    rootfs: { type: "layers", diff_ids: tars.map(({ digest }) => digest) },
  });
  const isOci = mediaType === OCI_MANIFEST;
  const kinds = isOci
    ? ["application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"]
    : [
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
      ];
  const described = (blob: Blob, kind: string | undefined): object => ({
    mediaType: kind,
    digest: blob.digest,
    size: blob.bytes.length,
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType,
    config: described(config, kinds[0]),
    layers: layers.map((layer) => described(layer, kinds[1])),
  });
  return { config, layers, tars, manifest };
}

/** Pushes to `HOST/name:tag`. `authorization` for a registry that wants one. */
export async function pushImage(
  host: string,
  name: string,
  tag: string,
  image: BuiltImage,
  authorization?: string,
): Promise<void> {
  for (const blob of [image.config, ...image.layers]) {
    await pushBlob(host, name, blob, authorization);
  }
  const { mediaType } = JSON.parse(Buffer.from(image.manifest.bytes).toString()) as {
    mediaType: string;
  };
  await pushManifest(host, name, tag, { ...image.manifest, mediaType }, authorization);
}

export async function pushManifest(
  host: string,
  name: string,
  tag: string,
  manifest: Blob & { readonly mediaType: string },
  authorization?: string,
): Promise<void> {
  await send("PUT", `http://${host}/v2/${name}/manifests/${tag}`, manifest, {
    "Content-Type": manifest.mediaType,
    ...(authorization === undefined ? {} : { Authorization: authorization }),
  });
}

async function pushBlob(
  host: string,
  name: string,
  blob: Blob,
  authorization: string | undefined,
): Promise<void> {
  const login = authorization === undefined ? {} : { Authorization: authorization };
  const begun = await send("POST", `http://${host}/v2/${name}/blobs/uploads/`, undefined, login);
  const url = new URL(begun.headers.get("Location") ?? "", `http://${host}`);
  url.searchParams.set("digest", blob.digest);
  await send("PUT", url.href, blob, { "Content-Type": "application/octet-stream", ...login });
}

async function send(
  method: string,
  url: string,
  blob: Blob | undefined,
  headers: Record<string, string>,
): Promise<Response> {
  const body = blob === undefined ? null : new Uint8Array(blob.bytes);
  const response = await fetch(url, { method, headers, body });
  if (!response.ok)
    throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

/** What `docker save` writes, as the bytes of one archive. */
export function savedArchive(image: BuiltImage, ...tags: readonly string[]): Uint8Array {
  const configName = `${image.config.digest.slice("sha256:".length)}.json`;
  const layerName = (index: number): string => `layer${index}/layer.tar`;
  const manifest = [
    { Config: configName, RepoTags: tags, Layers: image.tars.map((_, index) => layerName(index)) },
  ];
  return tarOf([
    { path: configName, content: image.config.bytes },
    ...image.tars.map(({ bytes }, index) => ({ path: layerName(index), content: bytes })),
    { path: "manifest.json", content: JSON.stringify(manifest) },
  ]);
}

/** An OCI layout with one image, in a new folder. */
export function writeLayout(folder: string, image: BuiltImage, tag?: string): void {
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  for (const { digest, bytes } of [image.config, image.manifest, ...image.layers]) {
    writeFileSync(join(folder, "blobs", digest.replace(":", "/")), bytes);
  }
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion": "1.0.0"}');
  const row = {
    mediaType: OCI_MANIFEST,
    digest: image.manifest.digest,
    size: image.manifest.bytes.length,
    ...(tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": tag } }),
  };
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [row] }));
}
