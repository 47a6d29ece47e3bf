/**
 * Content negotiation of the v1 APIs: which type a request body has and which type the response
 * gets. Source: reference/http-api.md 2.1 and 2.3.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { ACCEPT_HEADER_LENGTH } from "./limits.ts";

/** The two encodings of a v1 message. */
export type MediaType = "application/json" | "application/x-protobuf";

/** In the order in which an `Accept` header is tried: JSON wins when several are allowed. */
export const MEDIA_TYPES: readonly MediaType[] = ["application/json", "application/x-protobuf"];

/**
 * The type of a request body from its `Content-Type`, compared as an exact, case-sensitive string:
 * parameters such as a charset are refused as Mesos refuses them.
 * Errors: invalid (absent), unsupportedMediaType.
 */
export function requestMediaType(contentType: string | null | undefined): Result<MediaType> {
  if (contentType === null || contentType === undefined) {
    return refuse("invalid", "Expecting 'Content-Type' to be present");
  }
  const mediaType = MEDIA_TYPES.find((candidate) => candidate === contentType);
  if (mediaType !== undefined) return ok(mediaType);
  return refuse(
    "unsupportedMediaType",
    "Expecting 'Content-Type' of application/json or application/x-protobuf",
  );
}

/**
 * The type of the response from the `Accept` header; an absent one allows everything, so JSON.
 * Errors: notAcceptable.
 */
export function responseMediaType(accept: string | null | undefined): Result<MediaType> {
  const mediaType = MEDIA_TYPES.find((candidate) => acceptsMediaType(accept, candidate));
  if (mediaType !== undefined) return ok(mediaType);
  return refuse(
    "notAcceptable",
    "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
  );
}

/**
 * Whether an `Accept` header allows a type: names compare case-insensitively, `type/*` and the
 * range of all types match, `q=0` refuses, other q values do not rank. Takes any type, as the
 * agent's API also answers `application/recordio`.
 */
export function acceptsMediaType(accept: string | null | undefined, mediaType: string): boolean {
  if (accept === null || accept === undefined) return true;
  if (accept.length > ACCEPT_HEADER_LENGTH) return false;
  const [type = ""] = mediaType.split("/");
  const wanted = [mediaType, `${type}/*`, "*/*"];
  // The most specific range decides, so that `application/json;q=0, */*` refuses JSON.
  const ranges = accept.split(",").map(parseRange);
  for (const name of wanted) {
    const matching = ranges.filter((range) => range.name === name);
    if (matching.length > 0) return matching.some((range) => !range.isRefused);
  }
  return false;
}

function parseRange(text: string): { readonly name: string; readonly isRefused: boolean } {
  const [name = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  return {
    name,
    isRefused: parameters.some((parameter) => /^q\s*=\s*0(\.0{0,3})?$/.test(parameter)),
  };
}
