/**
 * What tells one executor from another on the agent's port: a JSON web token (HS256) that names the
 * executor and its container, given to it in its environment. Source: semantics 7.4, http-api 5.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decodeUtf8 } from "../../base/text.ts";
import type { ExecutorClaims } from "../../security/executor-claims.ts";
import { TOKEN_CHARACTERS } from "./limits.ts";

const HEADER = encodePart({ alg: "HS256", typ: "JWT" });

export class ExecutorTokens {
  readonly #key: Uint8Array;

  /** `key` is the content of `--jwt_secret_key`. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Good for as long as the key is: executors outlive agents. */
  make({ fid, eid, cid }: ExecutorClaims): string {
    const signed = `${HEADER}.${encodePart({ fid, eid, cid })}`;
    return `${signed}.${this.#sign(signed).toString("base64url")}`;
  }

  /** The claims of a token of ours; undefined for anything else. */
  read(token: string): ExecutorClaims | undefined {
    if (token.length > TOKEN_CHARACTERS) return undefined;
    const [header, payload, signature, ...rest] = token.split(".");
    if (header === undefined || payload === undefined || signature === undefined) return undefined;
    const given = Buffer.from(signature, "base64url");
    const right = this.#sign(`${header}.${payload}`);
    if (rest.length > 0 || given.length !== right.length) return undefined;
    if (!timingSafeEqual(given, right)) return undefined;
    const { alg } = decodePart(header);
    const { fid, eid, cid } = decodePart(payload);
    if (alg !== "HS256") return undefined;
    if (typeof fid !== "string" || typeof eid !== "string" || typeof cid !== "string") {
      return undefined;
    }
    return { fid, eid, cid };
  }

  #sign(text: string): Buffer {
    return createHmac("sha256", this.#key).update(text).digest();
  }
}

function encodePart(fields: object): string {
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

function decodePart(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(decodeUtf8(Buffer.from(text, "base64url")) ?? "");
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    // No JSON: a token of somebody else, which claims nothing.
    return {};
  }
}
