/**
 * Actor prefixes of Mesos paths: `/state`, `/master/state` and `/slave(1)/state` reach the same
 * route. Source: reference/http-api.md 1.
 */

/** Of a request, see `withoutActor`. */
export function pathWithoutActor(request: Request, actor: string): string {
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
