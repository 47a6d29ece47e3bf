/**
 * Carries requests from a master that does not lead to the one that does, for clients that follow no
 * redirects. Streams of events go through as they come. Source: issue of several masters; semantics 1.3.
 */
import { ok } from "../../base/result.ts";
import { CODEC_LIMITS } from "../../protocol/limits.ts";
import { readPacked } from "../body.ts";
import { refusalResponse, textResponse } from "../responses.ts";

/** Tells a request that came through a follower, which is carried no further: two could disagree. */
const PASSED_ON = "allot-passed-on";
/** Of one connection, or wrong once a body has been read and written again. */
const NOT_CARRIED: readonly string[] = [
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** It has been with another follower already. */
export function wasPassedOn(request: Request): boolean {
  return request.headers.has(PASSED_ON);
}

/** The answer of the master at `host:port`; 503 where it cannot be reached. */
export async function passOn(request: Request, address: string): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const headers = carried(request.headers);
  headers.set(PASSED_ON, "1");
  // Else the body would be unpacked on its way, under a head that says it is packed.
  headers.set("Accept-Encoding", "identity");
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const body = hasBody ? await readPacked(request, CODEC_LIMITS.bodyBytes) : ok(undefined);
  if (!body.ok) return refusalResponse(body.error);
  try {
    const answer = await fetch(`http://${address}${pathname}${search}`, {
      method: request.method,
      headers,
      redirect: "manual",
      signal: request.signal,
      ...(body.value === undefined ? {} : { body: body.value as Uint8Array<ArrayBuffer> }),
    });
    return new Response(answer.body, { status: answer.status, headers: carried(answer.headers) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return textResponse(503, `The leading master at ${address} cannot be reached: ${reason}`);
  }
}

function carried(headers: Headers): Headers {
  const copy = new Headers(headers);
  for (const name of NOT_CARRIED) copy.delete(name);
  return copy;
}
