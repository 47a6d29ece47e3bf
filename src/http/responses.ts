/**
 * Ready-made HTTP answers with the statuses and texts of reference/http-api.md 2.3. The one place
 * that maps a refusal to a status.
 */
import type { Refusal, RefusalCode } from "../base/result.ts";
import { encodeUtf8 } from "../base/text.ts";

const STATUS: Readonly<Record<RefusalCode, number>> = {
  invalid: 400,
  forbidden: 403,
  notFound: 404,
  notAcceptable: 406,
  conflict: 409,
  gone: 410,
  tooLarge: 413,
  unsupportedMediaType: 415,
  notImplemented: 501,
  notReady: 503,
  failed: 500,
  notLeader: 307,
};

/** Plain text with a status, as Mesos writes every error. */
export function textResponse(status: number, text: string): Response {
  return whole(text, "text/plain; charset=utf-8", status);
}

/** The answer to a refused request; names the field to blame unless the message does already. */
export function refusalResponse(refusal: Refusal): Response {
  const { code, message, field } = refusal;
  const blame = field === undefined || message.includes(field) ? "" : ` (field ${field})`;
  return textResponse(STATUS[code], `${message}${blame}`);
}

/** No body; 202 means received, not done. */
export function emptyResponse(status: 200 | 202): Response {
  return new Response(null, { status });
}

/** A body of a v1 API, already encoded. */
export function encodedResponse(mediaType: string, body: Uint8Array<ArrayBuffer>): Response {
  return whole(body, mediaType);
}

/** A body that is there as a whole; its length in the head tells it from a stream. */
function whole(
  body: string | Uint8Array<ArrayBuffer>,
  contentType: string,
  status = 200,
): Response {
  const bytes = typeof body === "string" ? encodeUtf8(body) : body;
  const headers = { "Content-Type": contentType, "Content-Length": String(bytes.byteLength) };
  return new Response(bytes, { status, headers });
}

/** Anything as JSON; `jsonp` wraps it in a call of that name, as the endpoints outside v1 allow. */
export function jsonResponse(value: unknown, jsonp?: string): Response {
  const text = JSON.stringify(value);
  if (jsonp === undefined || jsonp === "") {
    return whole(text, "application/json");
  }
  if (!isFunctionName(jsonp)) return badFunctionName(jsonp);
  return whole(`${jsonp}(${text});`, "text/javascript");
}

/** What may stand in front of a parenthesis in an answer to `jsonp`. */
export function isFunctionName(jsonp: string): boolean {
  return /^[\w.$[\]]{1,128}$/.test(jsonp);
}

/** The answer to a `jsonp` that is no function name. */
export function badFunctionName(jsonp: string): Response {
  return textResponse(400, `jsonp=${jsonp.slice(0, 40)} is not a function name`);
}

/** A wrong method; the answer names the right ones. */
export function methodNotAllowed(method: string, allowed: readonly string[] = ["POST"]): Response {
  const names = allowed.map((name) => `'${name}'`).join(", ");
  return new Response(
    `405 Method Not Allowed. Expecting one of { ${names} }, but received '${method}'.`,
    {
      status: 405,
      headers: { Allow: allowed.join(", "), "Content-Type": "text/plain; charset=utf-8" },
    },
  );
}
