/** An image in a registry. Source: OCI distribution specification 1.1, "Pulling". */
import { createHash } from "node:crypto";
import type { Clock } from "../base/ports.ts";
import type { RegistryCredentials } from "../containerizer/docker/registry-auth.ts";
import { ImageError } from "./image-error.ts";
import type { FoundImage } from "./image-source.ts";
import { CHALLENGES_MAX, CONFIG_BYTES_MAX, MANIFEST_BYTES_MAX } from "./limits.ts";
import {
  chooseManifest,
  type Descriptor,
  isIndex,
  MANIFEST_TYPES,
  type Manifest,
  type Platform,
  parseConfig,
  parseJson,
  parseManifest,
} from "./manifest.ts";
import type { ImageLocation } from "./reference.ts";
import { askRegistry, type RegistryAnswer } from "./registry-answers.ts";
import { RegistryLogin } from "./registry-login.ts";

export interface RegistrySourceOptions {
  readonly location: ImageLocation;
  readonly credentials: RegistryCredentials | undefined;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly stallTimeoutMs: number;
}

/** Errors: `ImageError`. */
export async function findInRegistry(
  options: RegistrySourceOptions,
  signal: AbortSignal,
): Promise<FoundImage> {
  const repository = new Repository(options);
  const { location, platform } = options;
  const manifest = await repository.manifest(location.version, location.digest, signal);
  const bytes = await repository.blob(manifest.config, signal);
  const answer = parseJson(bytes, "the image's configuration");
  const config = parseConfig(answer, manifest.layers.length, platform);
  return {
    config,
    layers: manifest.layers.map(({ digest, bytes: layerBytes }) => ({
      digest,
      bytes: layerBytes,
      locate: async (stop) => ({
        kind: "http",
        url: repository.blobUrl(digest),
        headers: await repository.login.headers(stop),
      }),
    })),
    close: () => Promise.resolve(),
  };
}

class Repository {
  readonly login: RegistryLogin;
  readonly #options: RegistrySourceOptions;
  readonly #baseUrl: string;

  constructor(options: RegistrySourceOptions) {
    const { location } = options;
    this.#options = options;
    this.login = new RegistryLogin({ ...options, ...location });
    this.#baseUrl = `${location.registryUrl}/v2/${location.repository}`;
  }

  /** The one for our platform, where there are several. */
  async manifest(
    version: string,
    digest: string | undefined,
    signal: AbortSignal,
  ): Promise<Manifest> {
    const url = `${this.#baseUrl}/manifests/${version}`;
    const headers = { Accept: MANIFEST_TYPES.join(", ") };
    const { body } = await this.#get(url, headers, MANIFEST_BYTES_MAX, signal);
    if (digest !== undefined) assertDigest(body, digest, "the image's manifest");
    const answer = parseJson(body, "the image's manifest");
    if (!isIndex(answer)) return parseManifest(answer);
    const chosen = chooseManifest(answer, this.#options.platform).digest;
    const { body: inner } = await this.#get(
      `${this.#baseUrl}/manifests/${chosen}`,
      headers,
      MANIFEST_BYTES_MAX,
      signal,
    );
    assertDigest(inner, chosen, "the image's manifest");
    return parseManifest(parseJson(inner, "the image's manifest"));
  }

  async blob({ digest }: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
    const { body } = await this.#get(this.blobUrl(digest), {}, CONFIG_BYTES_MAX, signal);
    assertDigest(body, digest, "the image's configuration");
    return body;
  }

  blobUrl(digest: string): string {
    return `${this.#baseUrl}/blobs/${digest}`;
  }

  async #get(
    url: string,
    headers: Readonly<Record<string, string>>,
    bytesMax: number,
    signal: AbortSignal,
  ): Promise<RegistryAnswer> {
    const { clock, stallTimeoutMs } = this.#options;
    for (let challenges = 0; ; challenges += 1) {
      const login = await this.login.headers(signal);
      const request = { url, headers: { ...headers, ...login }, bytesMax, clock, stallTimeoutMs };
      const answer = await askRegistry(request, signal);
      if (answer.status === 200) return answer;
      if (answer.status !== 401 || challenges >= CHALLENGES_MAX) throw this.#refusal(answer.status);
      await this.login.learn(answer.headers, signal);
    }
  }

  #refusal(status: number): ImageError {
    const { registryUrl, repository } = this.#options.location;
    const { host } = new URL(registryUrl);
    if (status === 404) return new ImageError(`${host} has no such image`);
    if (status === 401 || status === 403) {
      return new ImageError(`${host} does not let this agent read ${repository}: check the login`);
    }
    return new ImageError(`${host} answered ${status}`);
  }
}

/** Errors: `ImageError`. */
export function assertDigest(bytes: Uint8Array, digest: string, what: string): void {
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (found === digest) return;
  throw new ImageError(`${what} has the digest ${found}, but ${digest} is asked for`);
}
