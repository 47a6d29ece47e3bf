/**
 * Gzip for answers that are whole and large, where the client takes it. Streams go as they are,
 * because their records must arrive one by one. Source: reference/http-api.md 2.1.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Smaller bodies gain nothing. */
const BODY_BYTES_MIN = 1024;
/** The fastest: JSON shrinks tenfold all the same. */
const LEVEL = 1;

/** Runs in a thread of its own, so that a large body does not hold up the event loop. */
const gzipInBackground = promisify(gzip);

/** The response, compressed if that is worth it and wanted. */
export function compressed(response: Response, request: Request): Response | Promise<Response> {
  if (!allowsGzip(request.headers.get("accept-encoding"))) return response;
  const byteCount = Number(response.headers.get("content-length") ?? 0);
  if (byteCount < BODY_BYTES_MIN || request.method === "HEAD") return response;
  return gzipped(response);
}

async function gzipped(response: Response): Promise<Response> {
  const packed = await gzipInBackground(await response.arrayBuffer(), { level: LEVEL });
  const body = new Uint8Array(packed);
  const headers = new Headers(response.headers);
  headers.set("Content-Encoding", "gzip");
  headers.set("Content-Length", String(body.byteLength));
  return new Response(body, { status: response.status, headers });
}

/** `gzip` or `*` in the list, unless refused by `q=0`; what is named counts before `*`. */
export function allowsGzip(acceptEncoding: string | null): boolean {
  if (acceptEncoding === null) return false;
  const codings = acceptEncoding.toLowerCase().split(",").map(parseCoding);
  const found =
    codings.find(({ name }) => name === "gzip") ?? codings.find(({ name }) => name === "*");
  return found?.isAllowed === true;
}

function parseCoding(text: string): { readonly name: string; readonly isAllowed: boolean } {
  const [name = "", ...parameters] = text.split(";").map((part) => part.trim());
  return { name, isAllowed: !parameters.some((one) => /^q\s*=\s*0(\.0{0,3})?$/.test(one)) };
}
