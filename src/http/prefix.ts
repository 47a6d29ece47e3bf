/**
 * Actor prefixes of Mesos paths: `/state`, `/master/state` and `/slave(1)/state` reach the same
 * route. Source: reference/http-api.md 1.
 */

/** The path without its actor, without trailing slashes; the first segment may be encoded. */
export function pathWithoutActor(request: Request, actor: string): string {
  const { pathname } = new URL(request.url);
  const path = pathname.replace(/\/+$/, "");
  const [, first = "", ...rest] = path.split("/");
  const isActor = first === actor || decodeSegment(first) === actor;
  return isActor ? `/${rest.join("/")}` : path === "" ? "/" : path;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
