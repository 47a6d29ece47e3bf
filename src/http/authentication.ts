/**
 * Basic authentication of requests, by realm: who asks, or why they are not heard. Comparing takes
 * the same time for every wrong secret and every unknown principal.
 * Source: reference/http-api.md 1, semantics 9.1.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { decodeUtf8 } from "../base/text.ts";
import type { Credential } from "../security/credentials.ts";

/** Endpoints that are authenticated together. */
export type Realm = "readonly" | "readwrite" | "scheduler" | "executor";

export interface AuthenticationOptions {
  /** Realms are named `mesos-<component>-<realm>`. */
  readonly component: "master" | "agent";
  readonly credentials: readonly Credential[];
  /** Those in which nobody is heard without credentials; the others look at none. */
  readonly realms: ReadonlySet<Realm>;
}

/** Who asks. Undefined: nobody in particular. */
export interface Caller {
  readonly principal: string | undefined;
}

const NOBODY: Caller = { principal: undefined };

/** Longest `Authorization` header that is looked at. */
const HEADER_LENGTH_MAX = 8192;

export class Authentication {
  readonly #component: string;
  readonly #realms: ReadonlySet<Realm>;
  readonly #digests: ReadonlyMap<string, Uint8Array>;
  /** Compared with where there is no such principal. */
  readonly #noDigest: Uint8Array = digestOf("");

  constructor({ component, credentials, realms }: AuthenticationOptions) {
    this.#component = component;
    this.#realms = realms;
    this.#digests = new Map(
      credentials.map(({ principal, secret }) => [principal, digestOf(secret)]),
    );
  }

  /** The caller, or the 401 to answer with. `realm` undefined: an endpoint that is open to all. */
  check(realm: Realm | undefined, request: Request): Caller | Response {
    if (realm === undefined || !this.#realms.has(realm)) return NOBODY;
    const given = readBasic(request.headers.get("authorization") ?? "");
    const principal = given === undefined ? undefined : this.principalOf(given);
    return principal === undefined ? this.#unauthorized(realm) : { principal };
  }

  /** The principal, if the secret is theirs. */
  principalOf(given: Credential): string | undefined {
    const digest = this.#digests.get(given.principal);
    const isEqual = timingSafeEqual(digestOf(given.secret), digest ?? this.#noDigest);
    return isEqual && digest !== undefined ? given.principal : undefined;
  }

  #unauthorized(realm: Realm): Response {
    const headers = {
      "Content-Type": "text/plain; charset=utf-8",
      "WWW-Authenticate": `Basic realm="mesos-${this.#component}-${realm}"`,
    };
    return new Response("401 Unauthorized.", { status: 401, headers });
  }
}

/**
 * `Basic <base64 of principal:secret>`. Differs from Mesos, which never takes a secret with a colon:
 * the first colon ends the principal, as in RFC 7617.
 */
function readBasic(header: string): Credential | undefined {
  if (header.length > HEADER_LENGTH_MAX) return undefined;
  const encoded = /^basic +([\w+/-]+={0,2}) *$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = decodeUtf8(Buffer.from(encoded, "base64"));
  const colon = text?.indexOf(":") ?? -1;
  if (text === undefined || colon < 0) return undefined;
  return { principal: text.slice(0, colon), secret: text.slice(colon + 1) };
}

function digestOf(secret: string): Uint8Array {
  return createHash("sha256").update(secret).digest();
}
