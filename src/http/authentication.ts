/**
 * Authentication of requests, by realm (Basic, and tokens of executors): who asks, or why they are not heard. Comparing takes
 * the same time for every wrong secret and every unknown principal.
 * Source: reference/http-api.md 1, semantics 9.1.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { decodeUtf8 } from "../base/text.ts";
import type { Credential } from "../security/credentials.ts";
import type { ExecutorClaims } from "../security/executor-claims.ts";

/** Endpoints that are authenticated together. */
export type Realm = "readonly" | "readwrite" | "scheduler" | "executor";

export interface AuthenticationOptions {
  /** Realms are named `mesos-<component>-<realm>`. */
  readonly component: "master" | "agent";
  readonly credentials: readonly Credential[];
  /** Those in which nobody is heard without credentials; the others look at none. */
  readonly realms: ReadonlySet<Realm>;
  /** Executors log in with these, in the realm `executor` and, beside operators, in `readwrite`. */
  readonly tokens?: { read(token: string): ExecutorClaims | undefined } | undefined;
}

/** Who asks. Undefined: nobody in particular. */
export interface Caller {
  readonly principal: string | undefined;
  /** Set for an executor that has shown its token. */
  readonly claims?: ExecutorClaims | undefined;
}

const NOBODY: Caller = { principal: undefined };

/** Longest `Authorization` header that is looked at. */
const HEADER_LENGTH_MAX = 8192;

export class Authentication {
  readonly #component: string;
  readonly #realms: ReadonlySet<Realm>;
  readonly #tokens: AuthenticationOptions["tokens"];
  readonly #digests: ReadonlyMap<string, Uint8Array>;
  /** Compared with where there is no such principal. */
  readonly #noDigest: Uint8Array = digestOf("");

  constructor({ component, credentials, realms, tokens }: AuthenticationOptions) {
    this.#component = component;
    this.#realms = realms;
    this.#tokens = tokens;
    this.#digests = new Map(
      credentials.map(({ principal, secret }) => [principal, digestOf(secret)]),
    );
  }

  /** The caller, or the 401 to answer with. `realm` undefined: an endpoint that is open to all. */
  check(realm: Realm | undefined, request: Request): Caller | Response {
    if (realm === undefined || !this.#realms.has(realm)) return NOBODY;
    const header = request.headers.get("authorization") ?? "";
    if (realm === "executor" || (realm === "readwrite" && isBearer(header))) {
      const claims = this.#tokens?.read(readBearer(header));
      return claims === undefined ? this.#unauthorized(realm) : { principal: undefined, claims };
    }
    const given = readBasic(header);
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
    const scheme = realm === "executor" ? "Bearer" : "Basic";
    const headers = {
      "Content-Type": "text/plain; charset=utf-8",
      "WWW-Authenticate": `${scheme} realm="mesos-${this.#component}-${realm}"`,
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

function isBearer(header: string): boolean {
  return /^bearer /i.test(header);
}

/** The token, or no text that could be one. */
function readBearer(header: string): string {
  return isBearer(header) ? header.slice("bearer ".length).trim() : "";
}

function digestOf(secret: string): Uint8Array {
  return createHash("sha256").update(secret).digest();
}
