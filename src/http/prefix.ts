/**
 * Actor prefixes of Mesos paths: `/state`, `/master/state` and `/slave(1)/state` reach the same
 * route. Source: reference/http-api.md 1.
 */

/** The path without its actor, without trailing slashes; the first segment may be encoded. */
export function pathWithoutActor(request: Request, actor: string): string {
  const { pathname } = new URL(request.url);
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
