/** Reads and decodes the body of a v1 call, in the order of checks of reference/http-api.md 2.2. */
import { gunzipSync } from "node:zlib";
import { type Result, ok, refuse } from "../base/result.ts";
import type { Codec } from "../protocol/codec.ts";
import { CODEC_LIMITS } from "../protocol/limits.ts";
import { requestMediaType } from "../protocol/media-types.ts";
import type { V1Messages } from "../protocol/v1/types.ts";

/** The decoded call. Errors: everything that content type, compression and content can be. */
export async function readCall<N extends keyof V1Messages>(
  request: Request,
  codec: Codec,
  name: N,
): Promise<Result<V1Messages[N]>> {
  const mediaType = requestMediaType(request.headers.get("content-type"));
  if (!mediaType.ok) return mediaType;
  const body = await readBody(request);
  return body.ok ? codec.decode(name, mediaType.value, body.value) : body;
}

async function readBody(request: Request): Promise<Result<Uint8Array>> {
  let bytes: Uint8Array;
  try {
    bytes = await request.bytes();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `The request body ended before it was complete: ${reason}`);
  }
  return request.headers.get("content-encoding") === "gzip" ? inflate(bytes) : ok(bytes);
}

function inflate(bytes: Uint8Array): Result<Uint8Array> {
  try {
    return ok(gunzipSync(bytes, { maxOutputLength: CODEC_LIMITS.bodyBytes }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `The body is not gzip as Content-Encoding says: ${reason}`);
  }
}
