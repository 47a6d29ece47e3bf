/**
 * How a registry is shown who asks: Basic, or a token from the server that its challenge names.
 * Source: distribution specification, "Token Authentication" and its OAuth2 form; RFC 9110, 11.
 */
import type { Clock } from "../base/ports.ts";
import type { RegistryCredentials } from "../containerizer/docker/registry-auth.ts";
import { ImageError } from "./image-error.ts";
import { MANIFEST_BYTES_MAX, TOKEN_SECONDS, TOKEN_SHARE } from "./limits.ts";
import { parseJson } from "./manifest.ts";
import { askRegistry } from "./registry-answers.ts";

export interface RegistryLoginOptions {
  readonly registryUrl: string;
  readonly repository: string;
  readonly credentials: RegistryCredentials | undefined;
  readonly clock: Clock;
  readonly stallTimeoutMs: number;
}

interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: ReadonlyMap<string, string>;
}

/** Of one pull from one repository. */
export class RegistryLogin {
  readonly #options: RegistryLoginOptions;
  #challenge: Challenge | undefined;
  #authorization: string | undefined;
  #freshUntilMs = Number.POSITIVE_INFINITY;

  constructor(options: RegistryLoginOptions) {
    this.#options = options;
    const token = options.credentials?.registrytoken;
    if (token !== undefined) this.#authorization = `Bearer ${token}`;
  }

  /** Headers for the next request; a token that is about to end is replaced. */
  async headers(signal: AbortSignal): Promise<Record<string, string>> {
    const { clock } = this.#options;
    if (clock.monotonicMs() > this.#freshUntilMs && this.#challenge !== undefined) {
      await this.#answer(this.#challenge, signal);
    }
    return this.#authorization === undefined ? {} : { Authorization: this.#authorization };
  }

  /** Learns from a 401. Errors: `ImageError` when there is nothing to answer it with. */
  async learn(headers: Headers, signal: AbortSignal): Promise<void> {
    this.#challenge = parseChallenge(headers.get("WWW-Authenticate") ?? "");
    if (this.#challenge === undefined) {
      throw new ImageError("the registry wants a login of a kind that is unknown here");
    }
    await this.#answer(this.#challenge, signal);
  }

  async #answer({ scheme, parameters }: Challenge, signal: AbortSignal): Promise<void> {
    if (scheme === "bearer") {
      await this.#fetchToken(parameters, signal);
      return;
    }
    const basic = basicOf(this.#options.credentials);
    if (basic === undefined) {
      throw new ImageError(
        "the registry wants a user and a password: give them in --docker_config, or in image.docker.config of the task",
      );
    }
    this.#authorization = basic;
  }

  async #fetchToken(parameters: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    const { credentials, clock, stallTimeoutMs, repository } = this.#options;
    const url = this.#realm(parameters);
    const query = {
      ...(parameters.has("service") ? { service: parameters.get("service") ?? "" } : {}),
      scope: parameters.get("scope") ?? `repository:${repository}:pull`,
    };
    const refreshToken = credentials?.identitytoken;
    const basic = refreshToken === undefined ? basicOf(credentials) : undefined;
    if (refreshToken === undefined) {
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    }
    const form = new URLSearchParams({
      ...query,
      grant_type: "refresh_token",
      refresh_token: refreshToken ?? "",
      client_id: "allot",
    });
    const answer = await askRegistry(
      {
        url: url.href,
        headers: {
          ...(basic === undefined ? {} : { Authorization: basic }),
          ...(refreshToken === undefined
            ? {}
            : { "Content-Type": "application/x-www-form-urlencoded" }),
        },
        form: refreshToken === undefined ? undefined : form,
        bytesMax: MANIFEST_BYTES_MAX,
        clock,
        stallTimeoutMs,
      },
      signal,
    );
    if (answer.status !== 200) {
      throw new ImageError(`${url.host} gives no token: it answered ${answer.status}`);
    }
    const body = parseJson(answer.body, `what ${url.host} answered`);
    const token = body.at("token").text() ?? body.at("access_token").text();
    if (token === undefined) throw new ImageError(`${url.host} answered without a token`);
    this.#authorization = `Bearer ${token}`;
    const seconds = body.at("expires_in").number() ?? TOKEN_SECONDS;
    this.#freshUntilMs = clock.monotonicMs() + seconds * 1000 * TOKEN_SHARE;
  }

  /** Where tokens are. Passwords that came for an encrypted registry never go out in the clear. */
  #realm(parameters: ReadonlyMap<string, string>): URL {
    const realm = parameters.get("realm") ?? "";
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url?.protocol === "https:") return url;
    const isPlain = this.#options.registryUrl.startsWith("http:");
    const isSafe = isPlain || this.#options.credentials === undefined;
    if (url?.protocol === "http:" && isSafe) return url;
    throw new ImageError(`the registry asks for a login at ${JSON.stringify(realm.slice(0, 200))}`);
  }
}

function basicOf(credentials: RegistryCredentials | undefined): string | undefined {
  const { username, password } = credentials ?? {};
  if (username === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function parseChallenge(text: string): Challenge | undefined {
  const [, scheme = "", rest = ""] = /^\s*(basic|bearer)\b(.*)$/is.exec(text) ?? [];
  if (scheme === "") return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = "", value = ""] of rest.matchAll(/([a-z_]+)="([^"]*)"/gi)) {
    parameters.set(name.toLowerCase(), value);
  }
  return { scheme: scheme.toLowerCase() === "basic" ? "basic" : "bearer", parameters };
}
