/**
 * Actor prefixes of Mesos paths: `/state`, `/master/state` and `/slave(1)/state` reach the same
 * route. Source: reference/http-api.md 1.
 */

/** Of a request, see `withoutActor`. */
export function pathWithoutActor(request: Request, actor: string): string {
  const plain = plainPath(request.url);
  if (plain !== undefined && !plain.startsWith(`/${actor}`)) return plain;
  return withoutActor(new URL(request.url).pathname, actor);
}

/** The path without its actor, without trailing slashes; the first segment may be encoded. */
export function withoutActor(pathname: string, actor: string): string {
  const path = pathname.replace(/\/+$/, "");
  const [, segment = "", ...rest] = path.split("/");
  const first = decodeSegment(segment);
  return `/${(first === actor ? rest : [first, ...rest]).join("/")}`;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** A path that stands for itself, as those of calls do; a URL object costs more than the rest. */
function plainPath(url: string): string | undefined {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const path = start < 0 ? "" : url.slice(start);
  return PLAIN_PATH.test(path) ? path : undefined;
}

const PLAIN_PATH = /^(?:\/[\w-]+)+$/;
