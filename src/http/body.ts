/** Reads and decodes the body of a v1 call, in the order of checks of reference/http-api.md 2.2. */
import { gunzipSync } from "node:zlib";
import { ok, type Result, refuse } from "../base/result.ts";
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
  const body = await readBody(request, CODEC_LIMITS.bodyBytes);
  return body.ok ? codec.decode(name, mediaType.value, body.value) : body;
}

/**
 * The whole body, inflated. Never holds more than about `maxBytes`, whatever the request declares
 * or leaves out. Errors: tooLarge; invalid (cut short, not gzip); unsupportedMediaType.
 */
export function readBody(request: Request, maxBytes: number): Promise<Result<Uint8Array>> {
  const received = readPacked(request, maxBytes);
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || encoding === "") return received;
  return decoded(received, encoding, maxBytes);
}

async function decoded(
  body: Promise<Result<Uint8Array>>,
  encoding: string,
  maxBytes: number,
): Promise<Result<Uint8Array>> {
  const received = await body;
  if (!received.ok) return received;
  if (encoding === "gzip" || encoding === "x-gzip") return inflate(received.value, maxBytes);
  return refuse("unsupportedMediaType", "Expecting 'Content-Encoding' to be gzip, or none");
}

/** The whole body as it was sent. Errors: tooLarge; invalid (cut short). */
export async function readPacked(request: Request, maxBytes: number): Promise<Result<Uint8Array>> {
  const declared = request.headers.get("content-length");
  if (Number(declared ?? 0) > maxBytes) return tooLarge(maxBytes);
  try {
    // A declared length holds, as HTTP itself ends the body there.
    if (declared !== null || request.body === null) return ok(await request.bytes());
    return await collect(request.body, maxBytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `The request body ended before it was complete: ${reason}`);
  }
}

/** Leaving the loop cancels the rest of the body. */
async function collect(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Result<Uint8Array>> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of body) {
    byteCount += chunk.byteLength;
    if (byteCount > maxBytes) return tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(byteCount);
  let position = 0;
  for (const chunk of chunks) {
    whole.set(chunk, position);
    position += chunk.byteLength;
  }
  return ok(whole);
}

function inflate(bytes: Uint8Array, maxBytes: number): Result<Uint8Array> {
  try {
    return ok(gunzipSync(bytes, { maxOutputLength: maxBytes }));
  } catch (error) {
    const isBomb =
      error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    if (isBomb) return tooLarge(maxBytes);
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("invalid", `The body is not gzip as Content-Encoding says: ${reason}`);
  }
}

function tooLarge(maxBytes: number): Result<never> {
  return refuse("tooLarge", `The body is above the limit of ${maxBytes} bytes`);
}
